//! Full and read-only disks, by the means that this machine offers.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use stenobot_simulator::harness::Setup;

/// Twice the free space that the bot requires before a download.
const SIZE: &str = "size=64m";

/// The disk of a bot's data folder.
pub(super) struct Disk {
    folder: tempfile::TempDir,
    way: Method,
    /// Files made immutable.
    frozen: Vec<PathBuf>,
}

/// How writes are prevented.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Method {
    /// A tmpfs filled to the last byte.
    Mounted,
    /// Immutable files, also for descriptors that are open.
    Immutable,
    /// A file size limit of the bot's process; needs no privileges.
    Limit,
}

impl Disk {
    /// A disk that can be filled.
    pub(super) fn to_fill() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", SIZE, "tmpfs"]).arg(folder.path()).output();
        let mounted = mount.is_ok_and(|output| output.status.success());
        Self { folder, way: if mounted { Method::Mounted } else { Method::Limit }, frozen: Vec::new() }
    }

    /// A disk whose store can be made read-only.
    pub(super) fn to_freeze() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let probe = folder.path().join("probe");
        let mut open = File::create(&probe).unwrap();
        let binds = set_immutable(&probe, true) && open.write_all(b"x").is_err();
        set_immutable(&probe, false);
        std::fs::remove_file(&probe).unwrap();
        Self { folder, way: if binds { Method::Immutable } else { Method::Limit }, frozen: Vec::new() }
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The method, for the table.
    pub(super) fn way(&self) -> &'static str {
        match self.way {
            Method::Mounted => "a tmpfs filled to the last byte",
            Method::Immutable => "immutable files",
            Method::Limit => "a limit of 0 bytes on the bot's files",
        }
    }

    /// The kinds of store errors it causes, as in `journal_errors_total`.
    pub(super) fn kinds(&self) -> &'static [&'static str] {
        match self.way {
            Method::Mounted => &["full", "io"],
            Method::Immutable => &["io", "read_only"],
            Method::Limit => &["io"],
        }
    }

    /// The bot on this disk. A process over its file size limit is killed unless it ignores the signal, which only its parent
    /// can arrange; its log goes through a pipe, to which the limit does not apply.
    pub(super) fn below(&self, mut setup: Setup) -> Setup {
        if self.way == Method::Limit {
            let script = r#"trap "" XFSZ; exec "$0" "$@" > >(cat) 2>&1"#;
            let program = std::mem::replace(&mut setup.program, "bash".into());
            let arguments = std::mem::take(&mut setup.arguments);
            setup.arguments = [OsString::from("-c"), script.into(), program.into()].into();
            setup.arguments.extend(arguments);
        }
        setup.data = Some(self.folder().to_owned());
        setup
    }

    /// Whether it can be filled partially.
    pub(super) fn is_mounted(&self) -> bool {
        self.way == Method::Mounted
    }

    /// Fills it except for a few megabytes.
    pub(super) fn leave_little(&self) {
        let mut filler = File::create(self.filler()).unwrap();
        for _ in 0..56 {
            filler.write_all(&vec![0; 1 << 20]).unwrap();
        }
    }

    /// Prevents all writes of the bot.
    pub(super) fn fill(&mut self, bot: u32) {
        match self.way {
            Method::Mounted => {
                let mut filler = File::create(self.filler()).unwrap();
                for block in [1 << 20, 4096, 1] {
                    while filler.write_all(&vec![0; block]).is_ok() {}
                }
            }
            Method::Immutable => {
                for suffix in ["", "-wal"] {
                    let file = self.folder().join(format!("stenobot.db{suffix}"));
                    assert!(set_immutable(&file, true));
                    self.frozen.push(file);
                }
            }
            Method::Limit => limit(bot, Some(0)),
        }
    }

    /// Allows writes again.
    pub(super) fn free(&mut self, bot: u32) {
        match self.way {
            Method::Mounted => std::fs::remove_file(self.filler()).unwrap(),
            Method::Immutable => self.make_mutable(),
            Method::Limit => limit(bot, None),
        }
    }

    fn filler(&self) -> PathBuf {
        self.folder().join("ballast")
    }

    fn make_mutable(&mut self) {
        for file in self.frozen.drain(..) {
            set_immutable(&file, false);
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.make_mutable();
        if self.way == Method::Mounted {
            // Lazily, because the bot of a failed test may still be running.
            let _ = Command::new("umount").arg("--lazy").arg(self.folder()).status();
        }
    }
}

fn set_immutable(file: &Path, immutable: bool) -> bool {
    let change = || {
        let file = OpenOptions::new().read(true).open(file)?;
        let mut flags = ioctl_getflags(file.as_fd())?;
        flags.set(IFlags::IMMUTABLE, immutable);
        std::io::Result::Ok(ioctl_setflags(file.as_fd(), flags)?)
    };
    change().is_ok()
}

/// Sets the soft limit, which an unprivileged process may raise again.
fn limit(bot: u32, bytes: Option<u64>) {
    let pid = Pid::from_raw(bot.cast_signed()).unwrap();
    let before = prlimit(Some(pid), Resource::Fsize, Rlimit { current: None, maximum: None });
    let maximum = before.map_or(None, |before| before.maximum);
    prlimit(Some(pid), Resource::Fsize, Rlimit { current: bytes.or(maximum), maximum }).unwrap();
}
