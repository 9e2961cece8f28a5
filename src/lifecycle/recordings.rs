//! The folder of recordings, in which the bot removes recordings without a request: only files that it created, and
//! only in a folder that holds nothing else.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, openat, statat, unlinkat};
use rustix::io::Errno;

use super::create_private;

/// File in the data folder; shows that the bot created the folder of recordings, or found it empty.
const MARK: &str = ".stenobot";
/// Content of the mark, for operators.
const MARK_TEXT: &str = "The folder audio beside this file is stenobot's: it removes recordings there by itself.\n";
/// Folder that a file system creates in its root, which the folder of recordings may be.
const LOST_AND_FOUND: &[u8] = b"lost+found";

/// Why the folder `audio` in the data folder cannot hold recordings.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordingsError {
    /// A link, or a file.
    #[error("audio in the data folder is no folder of its own (a link is none): remove it, or set another data_dir")]
    NoFolder,
    /// It holds a file that the bot did not create.
    #[error(
        "the folder audio in the data folder holds {name:?}, which is not the bot's, and the bot removes recordings there \
         by itself: move it away, or set another data_dir"
    )]
    Foreign {
        /// A file or folder in it.
        name: OsString,
    },
    /// It holds files with the names of recordings, but there is no store of a bot.
    #[error(
        "the folder audio in the data folder holds {name:?}, but there is no store of a bot that made it: move it away, \
         or set another data_dir"
    )]
    Unknown {
        /// A file in it.
        name: OsString,
    },
    /// It cannot be created, read or written.
    #[error("the folder audio in the data folder cannot be used: {0}; make it readable and writable for this user")]
    Unusable(io::Error),
}

/// The folder, checked to hold recordings only. Held open: a later change of its path does not redirect the removal.
#[derive(Debug)]
pub(crate) struct RecordingsFolder {
    folder: OwnedFd,
    path: PathBuf,
    is_recording: fn(&OsStr) -> bool,
}

impl RecordingsFolder {
    /// Creates the folder if it is not there, and marks it as the bot's own. `is_recording` recognises the names that the bot
    /// gives. An unmarked folder, of an earlier version, is accepted if there is a store.
    ///
    /// # Errors
    /// The folder cannot be used; nothing was changed.
    pub(crate) fn prepare(
        path: &Path,
        is_recording: fn(&OsStr) -> bool,
        has_store: bool,
    ) -> Result<Self, RecordingsError> {
        match Self::open(path, is_recording, has_store)? {
            Some(folder) => Ok(folder.mark()),
            None => {
                create_private(path).map_err(RecordingsError::Unusable)?;
                let made = Self::open(path, is_recording, has_store)?;
                Ok(made.ok_or_else(|| RecordingsError::Unusable(io::ErrorKind::NotFound.into()))?.mark())
            }
        }
    }

    /// Checks whether [`RecordingsFolder::prepare`] would succeed, and changes nothing.
    ///
    /// # Errors
    /// The folder cannot be used.
    pub(crate) fn check(path: &Path, is_recording: fn(&OsStr) -> bool, has_store: bool) -> Result<(), RecordingsError> {
        Self::open(path, is_recording, has_store).map(drop)
    }

