//! Confinement: the limits that the processes of this program set for themselves before they read foreign input.
//!
//! A child reads hostile files with decoders that are partly C, so that it must be able to harm nothing but itself: its
//! memory, processor time and files are bounded; it writes no files, starts no programs and makes no connections; when
//! memory is short the kernel ends it before the bot. No transcript reaches a disk through a core file, and no other process
//! of this user can read the bot's token.

mod files;

use std::path::Path;
use std::time::Duration;

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

pub use files::{Readable, confine_files, holds_files};

const MIB: u64 = 1 << 20;

/// Address space of a probe in bytes: about 50 MiB are in use with the good files of this repository, and in a build without
/// optimisation 80, the program included.
/// Two hours of video take 4 MiB more, a picture of 16 MiB in a FLAC 20 MiB; a hostile header asks for any amount.
const PROBE_SPACE: u64 = 136 * MIB;

/// Memory that a probe can take of the machine, in bytes: its address space without the program, which the bot has in memory
/// anyway.
pub const PROBE_MEMORY: u64 = PROBE_SPACE - 64 * MIB;

/// Probes at once: each may take all the memory that its limit allows.
pub const MAX_PROBES: usize = 2;

/// Processor time of a probe in seconds, beside that for the audio itself; then the kernel ends it.
const PROBE_SECONDS: u64 = 30;

/// Slowest decoding that a probe waits for, in times real time: less than a tenth of the speed of old machines.
const MIN_DECODING_SPEED: u64 = 20;

/// Files that may be open in a probe: standard input, output and error, the audio, and those of `/proc`.
const PROBE_FILES: u64 = 16;

/// Files that may be open in an engine: also its two models, and what whisper.cpp reads about the machine.
const ENGINE_FILES: u64 = 64;

/// Memory of an engine beyond what it holds once its models are loaded and what its network needs for a window: 12 MiB were
/// measured.
const ENGINE_WORK: u64 = 256 * MIB;

/// Memory of a command that reads a foreign database, beyond what it holds before: SQLite's pages, its schema, and the ids
/// of a million users.
const FOREIGN_FILE: u64 = 256 * MIB;

/// The stack of one computing thread, which starts with the first job: 8 MiB by default.
const STACK: u64 = 16 * MIB;

/// One second of samples, and as much again twice while their list grows.
const AUDIO_SECOND: u64 = 3 * 4 * 16_000;

/// `oom_score_adj` of a child: of 1000 points by which it is ended before others when memory is short.
const EXPENDABLE: &str = "500";

/// A limit that could not be set; nothing was read yet.
#[derive(Debug, thiserror::Error)]
#[error("this process cannot limit its {what} ({why}): look at the limits of the service or container")]
pub struct ConfineError {
    what: &'static str,
    why: std::io::Error,
}

/// For every command, first of all: no core file, and its memory and variables, where the token is, are unreadable to other
/// processes of this user. Children of the bot undo the second: see [`probe`], [`engine`].
///
/// # Errors
/// [`ConfineError`].
pub fn every_process() -> Result<(), ConfineError> {
    limit("core files", Resource::Core, 0)?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(|why| ConfineError::of("core files", why))
}

/// For `stenobot probe` of a recording of at most `audio` in `file`.
///
/// # Errors
/// [`ConfineError`].
pub fn probe(file: &Path, audio: Duration) -> Result<(), ConfineError> {
    child()?;
    confine_files(Readable::Only(&[file]));
    limit("memory", Resource::As, PROBE_SPACE)?;
    limit("processor time", Resource::Cpu, PROBE_SECONDS + audio.as_secs() / MIN_DECODING_SPEED)?;
    limit("open files", Resource::Nofile, PROBE_FILES)?;
    limit("processes", Resource::Nproc, 0)
}

/// For `stenobot engine`, before it loads anything and starts a thread. Its memory follows: [`Headroom`].
///
/// # Errors
/// [`ConfineError`].
pub fn engine(readable: Readable<'_>) -> Result<(), ConfineError> {
    child()?;
    confine_files(readable);
    limit("open files", Resource::Nofile, ENGINE_FILES)
}

/// For a command that reads a foreign database.
///
/// # Errors
/// [`ConfineError`].
pub fn foreign_file() -> Result<(), ConfineError> {
    // Without `/proc`: half a gigabyte is more than the program holds.
    let held = held().unwrap_or(2 * FOREIGN_FILE);
    limit("memory", Resource::Data, held + FOREIGN_FILE)
}

/// Bytes of this process's writable memory. `None` without `/proc`.
fn held() -> Option<u64> {
    let status = procfs::process::Process::myself().and_then(|process| process.status()).ok()?;
    Some(status.vmdata? * 1024)
}

/// For every child. It holds no secret, so it is made dumpable again: `/proc` may be mounted so that it shows a user, and so
/// the parent, only processes that the user could trace.
fn child() -> Result<(), ConfineError> {
    limit("core files", Resource::Core, 0)?;
    set_dumpable_behavior(DumpableBehavior::Dumpable).map_err(|why| ConfineError::of("visibility", why))?;
    // The limit does not hold where cores are piped to a program: then no memory gets into them. Either write may fail: the
    // limits above remain.
    let _ = std::fs::write("/proc/self/coredump_filter", "0");
    let _ = std::fs::write("/proc/self/oom_score_adj", EXPENDABLE);
    Ok(())
}

/// The memory limit of an engine: what it holds when its models are loaded, and what a job needs beside that.
///
/// Measured rather than computed, since native code reserves several times what it touches. Writable mappings are counted.
#[derive(Debug, Clone, Copy)]
pub struct Headroom {
    loaded: u64,
    threads: u64,
    work: u64,
}

impl Headroom {
    /// That of this process, whose models are loaded, which will compute with so many threads and needs `work` bytes for
    /// that. `None` without `/proc`.
    pub fn of_this_process(threads: usize, work: u64) -> Option<Self> {
        Some(Self { loaded: held()?, threads: threads as u64, work })
    }

    /// Limits this process to what a recording of at most `audio` needs, until the next call.
    ///
    /// # Errors
    /// [`ConfineError`].
    pub fn allow(self, audio: Duration) -> Result<(), ConfineError> {
        let maximum = rustix::process::getrlimit(Resource::Data).maximum;
        let current = Some(maximum.map_or(self.bytes(audio), |maximum| maximum.min(self.bytes(audio))));
        set("memory", Resource::Data, Rlimit { current, maximum })
    }

    fn bytes(self, audio: Duration) -> u64 {
        self.loaded + ENGINE_WORK + self.work + STACK * self.threads + AUDIO_SECOND * audio.as_secs()
    }
}

fn limit(what: &'static str, resource: Resource, most: u64) -> Result<(), ConfineError> {
    // The inherited limit may be lower.
    let most = rustix::process::getrlimit(resource).maximum.map_or(most, |maximum| maximum.min(most));
    set(what, resource, Rlimit { current: Some(most), maximum: Some(most) })
}

fn set(what: &'static str, resource: Resource, to: Rlimit) -> Result<(), ConfineError> {
    setrlimit(resource, to).map_err(|why| ConfineError::of(what, why))
}

impl ConfineError {
    fn of(what: &'static str, why: rustix::io::Errno) -> Self {
        Self { what, why: why.into() }
    }
}
