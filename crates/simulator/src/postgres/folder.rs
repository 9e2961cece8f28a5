//! A folder that is removed even when this process is killed.

use std::os::unix::fs::{DirBuilderExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::programs::Account;

/// Waits until its standard input is closed, by this process or with it. A server that was told to end at the same moment
/// still writes into its folder, hence the repetitions.
const REMOVER: &str = r#"
trap '' HUP INT TERM
read -r _
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    if [ ! -e "$1/data/postmaster.pid" ] || [ -n "$forced" ]; then
        ! mountpoint -q "$1/data" || umount "$1/data" || umount -l "$1/data"
        rm -rf "$1" && exit
    fi
    sleep 0.25
done
forced=yes
! mountpoint -q "$1/data" || umount -l "$1/data"
rm -rf "$1"
"#;

/// A folder with its remover, a small process that outlives this one.
#[derive(Debug)]
pub(super) struct ServerFolder {
    path: PathBuf,
    remover: Child,
}

impl ServerFolder {
    /// Creates a folder below the system's temporary folder, which `account` owns.
    pub(super) fn create(account: Option<Account>) -> std::io::Result<Self> {
        let path = std::env::temp_dir().join(format!("stenobot-postgres-{}", uuid::Uuid::now_v7().simple()));
        std::fs::DirBuilder::new().mode(0o700).create(&path)?;
        if let Some(Account { user, group }) = account {
            chown(&path, Some(user), Some(group))?;
        }
        let remover = Command::new("sh")
            .args(["-c", REMOVER, "sh"])
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir("/")
            .process_group(0)
            .spawn()?;
        Ok(Self { path, remover })
    }

    /// Absolute path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for ServerFolder {
    fn drop(&mut self) {
        drop(self.remover.stdin.take());
        // What it leaves behind is left to the system, which clears its temporary folder.
        let _ = self.remover.wait();
    }
}
