//! Memory that this process may use: the machine's, within the limits of control groups.

use std::fs;
use std::path::{Path, PathBuf};

/// Memory that this process may use, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Minimum of the machine's memory and all limits.
    pub limit: u64,
    /// Origin of `limit`.
    pub bound: Bound,
    /// Unused part of it now.
    pub available: u64,
}

/// Origin of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// All that the machine has.
    Machine,
    /// A control group: of a container, of a systemd unit.
    Group,
}

impl Memory {
    /// Reads it from `proc` (`/proc`) and `cgroup` (`/sys/fs/cgroup`).
    ///
    /// # Errors
    /// When the machine's memory cannot be read.
    pub fn read(proc: &Path, cgroup: &Path) -> std::io::Result<Self> {
        let table = fs::read_to_string(proc.join("meminfo"))?;
        let field = |name: &str| {
            let line = table.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib << 10)
        };
        let unreadable = || std::io::Error::other("meminfo has another form");
        let total = field("MemTotal:").ok_or_else(unreadable)?;
        let available = field("MemAvailable:").or_else(|| field("MemFree:")).ok_or_else(unreadable)?;
        let mut memory = Self { limit: total, bound: Bound::Machine, available };
        let groups = fs::read_to_string(proc.join("self/cgroup")).unwrap_or_default();
        for group in groups.lines().flat_map(|line| Group::of(line, cgroup)) {
            let Some((limit, used)) = group.limit() else { continue };
            if limit < memory.limit {
                memory = Self { limit, bound: Bound::Group, ..memory };
            }
            memory.available = memory.available.min(limit.saturating_sub(used));
        }
        Ok(memory)
    }

    /// Reads the memory of this process from the kernel.
    ///
    /// # Errors
    /// As [`Memory::read`].
    pub fn here() -> std::io::Result<Self> {
        Self::read(Path::new("/proc"), Path::new("/sys/fs/cgroup"))
    }
}

/// A control group, by the version of its interface.
enum Group {
    V1(PathBuf),
    V2(PathBuf),
}

impl Group {
    /// The groups that a line of `/proc/self/cgroup` names, up to the root: each may have a limit. Seen from
    /// inside a container the path may not exist; its own group is the root then.
    fn of(line: &str, cgroup: &Path) -> Vec<Self> {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { return Vec::new() };
        let (root, make): (PathBuf, fn(PathBuf) -> Self) = match controllers {
            "" => (cgroup.to_owned(), Self::V2),
            names if names.split(',').any(|name| name == "memory") => (cgroup.join("memory"), Self::V1),
            _ => return Vec::new(),
        };
        let relative = Path::new(path.trim_start_matches('/'));
        relative.ancestors().map(|folder| make(root.join(folder))).collect()
    }

    /// Limit and use in bytes; `None` without a limit. Pages of files that could be dropped at any time are no use.
    fn limit(&self) -> Option<(u64, u64)> {
        let (folder, limit, usage, droppable) = match self {
            Self::V1(folder) => (folder, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file "),
            Self::V2(folder) => (folder, "memory.max", "memory.current", "inactive_file "),
        };
        let number = |file: &str| fs::read_to_string(folder.join(file)).ok()?.trim().parse::<u64>().ok();
        let statistics = fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
        let droppable = statistics.lines().find_map(|line| line.strip_prefix(droppable)?.trim().parse::<u64>().ok());
        let used = number(usage).unwrap_or(0).saturating_sub(droppable.unwrap_or(0));
        // Version 1 spells "no limit" as a number near the largest.
        number(limit).filter(|limit| *limit < 1 << 60).map(|limit| (limit, used))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// A machine with 2000 MiB of which 1500 are free, and these files below `proc` and `cgroup`.
    fn machine(files: &[(&str, &str)]) -> Memory {
        let root = tempfile::tempdir().unwrap();
        let meminfo = ("proc/meminfo", "MemTotal: 2048000 kB\nMemFree: 1000 kB\nMemAvailable: 1536000 kB\n");
        for (name, text) in files.iter().chain([&meminfo]) {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Memory::read(&root.path().join("proc"), &root.path().join("cgroup")).unwrap()
    }

    #[test]
    fn without_limits_it_is_the_machine_s() {
        let free = Memory { limit: 2000 * MIB, bound: Bound::Machine, available: 1500 * MIB };
        assert_eq!(machine(&[]), free);
        let unlimited = [("proc/self/cgroup", "0::/a\n"), ("cgroup/a/memory.max", "max\n")];
        assert_eq!(machine(&unlimited), free);
        let unlimited =
            [("proc/self/cgroup", "3:memory:/a\n"), ("cgroup/memory/a/memory.limit_in_bytes", "9223372036854771712\n")];
        assert_eq!(machine(&unlimited), free);
    }

    #[test]
    fn the_tightest_limit_on_the_way_up_counts() {
        let memory = machine(&[
            ("proc/self/cgroup", "0::/system.slice/bot.service\n"),
            ("cgroup/system.slice/bot.service/memory.max", "max\n"),
            ("cgroup/system.slice/memory.max", "536870912\n"),
            ("cgroup/system.slice/memory.current", "209715200\n"),
            ("cgroup/system.slice/memory.stat", "anon 1\ninactive_file 104857600\nactive_file 7\n"),
        ]);
        assert_eq!(memory, Memory { limit: 512 * MIB, bound: Bound::Group, available: 412 * MIB });
    }

    #[test]
    fn a_container_s_own_group_is_the_root_it_sees() {
        let memory = machine(&[
            ("proc/self/cgroup", "5:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n"),
            ("cgroup/memory/memory.limit_in_bytes", "268435456\n"),
            ("cgroup/memory/memory.usage_in_bytes", "52428800\n"),
            ("cgroup/memory/memory.stat", "inactive_file 1\ntotal_inactive_file 10485760\n"),
        ]);
        assert_eq!(memory, Memory { limit: 256 * MIB, bound: Bound::Group, available: 216 * MIB });
    }
}
