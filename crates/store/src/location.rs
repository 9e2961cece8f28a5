//! Where a store is, as the setting `database_url` names it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use stenobot_domain::with_suffix;

/// Location of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// An SQLite file.
    Sqlite(PathBuf),
}

/// A text that is no location of a store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is no location of a store: give sqlite://FILE")]
pub struct BadStoreUrl;

impl StoreUrl {
    /// The SQLite file at `path`.
    pub fn sqlite(path: impl Into<PathBuf>) -> Self {
        Self::Sqlite(path.into())
    }

    /// The database file.
    pub fn file(&self) -> &Path {
        let Self::Sqlite(path) = self;
        path
    }

    /// Whether there is a store, of whatever version.
    pub fn exists(&self) -> bool {
        self.file().exists()
    }

    /// The write-ahead log, which SQLite keeps beside the database while it is open.
    pub fn write_ahead_log(&self) -> PathBuf {
        with_suffix(self.file(), "-wal")
    }
}

impl FromStr for StoreUrl {
    type Err = BadStoreUrl;

    fn from_str(text: &str) -> Result<Self, BadStoreUrl> {
        match text.strip_prefix("sqlite:").map(|rest| rest.strip_prefix("//").unwrap_or(rest)) {
            Some(path) if !path.is_empty() && !path.contains(['?', '#']) && path != ":memory:" => {
                Ok(Self::sqlite(path))
            }
            Some(_) | None => Err(BadStoreUrl),
        }
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sqlite://{}", self.file().display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_file() {
        let url: StoreUrl = "sqlite://data/bot.db".parse().unwrap();
        assert_eq!((url.file(), url.to_string().as_str()), (Path::new("data/bot.db"), "sqlite://data/bot.db"));
        assert_eq!(url.write_ahead_log(), Path::new("data/bot.db-wal"));
        assert_eq!("sqlite:bot.db".parse(), Ok(StoreUrl::sqlite("bot.db")));
        for wrong in ["", "sqlite://", "bot.db", "mysql://x", "sqlite::memory:", "sqlite://x?mode=ro"] {
            assert_eq!(wrong.parse::<StoreUrl>(), Err(BadStoreUrl), "{wrong}");
        }
    }
}
