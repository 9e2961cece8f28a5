use std::{fmt, io};

use super::catalogue::{InvalidModelName, ModelName, PublishedHash};
use super::file_error::{self, ModelFileError};
use super::pull::PullError;

/// Why there is no model. Files are named without the folders above them.
#[derive(Debug, thiserror::Error)]
pub enum ModelStoreError {
    /// The text is no name.
    #[error(transparent)]
    Name(#[from] InvalidModelName),
    /// Nothing of that name is published, present, or can be made from what is.
    #[error("there is no model named {0}; `stenobot model list` shows those there are")]
    Unknown(ModelName),
    /// Published, or can be made, but not present.
    #[error("the model {0} is not here yet; fetch it with `stenobot model pull {0}`")]
    Missing(ModelName),
    /// The path leads nowhere.
    #[error("there is no file or folder {0}")]
    NoFile(String),
    /// The file's bytes are not those it had when it came, or not the published ones.
    #[error("{file} is damaged or was replaced: its hash is {found}, not {expected}; {}", remedy)]
    Damaged {
        /// The file.
        file: String,
        /// The hash that it ought to have.
        expected: String,
        /// The hash that it has.
        found: String,
        /// What brings the right bytes back.
        remedy: Remedy,
    },
    /// What was downloaded is not what was published.
    #[error("the download of {name} has not the published hash ({expected}) and was deleted; check model_base_url")]
    WrongHash {
        /// The model.
        name: ModelName,
        /// As published.
        expected: PublishedHash,
    },
    /// The download failed.
    #[error("{name} cannot be downloaded: {why}")]
    Pull {
        /// The model.
        name: ModelName,
        /// Why.
        why: PullError,
    },
    /// Not enough disk space, seen beforehand.
    #[error("{file} needs {} MB of disk and {} MB are free; free some space and try again", needed / 1_000_000, free / 1_000_000)]
    NoSpace {
        /// The file.
        file: String,
        /// Bytes still needed.
        needed: u64,
        /// Bytes free.
        free: u64,
    },
    /// The disk became full while writing.
    #[error("the disk became full while writing {0}; free some space and try again")]
    Full(String),
    /// The model's bytes cannot be used.
    #[error("{file} cannot be used: {why}")]
    File {
        /// The file or folder.
        file: String,
        /// Why.
        why: ModelFileError,
    },
    /// The store's folder failed.
    #[error("{file} in the folder of models cannot be written: {why}")]
    Write {
        /// The file.
        file: String,
        /// Why.
        why: io::Error,
    },
    /// The HTTPS client cannot be made.
    #[error("downloads are not possible here: {0}")]
    Client(String),
}

/// What to do about a file that is not what it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remedy {
    /// It can be downloaded or made again.
    Pull,
    /// It must be imported again.
    Import,
    /// The operator put it there, and may have replaced it since: then the record is out of date.
    Forget {
        /// The note's file in the folder of models.
        note: String,
    },
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pull => f.write_str("`stenobot model pull` replaces it"),
            Self::Import => f.write_str("delete it and import it again"),
            Self::Forget { note } => write!(f, "if you replaced it yourself, delete {note} in the folder of models"),
        }
    }
}

impl ModelStoreError {
    pub(super) fn in_file(file: &str, source: ModelFileError) -> Self {
        match source {
            ModelFileError::Write(error) => Self::write(file, error),
            ModelFileError::Malformed(_) | ModelFileError::Read(_) | ModelFileError::Cancelled => {
                Self::File { file: file.to_owned(), why: source }
            }
        }
    }

    pub(super) fn write(file: &str, source: io::Error) -> Self {
        match file_error::is_full(&source) {
            true => Self::Full(file.to_owned()),
            false => Self::Write { file: file.to_owned(), why: source },
        }
    }
}
