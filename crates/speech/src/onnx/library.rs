//! ONNX Runtime's library: loaded from a file, once in a process.
#![allow(unsafe_code)]

use std::ffi::CStr;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use ort::environment::Environment;

/// Major and minor number of the first release with the interface that is used.
const MIN_VERSION: [u32; 2] = [1, 24];

/// Why the library cannot be used. Names its file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LibraryError {
    /// The dynamic linker refuses it.
    #[error("{file} cannot be loaded: {reason}")]
    Load {
        /// Its name.
        file: String,
        /// In the linker's words.
        reason: String,
    },
    /// It lacks ONNX Runtime's entry point.
    #[error("{0} is no ONNX Runtime library")]
    Other(String),
    /// Its version is not one of those that are accepted.
    #[error("{file} is ONNX Runtime {version}; 1.24 or a later 1.x is needed, 1.28.0 is the one that is tested")]
    Version {
        /// Its name.
        file: String,
        /// As it says itself.
        version: String,
    },
    /// It was loaded and does not start.
    #[error("{file} does not start: {reason}")]
    Start {
        /// Its name.
        file: String,
        /// In the library's words.
        reason: String,
    },
}

/// The library that this process has started: it can start one only once.
static STARTED: Mutex<Option<Library>> = Mutex::new(None);

/// A started library.
#[derive(Debug, Clone)]
pub(crate) struct Library {
    pub(super) environment: Environment,
    /// Such as `1.28.0`.
    pub(crate) version: String,
}

/// Loads a library to read its version, such as `1.28.0`. Runs its initialisers: meant for a process of its own.
///
/// # Errors
/// Any [`LibraryError`] but [`LibraryError::Start`].
pub fn onnx_runtime_version(path: &Path) -> Result<String, LibraryError> {
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let failed = |error: libloading::Error| {
        // The linker's own words are in the cause.
        let reason = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
        LibraryError::Load { file: file.clone(), reason }
    };
    // SAFETY: the initialisers of what the operator names as ONNX Runtime are trusted like the rest of the program.
    let library = unsafe { libloading::Library::new(path) }.map_err(failed)?;
    // SAFETY: the symbol has this type in every release.
    let base = unsafe { library.get::<unsafe extern "C" fn() -> *const ort::sys::OrtApiBase>(b"OrtGetApiBase") };
    let base = base.map_err(|_| LibraryError::Other(file.clone()))?;
    // SAFETY: the function takes nothing and gives a table that lives as long as the library, or null.
    let base = unsafe { base().as_ref() }.ok_or_else(|| LibraryError::Other(file.clone()))?;
    // SAFETY: the function gives a constant text that ends in a zero byte.
    let version = unsafe { CStr::from_ptr((base.GetVersionString)()) };
    let version = version.to_string_lossy().into_owned();
    if is_accepted(&version) { Ok(version) } else { Err(LibraryError::Version { file, version }) }
}

fn is_accepted(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().ok());
    let [major, minor] = [parts.next().flatten(), parts.next().flatten()];
    major == Some(MIN_VERSION[0]) && minor.is_some_and(|minor| minor >= MIN_VERSION[1])
}

impl Library {
    /// Loads and starts it. A process keeps the first library that it starts, and gives that one for every other.
    pub(crate) fn start(path: &Path) -> Result<Self, LibraryError> {
        let version = onnx_runtime_version(path)?;
        let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(library) = &*started {
            return Ok(library.clone());
        }
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let failed = |reason: String| LibraryError::Start { file: file.clone(), reason };
        let builder = ort::init_from(path).map_err(|error| failed(error.to_string()))?;
        let environment = builder.with_telemetry(false).build().map_err(|error| failed(error.to_string()))?;
        Ok(started.insert(Self { environment, version }).clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_accepted_by_rule() {
        for (version, accepted) in
            [("1.28.0", true), ("1.24.1", true), ("1.32.0", true), ("1.23.2", false), ("2.0.0", false), ("", false)]
        {
            assert_eq!(is_accepted(version), accepted, "{version}");
        }
    }

    #[test]
    fn other_files_are_refused_by_name() {
        let error = onnx_runtime_version(Path::new("/nowhere/libonnxruntime.so")).unwrap_err();
        assert!(matches!(&error, LibraryError::Load { file, .. } if file == "libonnxruntime.so"), "{error}");
    }
}
