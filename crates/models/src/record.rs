//! The record beside a model: the hash that it had when it came into the store.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};
pub(super) use stenobot_domain::with_suffix;

use super::digest::Digests;

/// What is known of a model in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// Length of the file.
    pub bytes: u64,
    /// Lower-case hexadecimal.
    pub sha256: String,
    /// Lower-case hexadecimal.
    pub sha1: String,
    /// Where the bytes come from.
    pub origin: Origin,
}

/// Where a model's bytes come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Origin {
    /// They are the published ones: the hash was compared with the published one.
    Published,
    /// Quantised here from another model of the store.
    Quantised {
        /// That model's name.
        from: String,
        /// That model's SHA-256.
        from_sha256: String,
    },
    /// Imported.
    Imported {
        /// The name of the file or folder, without the folders above it.
        from: String,
    },
    /// A weights file, made here from a model.
    Prepared {
        /// That model's name.
        from: String,
        /// That model's SHA-256.
        from_sha256: String,
    },
    /// Put there by the operator and found well-formed.
    Found,
}

impl Record {
    pub(super) fn new(digests: &Digests, origin: Origin) -> Self {
        let Digests { bytes, sha1, sha256 } = digests.clone();
        Self { bytes, sha256, sha1, origin }
    }

    pub(super) fn digests(&self) -> Digests {
        Digests { bytes: self.bytes, sha1: self.sha1.clone(), sha256: self.sha256.clone() }
    }

    /// `None` when there is no record or it cannot be parsed.
    pub(super) fn load(path: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    }

    /// Writes the record, all of it or nothing.
    pub(super) fn save(&self, path: &Path) -> std::io::Result<()> {
        let part = with_suffix(path, ".part");
        let mut file = File::create(&part)?;
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        file.sync_all()?;
        std::fs::rename(&part, path)
    }
}
