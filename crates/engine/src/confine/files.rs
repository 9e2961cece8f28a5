//! Files, programs and connections that a child may use, enforced by Landlock where the kernel has it (Linux 5.13, for
//! connections 6.7).

use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreated,
    RulesetCreatedAttr, RulesetError, Scope, path_beneath_rules,
};

/// The newest version that is requested; an older kernel enforces what it knows.
const WANTED: ABI = ABI::V10;

/// Paths that native code and the standard library read.
const SYSTEM: [&str; 11] = [
    "/usr",
    "/lib",
    "/lib64",
    "/etc/ld.so.cache",
    "/proc/self",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/sys/devices/system",
    "/sys/fs/cgroup",
    "/dev/null",
    "/dev/urandom",
];

/// What a child may read.
#[derive(Debug, Clone, Copy)]
pub enum Readable<'p> {
    /// Whatever its user may: for files named on the terminal.
    Everything,
    /// The paths of the system and what is at or below these.
    Only(&'p [&'p Path]),
}

/// From now on this thread, and those that it starts, opens no file for writing, starts no program, makes no connection and
/// reads only what is `readable`. Best effort: without Landlock nothing changes.
pub fn confine_files(readable: Readable<'_>) {
    // Fails where Landlock is hidden, as by a filter of system calls: the limits hold nevertheless.
    let _ = restrict(readable);
}

/// Whether the kernel enforces this. Changes nothing.
pub fn holds_files() -> bool {
    let strict = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    strict.handle_access(AccessFs::from_all(ABI::V1)).and_then(Ruleset::create).is_ok()
}

fn restrict(readable: Readable<'_>) -> Result<(), RulesetError> {
    let reading = AccessFs::ReadFile | AccessFs::ReadDir;
    let handled = match readable {
        Readable::Everything => AccessFs::from_write(WANTED) | AccessFs::Execute,
        Readable::Only(_) => AccessFs::from_all(WANTED),
    };
    let rules: RulesetCreated = Ruleset::default()
        .handle_access(handled)?
        .handle_access(AccessNet::from_all(WANTED))?
        .scope(Scope::from_all(WANTED))?
        .create()?;
    let rules = match readable {
        Readable::Everything => rules,
        Readable::Only(paths) => {
            rules.add_rules(path_beneath_rules(SYSTEM, reading))?.add_rules(path_beneath_rules(paths, reading))?
        }
    };
    rules.restrict_self().map(drop)
}
