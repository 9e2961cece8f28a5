//! Resources of this machine and their use by processes, as reported by the kernel.

mod memory;

use std::io;
use std::path::Path;
use std::time::Duration;

use procfs::WithCurrentSystemInfo;
use procfs::process::Process;

pub use memory::{Bound, Memory};

/// Resources that one process uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessUsage {
    /// Process id of the parent.
    pub parent: u32,
    /// Processor time since it started, in user and kernel mode.
    pub cpu: Duration,
    /// Resident memory now, in bytes.
    pub resident_bytes: u64,
    /// Maximum of the resident memory so far, in bytes.
    pub peak_bytes: u64,
}

impl ProcessUsage {
    /// `None` when there is no such process any more.
    pub fn of(pid: u32) -> Option<Self> {
        Self::read(&Process::new(i32::try_from(pid).ok()?).ok()?)
    }

    /// The children of `parent` that live now, with their ids. Asks the kernel for its list: reading all processes would take
    /// longer the more of them there are.
    pub fn children_of(parent: u32) -> impl Iterator<Item = (u32, Self)> {
        let process = i32::try_from(parent).ok().and_then(|pid| Process::new(pid).ok());
        let threads = process.and_then(|process| process.tasks().ok());
        let children = threads.into_iter().flatten().flatten().filter_map(|thread| thread.children().ok()).flatten();
        children.filter_map(|pid| Some((pid, Self::of(pid)?)))
    }

    fn read(process: &Process) -> Option<Self> {
        let stat = process.stat().ok()?;
        #[expect(clippy::cast_precision_loss, reason = "ticks of a process's life are exact in 52 bits")]
        let seconds = (stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64;
        let status = process.status().ok()?;
        Some(Self {
            parent: u32::try_from(stat.ppid).ok()?,
            cpu: Duration::try_from_secs_f64(seconds).ok()?,
            resident_bytes: stat.rss_bytes().get(),
            peak_bytes: status.vmhwm.unwrap_or(0) * 1024,
        })
    }
}

/// Space of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DiskSpace {
    /// Bytes that this user may still write.
    pub free_bytes: u64,
    /// Bytes in all.
    pub size_bytes: u64,
    /// Whether new files can be made: a disk may have room, but no inodes.
    pub takes_files: bool,
}

impl DiskSpace {
    /// Of the file system that holds `path`.
    pub fn around(path: &Path) -> io::Result<Self> {
        let stat = rustix::fs::statvfs(path)?;
        Ok(Self {
            free_bytes: stat.f_bavail.saturating_mul(stat.f_frsize),
            size_bytes: stat.f_blocks.saturating_mul(stat.f_frsize),
            // Some file systems do not count files and report none.
            takes_files: stat.f_files == 0 || stat.f_favail > 100,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_and_its_child_are_seen() {
        let mut child = std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let own = ProcessUsage::of(std::process::id()).unwrap();
        assert!(own.resident_bytes > 1024 * 1024 && own.peak_bytes >= own.resident_bytes / 2, "{own:?}");
        let found = ProcessUsage::children_of(std::process::id()).find(|(pid, _)| *pid == child.id());
        assert!(found.is_some_and(|(_, usage)| usage.parent == std::process::id()));
        drop(child.stdin.take());
        child.wait().unwrap();
        assert_eq!(ProcessUsage::of(child.id()), None);
    }

    #[test]
    fn a_file_system_has_room() {
        let space = DiskSpace::around(Path::new("/")).unwrap();
        assert!(space.size_bytes > 0 && space.free_bytes <= space.size_bytes);
        assert!(space.takes_files);
        assert!(Memory::here().unwrap().limit > 1 << 20);
    }
}