    fn open(path: &Path, is_recording: fn(&OsStr) -> bool, has_store: bool) -> Result<Option<Self>, RecordingsError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = match openat(CWD, path, flags, Mode::empty()) {
            Ok(folder) => folder,
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::NOTDIR | Errno::LOOP) => return Err(RecordingsError::NoFolder),
            Err(error) => return Err(RecordingsError::Unusable(error.into())),
        };
        let folder = Self { folder, path: path.to_owned(), is_recording };
        let is_known = has_store || folder.mark_path().exists();
        for name in folder.names().map_err(RecordingsError::Unusable)? {
            if !folder.is_own(&name).map_err(RecordingsError::Unusable)? {
                return Err(RecordingsError::Foreign { name });
            }
            if !is_known {
                return Err(RecordingsError::Unknown { name });
            }
        }
        Ok(Some(folder))
    }

    /// Names of the recordings. Other files are left out.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub(crate) fn list(&self) -> io::Result<Vec<OsString>> {
        let mut own = Vec::new();
        for name in self.names()? {
            if self.is_own(&name)? {
                own.push(name);
            }
        }
        Ok(own)
    }

    /// Removes a recording; another file stays.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub(crate) fn remove(&self, name: &OsStr) -> io::Result<()> {
        if !self.is_own(name)? {
            return Ok(());
        }
        match unlinkat(&self.folder, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn names(&self) -> io::Result<Vec<OsString>> {
        let entries = Dir::read_from(&self.folder)?;
        let names = entries.map(|entry| Ok(OsStr::from_bytes(entry?.file_name().to_bytes()).to_owned()));
        let names: io::Result<Vec<OsString>> = names.collect();
        let is_entry = |name: &OsString| ![b".".as_slice(), b"..", LOST_AND_FOUND].contains(&name.as_bytes());
        Ok(names?.into_iter().filter(is_entry).collect())
    }

    /// Whether the bot created a file: a regular file with the name of a recording.
    fn is_own(&self, name: &OsStr) -> io::Result<bool> {
        if !(self.is_recording)(name) {
            return Ok(false);
        }
        match statat(&self.folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => Ok(FileType::from_raw_mode(found.st_mode).is_file()),
            // Removed meanwhile.
            Err(Errno::NOENT) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    fn mark_path(&self) -> PathBuf {
        self.path.with_file_name(MARK)
    }

    fn mark(self) -> Self {
        let mark = self.mark_path();
        if !mark.exists() {
            // On a full disk the next start marks the folder, which then has a store.
            let _ = std::fs::write(mark, MARK_TEXT);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn is_recording(name: &OsStr) -> bool {
        name.to_str().is_some_and(|name| name.ends_with(".audio"))
    }

    fn prepare(data: &Path, has_store: bool) -> Result<RecordingsFolder, RecordingsError> {
        let checked = RecordingsFolder::check(&data.join("audio"), is_recording, has_store);
        let prepared = RecordingsFolder::prepare(&data.join("audio"), is_recording, has_store);
        assert_eq!(checked.map_err(|error| error.to_string()).err(), prepared.as_ref().err().map(ToString::to_string));
        prepared
    }

    #[test]
    fn only_recordings_are_removed_and_only_where_nothing_else_is() {
        let parent = tempfile::tempdir().unwrap();
        let (data, audio) = (parent.path(), parent.path().join("audio"));
        let folder = prepare(data, false).unwrap();
        for name in ["1.audio", "2.audio"] {
            std::fs::write(audio.join(name), "").unwrap();
        }
        // Added later: never removed, refused at the next start.
        std::fs::write(audio.join("song.mp3"), "").unwrap();
        symlink(audio.join("song.mp3"), audio.join("3.audio")).unwrap();
        std::fs::create_dir(audio.join("4.audio")).unwrap();
        let mut found = folder.list().unwrap();
        found.sort_unstable();
        assert_eq!(found, ["1.audio", "2.audio"]);
        for name in ["1.audio", "song.mp3", "3.audio", "4.audio", "5.audio"] {
            folder.remove(OsStr::new(name)).unwrap();
        }
        assert!(!audio.join("1.audio").exists());
        for name in ["2.audio", "song.mp3", "3.audio", "4.audio"] {
            assert!(audio.join(name).exists(), "{name}");
        }
        for foreign in ["song.mp3", "3.audio", "4.audio"] {
            let error = prepare(data, true).unwrap_err();
            assert!(matches!(error, RecordingsError::Foreign { .. }), "{foreign}: {error}");
            let found = match error {
                RecordingsError::Foreign { name } => audio.join(name),
                other => panic!("{other}"),
            };
            if found.is_dir() && !found.is_symlink() {
                std::fs::remove_dir(found).unwrap();
            } else {
                std::fs::remove_file(found).unwrap();
            }
        }
        prepare(data, false).unwrap().remove(OsStr::new("2.audio")).unwrap();
        assert_eq!(std::fs::read_dir(&audio).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_that_the_bot_did_not_make_is_accepted_only_with_its_store() {
        let parent = tempfile::tempdir().unwrap();
        let (data, audio) = (parent.path(), parent.path().join("audio"));
        std::fs::create_dir(&audio).unwrap();
        std::fs::write(audio.join("1.audio"), "").unwrap();
        let error = prepare(data, false).unwrap_err();
        assert!(matches!(error, RecordingsError::Unknown { .. }), "{error}");
        assert!(!data.join(MARK).exists());
        prepare(data, true).unwrap();
        prepare(data, false).unwrap();
    }

    #[test]
    fn a_link_is_no_folder_of_recordings() {
        let (parent, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        symlink(elsewhere.path(), parent.path().join("audio")).unwrap();
        let error = prepare(parent.path(), true).unwrap_err();
        assert!(matches!(error, RecordingsError::NoFolder), "{error}");
        std::fs::remove_file(parent.path().join("audio")).unwrap();
        std::fs::write(parent.path().join("audio"), "").unwrap();
        assert!(matches!(prepare(parent.path(), true), Err(RecordingsError::NoFolder)));
    }
}
