//! Files: the data folder, the store, the disk.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Access, access};
use stenobot_domain::UserId;
use stenobot_host::DiskSpace;
use stenobot_store::{Inspection, MAX_CONNECTIONS, Store, StoreError, StoreUrl, write_ahead_log};

use super::{Finding, Refusal, size};
use crate::config::{BotToken, Config, DOTENV_FILE, Storage};
use crate::lifecycle::{DataDirError, DataDirState, DatabaseLock, DatabaseLockError, RecordingsFolder};

/// Permission bits of users other than the owner.
const OTHERS: u32 = 0o077;

/// Free bytes below which the operator is warned.
const LOW: u64 = 500_000_000;
/// Round trip above which the store is too far away.
const LATENCY_HIGH: Duration = Duration::from_millis(20);
/// Free bytes below which the store may fail at any time.
const FULL: u64 = 50_000_000;

/// State of the data folder.
pub(super) fn state(config: &Config) -> Result<DataDirState, DataDirError> {
    DataDirState::inspect(&config.storage.data_dir)
}

pub(super) async fn data_folder(storage: Storage, state: Result<DataDirState, DataDirError>) -> Finding {
    let folder = &storage.data_dir;
    let state = match state {
        Ok(state) => state,
        Err(error) => return Finding::failed(error),
    };
    let has_store = storage.database.file().is_some_and(Path::exists);
    if let Err(error) = RecordingsFolder::check(&storage.audio(), Storage::is_audio_file, has_store) {
        return Finding::failed(error);
    }
    let shown = folder.display();
    let said = match state {
        DataDirState::Absent => return Finding::ok(format!("{shown} is not there yet: the first start makes it")),
        DataDirState::Free => format!("{shown} is private and writable"),
        DataDirState::InUse => format!("{shown} is in use: the bot is running"),
    };
    let metadata = match folder.metadata() {
        Ok(metadata) => metadata,
        Err(error) => return Finding::failed(DataDirError::Unusable(error)),
    };
    let me = rustix::process::geteuid().as_raw();
    if metadata.uid() != me {
        return Finding::warning(format!(
            "{shown} belongs to user {}, not to {me}: run as its owner, or `chown -R {me} {shown}`",
            metadata.uid()
        ));
    }
    match metadata.permissions().mode() & OTHERS {
        0 => Finding::ok(said),
        _ => Finding::warning(format!("{said}, but others may look into it: `chmod 700 {shown}`")),
    }
}

/// `bot` is the account whose token is set; `is_running` says whether a bot works with this data folder.
pub(super) async fn store(storage: Storage, bot: Option<UserId>, is_running: bool) -> Finding {
    let url = &storage.database;
    let StoreUrl::Sqlite(path) = url else { return on_server(url, bot).await };
    if let Some(refusal) = readable(path) {
        return Finding::failed(refusal);
    }
    if !is_running && DatabaseLock::is_held(url).unwrap_or(false) {
        return Finding::failed(DatabaseLockError::InUse);
    }
    let inspection = match Store::inspect(url).await {
        Ok(Some(inspection)) => inspection,
        Ok(None) => {
            let parent = nearest(path);
            return match access(&parent, Access::WRITE_OK) {
                Ok(()) if parent.is_dir() => Finding::ok("not there yet: the first start makes it"),
                Ok(()) | Err(_) => Finding::failed(StoreError::Broken(
                    "its file cannot be opened; its folder must exist and belong to this user".into(),
                )),
            };
        }
        Err(error) => return Finding::failed(error),
    };
    if access(path, Access::WRITE_OK).is_err() {
        return Finding::failed(StoreError::ReadOnly);
    }
    described(&inspection, bot, "sound")
}

/// A database of a PostgreSQL server.
async fn on_server(url: &StoreUrl, bot: Option<UserId>) -> Finding {
    let inspection = match Store::inspect(url).await {
        Ok(Some(inspection)) => inspection,
        Ok(None) => return Finding::ok(format!("{url} is empty: the first start makes its tables")),
        Err(error) => return Finding::failed(error),
    };
    let Some(server) = &inspection.server else { return Finding::failed("the server says nothing of itself") };
    let state = format!(
        "PostgreSQL {}, answers within {:.1} ms, its clock differs by {:.1} s, takes {} more connections",
        server.version,
        server.latency.as_secs_f64() * 1000.0,
        server.clock_difference.as_secs_f64(),
        server.connections_left
    );
    // Those of one more machine.
    if server.connections_left < MAX_CONNECTIONS {
        return Finding::warning(format!("{state}: a machine needs up to {}; raise max_connections", MAX_CONNECTIONS));
    }
    if server.latency > LATENCY_HIGH {
        return Finding::warning(format!(
            "{state}: each message takes some 20 round trips; bring the two closer together"
        ));
    }
    described(&inspection, bot, &state)
}

