//! The programs of PostgreSQL, and the user that they run as.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::PostgresError;

/// Debian keeps the server's programs off PATH, in one folder for each major version.
const DEBIAN_VERSIONS: &str = "/usr/lib/postgresql";

const NEEDED: [&str; 6] = ["createdb", "initdb", "pg_basebackup", "pg_ctl", "postgres", "psql"];

/// Folder of PostgreSQL's programs.
#[derive(Debug, Clone)]
pub(super) struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// On PATH, else of Debian's newest version.
    pub(super) fn find() -> Result<Self, PostgresError> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        // PATH may have links to some of the programs; all of them stand where the links lead.
        let on_path = std::env::split_paths(&path)
            .filter_map(|folder| Some(folder.join("postgres").canonicalize().ok()?.parent()?.to_owned()));
        let is_complete = |folder: &PathBuf| NEEDED.iter().all(|program| folder.join(program).is_file());
        let folder = on_path.chain(debian_folders()).find(is_complete);
        Ok(Self { folder: folder.ok_or(PostgresError::Missing)? })
    }

    /// Path of a program.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// Newest version first.
fn debian_folders() -> Vec<PathBuf> {
    let versions = std::fs::read_dir(DEBIAN_VERSIONS).into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = versions
        .filter_map(|version| Some((version.file_name().to_str()?.parse().ok()?, version.path().join("bin"))))
        .collect();
    versions.sort_by(|a, b| b.cmp(a));
    versions.into_iter().map(|(_, folder)| folder).collect()
}

/// User that the server runs as where this process is root.
#[derive(Debug, Clone, Copy)]
pub(super) struct Account {
    pub(super) user: u32,
    pub(super) group: u32,
}

impl Account {
    /// `None` when this process is not root: then the server runs as the same user.
    pub(super) fn find() -> Result<Option<Self>, PostgresError> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let users = std::fs::read_to_string("/etc/passwd")?;
        let account = ["postgres", "nobody"].iter().find_map(|name| Self::parse(&users, name));
        account.map(Some).ok_or(PostgresError::NoAccount)
    }

    /// From the text of `/etc/passwd`.
    fn parse(users: &str, name: &str) -> Option<Self> {
        let entry = users.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        let mut fields = entry.split(':').skip(1);
        Some(Self { user: fields.next()?.parse().ok()?, group: fields.next()?.parse().ok()? })
    }
}

/// A command as `account`, with no variables of this process but PATH, so that none of `PG*` changes what it does.
pub(super) fn command(program: &Path, account: Option<Account>, directory: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path))).env("LC_ALL", "C.UTF-8");
    command.current_dir(directory).stdin(Stdio::null());
    if let Some(Account { user, group }) = account {
        command.uid(user).gid(group);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_group_are_read_from_the_list_of_users() {
        let users =
            "root:x:0:0:root:/root:/bin/bash\npostgresql:x:7:8::/:/bin/sh\npostgres:x:101:104:admin,,,:/:/bin/sh\n";
        let Account { user, group } = Account::parse(users, "postgres").unwrap();
        assert_eq!((user, group), (101, 104));
        assert!(Account::parse(users, "nobody").is_none());
    }
}
