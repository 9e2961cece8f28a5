//! When the last backup was made, for the metric.

use std::fs;
use std::io;
use std::path::PathBuf;

use stenobot_domain::Timestamp;

use super::write_durably;

/// File with the time of the last successful backup, in seconds since the Unix epoch.
#[derive(Debug, Clone)]
pub(crate) struct BackupRecord(PathBuf);

impl BackupRecord {
    pub(crate) fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// `None` before the first backup, and where the file cannot be read or holds no time.
    pub(crate) fn time(&self) -> Option<Timestamp> {
        let seconds: i64 = fs::read_to_string(&self.0).ok()?.trim().parse().ok()?;
        Some(Timestamp(seconds.checked_mul(1000)?)).filter(|time| time.0 > 0)
    }

    /// Records a backup, durably, in place of the one before.
    pub(crate) fn save(&self, time: Timestamp) -> io::Result<()> {
        write_durably(&self.0, &format!("{}\n", time.0 / 1000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_the_last_backup_is_read_to_the_second() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("last-backup");
        let record = BackupRecord::at(path.clone());
        assert_eq!(record.time(), None);
        for time in [1_764_000_000_000, 1_764_086_400_999] {
            record.save(Timestamp(time)).unwrap();
            assert_eq!(record.time(), Some(Timestamp(time - time % 1000)));
        }
        for damaged in ["", "yesterday", "-5", "0", "9223372036854775807"] {
            fs::write(&path, damaged).unwrap();
            assert_eq!(record.time(), None, "{damaged}");
        }
    }
}
