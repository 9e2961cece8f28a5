//! Removes what a command that failed has created.

use std::path::{Path, PathBuf};

use stenobot_domain::with_suffix;
use stenobot_store::StoreUrl;

/// Files and folders that did not exist when a command began. They are removed when this is dropped, unless it was kept.
/// Must be dropped while the command's locks are held.
#[derive(Debug)]
pub(crate) struct Leftovers(Vec<PathBuf>);

impl Leftovers {
    /// The data folder and the lock files of these databases.
    pub(crate) fn of_locks<'a>(data_dir: &Path, databases: impl IntoIterator<Item = &'a StoreUrl>) -> Self {
        let locks = databases.into_iter().filter_map(StoreUrl::file).map(|file| with_suffix(file, ".lock"));
        let paths = [data_dir.to_owned(), data_dir.join("lock")].into_iter().chain(locks);
        Self(paths.filter(|path| !path.exists()).collect())
    }

    /// As [`Leftovers::of_locks`], and the database, which does not exist yet.
    pub(crate) fn of_new_store(data_dir: &Path, database: &StoreUrl) -> Self {
        let mut leftovers = Self::of_locks(data_dir, [database]);
        if let Some(file) = database.file() {
            leftovers.0.extend(["", "-wal", "-shm", "-journal"].map(|suffix| with_suffix(file, suffix)));
        }
        leftovers
    }

    /// The folder of models, as long as there is nothing in it.
    pub(crate) fn of_models(data_dir: &Path, models: &Path) -> Self {
        let paths = [data_dir, models].into_iter().filter(|path| !path.exists());
        Self(paths.map(Path::to_owned).collect())
    }

    /// The command has succeeded.
    pub(crate) fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for Leftovers {
    fn drop(&mut self) {
        // What is inside a folder comes after it. A folder in which there is something else stays.
        for path in self.0.iter().rev() {
            let _ = if path.is_dir() { std::fs::remove_dir(path) } else { std::fs::remove_file(path) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_new_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let (data, other) = (folder.path().join("data"), folder.path().join("other"));
        let database = StoreUrl::sqlite(data.join("stenobot.db"));
        let fill = |data: &Path| {
            std::fs::create_dir_all(data).unwrap();
            for name in ["lock", "stenobot.db.lock", "stenobot.db", "stenobot.db-wal"] {
                std::fs::write(data.join(name), "").unwrap();
            }
        };
        let leftovers = Leftovers::of_new_store(&data, &database);
        fill(&data);
        drop(leftovers);
        assert!(!data.exists());

        let leftovers = Leftovers::of_new_store(&data, &database);
        fill(&data);
        leftovers.keep();
        assert!(data.join("stenobot.db").exists());

        std::fs::create_dir(&other).unwrap();
        std::fs::write(other.join("lock"), "").unwrap();
        drop(Leftovers::of_locks(&other, [&database]));
        assert!(other.join("lock").exists() && data.join("stenobot.db.lock").exists());
    }
}
