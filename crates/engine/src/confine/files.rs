//! Files, programs and connections that a child may use, held by the kernel's Landlock where it has that (Linux 5.13, for
//! connections 6.7).

use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreated,
    RulesetCreatedAttr, RulesetError, Scope, path_beneath_rules,
};

/// The newest version that is asked for; an older kernel holds what it knows.
const WANTED: ABI = ABI::V10;

/// What native code and the standard library read of the machine and of the process itself.
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
    /// Whatever its user may: a person names files on the terminal.
    Everything,
    /// The system's own files and what is at or below these paths.
    Only(&'p [&'p Path]),
}

/// From now on this thread, and those that it starts, writes to no file that is not open, starts no program, makes no
/// connection and reads what is given only. Best effort: without Landlock nothing changes.
pub fn confine_files(readable: Readable<'_>) {
    // An error is a kernel that hides Landlock, as a filter of system calls does: the limits hold all the same.
    let _ = restrict(readable);
}

/// Whether the kernel holds a child to its files. Changes nothing.
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
