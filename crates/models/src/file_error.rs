use std::io;

/// Why a model could not be read, converted or written.
#[derive(Debug, thiserror::Error)]
pub enum ModelFileError {
    /// The model's bytes do not follow the format. The text completes "the model cannot be used: ".
    #[error("{0}")]
    Malformed(String),
    /// The model could not be read.
    #[error("it cannot be read: {0}")]
    Read(io::Error),
    /// The result could not be written.
    #[error("the result cannot be written: {0}")]
    Write(io::Error),
    /// The caller no longer waits.
    #[error("it was cancelled")]
    Cancelled,
}

impl ModelFileError {
    pub(super) fn malformed(why: impl Into<String>) -> Self {
        Self::Malformed(why.into())
    }

    /// The error of a read; the end of the file means that it was truncated.
    pub(super) fn reading(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::malformed("the file ends too early; it was probably cut short"),
            _ => Self::Read(error),
        }
    }
}

/// Whether a write failed for want of space: a full disk, a quota, or a limit on file sizes.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge)
}
