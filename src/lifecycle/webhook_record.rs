//! Which webhook this bot has set. Any other at Telegram is another program's, and is left alone.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::PathBuf;

use super::write_durably;

/// File with the URL of the webhook that this bot has set, while there is one.
#[derive(Debug, Clone)]
pub(crate) struct WebhookRecord(PathBuf);

impl WebhookRecord {
    pub(crate) fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// The recorded URL.
    pub(crate) fn url(&self) -> io::Result<Option<String>> {
        match fs::read_to_string(&self.0) {
            Ok(url) => Ok(Some(url)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Records a URL, durably, in place of another.
    pub(crate) fn save(&self, url: &str) -> io::Result<()> {
        write_durably(&self.0, url)
    }

    pub(crate) fn remove(&self) -> io::Result<()> {
        match fs::remove_file(&self.0) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_url_is_kept_until_it_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let record = WebhookRecord::at(folder.path().join("webhook"));
        assert_eq!(record.url().unwrap(), None);
        record.remove().unwrap();
        for url in ["https://one.example/", "https://two.example/"] {
            record.save(url).unwrap();
            assert_eq!(record.url().unwrap().as_deref(), Some(url));
        }
        record.remove().unwrap();
        assert_eq!(record.url().unwrap(), None);
    }
}
