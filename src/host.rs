//! What this machine has, and what processes use of it, as the kernel tells.

use std::io;
use std::path::Path;
use std::time::Duration;

use procfs::process::Process;
use procfs::{Current, FromRead, Meminfo, WithCurrentSystemInfo};

/// What one process uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessUsage {
    /// Whose child it is.
    pub parent: u32,
    /// Processor time since it started, in user and kernel mode.
    pub cpu: Duration,
    /// Memory it holds now, in bytes.
    pub resident_bytes: u64,
    /// The most memory it ever held, in bytes.
    pub peak_bytes: u64,
}

impl ProcessUsage {
    /// `None` when there is no such process any more.
    pub fn of(pid: u32) -> Option<Self> {
        Self::read(&Process::new(i32::try_from(pid).ok()?).ok()?)
    }

    /// The children of `parent` that live now, with their ids.
    pub fn children_of(parent: u32) -> impl Iterator<Item = (u32, Self)> {
        let processes = procfs::process::all_processes().into_iter().flatten().flatten();
        processes.filter_map(move |process| {
            let usage = Self::read(&process).filter(|usage| usage.parent == parent)?;
            Some((u32::try_from(process.pid).ok()?, usage))
        })
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

/// Room on a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskSpace {
    /// Bytes that this user may still write.
    pub free_bytes: u64,
    /// Bytes in all.
    pub size_bytes: u64,
}

impl DiskSpace {
    /// Of the file system that holds `path`.
    pub fn around(path: &Path) -> io::Result<Self> {
        let stat = rustix::fs::statvfs(path)?;
        Ok(Self { free_bytes: stat.f_bavail * stat.f_frsize, size_bytes: stat.f_blocks * stat.f_frsize })
    }
}

/// Memory that the bot and its engines may use together, in bytes: the tightest limit among this process's cgroup and
/// those above it, else all the machine has. `None` where the kernel does not say.
pub fn memory_limit_bytes() -> Option<u64> {
    let total = Meminfo::current().ok()?.mem_total;
    let groups = std::fs::read("/proc/self/cgroup").unwrap_or_default();
    let limit = cgroup_limit_bytes(Path::new("/sys/fs/cgroup"), &groups);
    Some(limit.map_or(total, |limit| limit.min(total)))
}

/// The tightest memory limit that `root` (a cgroup file system, version 2, or version 1 with its `memory` controller
/// below it) sets for the groups listed in `groups`, which has the form of `/proc/self/cgroup`.
fn cgroup_limit_bytes(root: &Path, groups: &[u8]) -> Option<u64> {
    let groups = procfs::ProcessCGroups::from_read(groups).ok()?;
    let limits = groups.0.iter().flat_map(|group| {
        let (root, file) = match group.controllers.iter().any(|name| name == "memory") {
            true => (root.join("memory"), "memory.limit_in_bytes"),
            false if group.hierarchy == 0 => (root.to_path_buf(), "memory.max"),
            false => return Vec::new(),
        };
        let path = Path::new(&group.pathname);
        let path = path.strip_prefix("/").unwrap_or(path);
        // In a container, the path may be the host's: its root's limit counts all the same.
        path.ancestors().filter_map(|group| limit(&root.join(group).join(file))).collect()
    });
    limits.min()
}

/// `max`, version 2's word for no limit, is no number; version 1 says a number that no machine has.
fn limit(file: &Path) -> Option<u64> {
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
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
    fn the_tightest_limit_above_a_process_counts() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("system.slice/memory.max", "1073741824\n");
        write("system.slice/bot.service/memory.max", "max\n");
        let limit = |groups: &str| cgroup_limit_bytes(root.path(), groups.as_bytes());
        assert_eq!(limit("0::/system.slice/bot.service\n"), Some(1 << 30));
        assert_eq!(limit("0::/user.slice\n"), None);
        write("system.slice/bot.service/memory.max", "536870912\n");
        assert_eq!(limit("0::/system.slice/bot.service\n"), Some(512 << 20));
        write("memory/docker/abc/memory.limit_in_bytes", "268435456\n");
        write("memory/memory.limit_in_bytes", "9223372036854771712\n");
        assert_eq!(limit("4:memory:/docker/abc\n0::/\n"), Some(256 << 20));
        assert_eq!(limit("9:pids:/docker/abc\n"), None);
    }

    #[test]
    fn a_file_system_has_room() {
        let space = DiskSpace::around(Path::new("/")).unwrap();
        assert!(space.size_bytes > 0 && space.free_bytes <= space.size_bytes);
        assert!(memory_limit_bytes().unwrap() > 1 << 20);
    }
}