fn described(inspection: &Inspection, bot: Option<UserId>, state: &str) -> Finding {
    if let (Some(store), Some(token)) = (inspection.bot, bot)
        && store != token
    {
        return Finding::failed(StoreError::OtherBot { store, token });
    }
    let requests = inspection.requests;
    match inspection.pending {
        0 => Finding::ok(format!("{state}, up to date, requests on record: {requests}")),
        pending => Finding::warning(format!(
            "{state}, requests on record: {requests}, migrations to run: {pending}; the next start does that; back it up first"
        )),
    }
}

/// Whether other users may read the store or its write-ahead log, which hold names and ids of users.
fn readable(database: &Path) -> Option<Refusal> {
    let files: Vec<PathBuf> = [database.to_owned(), write_ahead_log(database)]
        .into_iter()
        .filter(|file| file.metadata().is_ok_and(|metadata| metadata.permissions().mode() & OTHERS != 0))
        .collect();
    let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    if names.is_empty() {
        return None;
    }
    let folder = database.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let is_open = folder.metadata().is_ok_and(|metadata| metadata.permissions().mode() & OTHERS != 0);
    let folder = is_open.then(|| folder.to_owned());
    Some(Refusal::ReadableStore { files: names.join(" "), folder })
}

/// Whether other users may read `.env`, or the file that holds the token.
pub(super) fn token_files(token: Option<&BotToken>) -> Finding {
    let named = token.and_then(BotToken::file);
    let mut private = Vec::new();
    for file in [Some(Path::new(DOTENV_FILE)), named].into_iter().flatten() {
        let metadata = match file.metadata() {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Finding::warning(format!("{} cannot be looked at: {error}", file.display())),
        };
        let file = file.display();
        if metadata.permissions().mode() & OTHERS != 0 {
            let text = format!("other users of this machine can read the token in {file}: `chmod 600 {file}`");
            return Finding::warning(text);
        }
        private.push(format!("{file} is private"));
    }
    match token {
        _ if !private.is_empty() => Finding::ok(private.join(", ")),
        Some(_) => Finding::ok("none in this folder: the token is in the environment"),
        None => Finding::ok("none in this folder"),
    }
}

pub(super) async fn disk(storage: Storage) -> Finding {
    let folders: Vec<PathBuf> =
        std::iter::once(storage.data_dir.as_path()).chain(storage.database.file()).map(nearest).collect();
    let around = move || folders.iter().map(|folder| DiskSpace::around(folder)).collect::<Vec<_>>();
    let spaces = tokio::task::spawn_blocking(around);
    let spaces = match spaces.await {
        Ok(spaces) => spaces,
        Err(error) => return Finding::failed(error),
    };
    let mut least: Option<DiskSpace> = None;
    for space in spaces {
        match space {
            Ok(space) => least = Some(least.map_or(space, |least| least.min(space))),
            Err(error) => return Finding::warning(format!("free space cannot be told: {error}")),
        }
    }
    least.map_or_else(|| Finding::warning("free space cannot be told"), classify_space)
}

fn classify_space(DiskSpace { free_bytes: free, takes_files, .. }: DiskSpace) -> Finding {
    let shown = size(free);
    if !takes_files {
        return Finding::failed("the disk can hold no more files (its inodes are used up): delete some");
    }
    match free {
        ..FULL => Finding::failed(format!("only {shown} are free: free some space, 50 MB at the very least")),
        FULL..LOW => Finding::warning(format!("only {shown} are free: free some space, or it will be full")),
        LOW.. => Finding::ok(format!("{shown} are free")),
    }
}

/// The path itself, or the nearest of its folders that exists.
fn nearest(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    absolute.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/")).to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    fn a_disk_warns_before_it_is_full() {
        let verdict =
            |free_bytes, takes_files| classify_space(DiskSpace { free_bytes, size_bytes: LOW, takes_files }).verdict;
        assert_eq!(verdict(LOW, true), Verdict::Ok);
        assert_eq!(verdict(LOW - 1, true), Verdict::Warning);
        assert_eq!(verdict(FULL, true), Verdict::Warning);
        assert_eq!(verdict(FULL - 1, true), Verdict::Failed);
        assert_eq!(verdict(LOW, false), Verdict::Failed);
    }
}
