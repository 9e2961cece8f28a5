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
    /// A database of a PostgreSQL server.
    Postgres(PostgresUrl),
}

/// Location of a PostgreSQL database. Its text may hold a password, which neither `Debug` nor `Display` show.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl {
    text: String,
    shown: String,
}

/// A text that is no location of a store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is no location of a store: give sqlite://FILE or postgres://USER@HOST/DATABASE")]
pub struct BadStoreUrl;

impl StoreUrl {
    /// The SQLite file at `path`.
    pub fn sqlite(path: impl Into<PathBuf>) -> Self {
        Self::Sqlite(path.into())
    }

    /// The database file; a PostgreSQL server has its own.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(path) => Some(path),
            Self::Postgres(_) => None,
        }
    }
}

/// The write-ahead log, which SQLite keeps beside the database file while it is open.
pub fn write_ahead_log(file: &Path) -> PathBuf {
    with_suffix(file, "-wal")
}

impl PostgresUrl {
    /// With the password, if it holds one.
    pub(crate) fn expose(&self) -> &str {
        &self.text
    }
}

impl FromStr for PostgresUrl {
    type Err = BadStoreUrl;

    fn from_str(text: &str) -> Result<Self, BadStoreUrl> {
        let options = crate::postgres::parse(text).ok_or(BadStoreUrl)?;
        let database = options.get_database().ok_or(BadStoreUrl)?;
        let shown = match options.get_socket() {
            Some(folder) => format!("postgres://{}@{}/{database}", options.get_username(), folder.display()),
            None => {
                let (user, host, port) = (options.get_username(), options.get_host(), options.get_port());
                format!("postgres://{user}@{host}:{port}/{database}")
            }
        };
        Ok(Self { text: text.to_owned(), shown })
    }
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PostgresUrl").field(&self.shown).finish()
    }
}

impl FromStr for StoreUrl {
    type Err = BadStoreUrl;

    fn from_str(text: &str) -> Result<Self, BadStoreUrl> {
        if text.starts_with("postgres:") || text.starts_with("postgresql:") {
            return Ok(Self::Postgres(text.parse()?));
        }
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
        match self {
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Self::Postgres(url) => url.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_file() {
        let url: StoreUrl = "sqlite://data/bot.db".parse().unwrap();
        assert_eq!((url.file(), url.to_string().as_str()), (Some(Path::new("data/bot.db")), "sqlite://data/bot.db"));
        assert_eq!(write_ahead_log(Path::new("data/bot.db")), Path::new("data/bot.db-wal"));
        assert_eq!("sqlite:bot.db".parse(), Ok(StoreUrl::sqlite("bot.db")));
        for wrong in ["", "sqlite://", "bot.db", "mysql://x", "sqlite::memory:", "sqlite://x?mode=ro"] {
            assert_eq!(wrong.parse::<StoreUrl>(), Err(BadStoreUrl), "{wrong}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let url: StoreUrl = "postgres://bot:secret@db.example:5433/steno?sslmode=verify-full".parse().unwrap();
        assert_eq!(url.to_string(), "postgres://bot@db.example:5433/steno");
        assert!(!format!("{url:?}").contains("secret"));
        assert_eq!(url.file(), None);
        let socket: StoreUrl = "postgresql://bot@%2Frun%2Fpostgresql/steno".parse().unwrap();
        assert_eq!(socket.to_string(), "postgres://bot@/run/postgresql/steno");
        for wrong in
            ["postgres://", "postgres://bot@host", "postgres://bot@host:many/steno", "postgres://h/d?sslmode=no"]
        {
            assert_eq!(wrong.parse::<StoreUrl>(), Err(BadStoreUrl), "{wrong}");
        }
    }
}
