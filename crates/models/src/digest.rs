//! Hashes of whole files.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use sha1::Sha1;
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::file_error::ModelFileError;

/// Length and hashes of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Digests {
    pub(super) bytes: u64,
    /// Lower-case hexadecimal.
    pub(super) sha1: String,
    /// Lower-case hexadecimal.
    pub(super) sha256: String,
}

/// Reads the whole file, once for both hashes.
pub(super) fn of_file(path: &Path, cancel: &CancellationToken) -> Result<Digests, ModelFileError> {
    let mut file = File::open(path).map_err(ModelFileError::Read)?;
    let (mut sha1, mut sha256) = (Sha1::new(), Sha256::new());
    let mut buffer = vec![0; 1 << 20];
    let mut bytes = 0;
    loop {
        if cancel.is_cancelled() {
            return Err(ModelFileError::Cancelled);
        }
        let count = file.read(&mut buffer).map_err(ModelFileError::Read)?;
        if count == 0 {
            break;
        }
        bytes += count as u64;
        sha1.update(&buffer[..count]);
        sha256.update(&buffer[..count]);
    }
    Ok(Digests { bytes, sha1: hex(&sha1.finalize()), sha256: hex(&sha256.finalize()) })
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SHA-256 of a few bytes.
pub(super) fn of_bytes(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}
