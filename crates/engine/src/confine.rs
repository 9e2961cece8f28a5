//! What the processes of this program take from themselves before they touch anything that came from outside.
//!
//! A child meets files that anybody may have made, with decoders that are partly C. Whatever it does, it is to end
//! alone: its memory, its processor time and its files are bounded, it writes, starts and calls nothing, and where memory is short the kernel ends it before
//! the bot. What people said gets to no disk by way of a core file, and the bot's token to no other process of this user.

mod files;

use std::path::Path;
use std::time::Duration;

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

pub use files::{Readable, confine_files, holds_files};

const MIB: u64 = 1 << 20;

/// Address space of a probe in bytes: 36 MiB are in use with the good files of this repository, the program included.
/// Two hours of video take 4 MiB more, a picture of 16 MiB in a FLAC 20 MiB; a hostile header asks for what there is.
const PROBE_SPACE: u64 = 96 * MIB;

/// Memory that a probe can take of the machine, in bytes: its address space without the program, which the bot has in memory
/// anyway.
pub const PROBE_MEMORY: u64 = PROBE_SPACE - 24 * MIB;

/// Probes at once: each may take all the memory that its limit allows.
pub const MAX_PROBES: usize = 2;

/// Processor time of a probe in seconds after which the kernel ends it, beside that for the audio itself.
const PROBE_SECONDS: u64 = 30;

/// Slowest decoding that a probe waits for, in times real time: less than a tenth of what old machines do.
const MIN_DECODING_SPEED: u64 = 20;

/// Files that may be open in a probe: standard input, output and error, the audio, and what looks at this process.
const PROBE_FILES: u64 = 16;

/// Files that may be open in an engine: also its two models, and what whisper.cpp asks of the machine.
const ENGINE_FILES: u64 = 64;

/// What an engine may take beyond that which it holds once its models are loaded: 12 MiB were measured.
const ENGINE_WORK: u64 = 256 * MIB;

/// What a command may take to read a database that anybody may have made, beyond that which it holds before: SQLite's pages,
/// its schema, and the ids of a million people.
const FOREIGN_FILE: u64 = 256 * MIB;

/// The stack of one computing thread, which starts with the first job: 8 MiB where nobody has set another.
const STACK: u64 = 16 * MIB;

/// One second of samples, and as much again twice while their list grows.
const AUDIO_SECOND: u64 = 3 * 4 * 16_000;

/// Points of 1000 by which a child is ended before others when memory is short.
const EXPENDABLE: &str = "500";

/// A bound that could not be set; nothing was done yet.
#[derive(Debug, thiserror::Error)]
#[error("this process cannot limit its {what} ({why}): look at the limits of the service or container")]
pub struct ConfineError {
    what: &'static str,
    why: std::io::Error,
}

/// For every command, before it looks at anything: no core file, and no look into its memory and its variables, where
/// the token is, from other processes of this user. Children of the bot take the second back: see [`probe`], [`engine`].
///
/// # Errors
/// [`ConfineError`].
pub fn every_process() -> Result<(), ConfineError> {
    limit("core files", Resource::Core, 0)?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(|why| ConfineError::of("core files", why))
}

/// For `stenobot probe` of a recording of at most `audio` in `file`: everything it can be held to.
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

/// For a command that reads a database which anybody may have made.
///
/// # Errors
/// [`ConfineError`].
pub fn foreign_file() -> Result<(), ConfineError> {
    // Where `/proc` does not tell, half a gigabyte is more than the program holds.
    let held = held().unwrap_or(2 * FOREIGN_FILE);
    limit("memory", Resource::Data, held + FOREIGN_FILE)
}

/// Bytes of this process's memory that can be written. `None` where `/proc` does not tell.
fn held() -> Option<u64> {
    let status = procfs::process::Process::myself().and_then(|process| process.status()).ok()?;
    Some(status.vmdata? * 1024)
}

/// What every child does without. It has no secret, and is seen by its parent again, unlike a process that is not
/// dumpable: `/proc` may be mounted so that it shows a user only what that user could trace.
fn child() -> Result<(), ConfineError> {
    limit("core files", Resource::Core, 0)?;
    set_dumpable_behavior(DumpableBehavior::Dumpable).map_err(|why| ConfineError::of("visibility", why))?;
    // Where a core goes to a program instead of a file, the limit is not asked: then no memory gets into it.
    // Neither file need be there to be written: the bounds above and the kernel's own choice remain.
    let _ = std::fs::write("/proc/self/coredump_filter", "0");
    let _ = std::fs::write("/proc/self/oom_score_adj", EXPENDABLE);
    Ok(())
}

/// The memory of an engine: what it holds when its models are loaded, and what a job may take beside that.
///
/// Measured rather than computed, since the native code reserves several times what it ever touches. Mappings that can
/// be written are counted, not those that are only reserved for later.
#[derive(Debug, Clone, Copy)]
pub struct Headroom {
    loaded: u64,
    threads: u64,
}

impl Headroom {
    /// Looks at this process, whose models are loaded and which will compute with so many threads. `None` where `/proc`
    /// does not tell.
    pub fn of_this_process(threads: usize) -> Option<Self> {
        Some(Self { loaded: held()?, threads: threads as u64 })
    }

    /// Lets this process take what a recording of at most `audio` needs, until the next call says otherwise.
    ///
    /// # Errors
    /// [`ConfineError`].
    pub fn allow(self, audio: Duration) -> Result<(), ConfineError> {
        let maximum = rustix::process::getrlimit(Resource::Data).maximum;
        let current = Some(maximum.map_or(self.bytes(audio), |maximum| maximum.min(self.bytes(audio))));
        set("memory", Resource::Data, Rlimit { current, maximum })
    }

    fn bytes(self, audio: Duration) -> u64 {
        self.loaded + ENGINE_WORK + STACK * self.threads + AUDIO_SECOND * audio.as_secs()
    }
}

fn limit(what: &'static str, resource: Resource, most: u64) -> Result<(), ConfineError> {
    // Somebody else may have set less.
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
