use crate::LibraryError;

/// Why there is no transcription.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecognizerError {
    /// The model's file is not well-formed.
    #[error("the model cannot be loaded: check the file with `stenobot model list`, or fetch it again")]
    Load,
    /// The file of the model or the detector is refused before native code reads it. Names the file.
    #[error("{0}; fetch it again with `stenobot model pull`, or import another")]
    Refused(String),
    /// The weights file is refused. Names it.
    #[error("{file} cannot be used: {reason}; make it again with `stenobot model prepare`")]
    Weights {
        /// Its name.
        file: String,
        /// Completes the sentence.
        reason: String,
    },
    /// ONNX Runtime cannot be used.
    #[error("{0}; see docs/models.md for the library, or set engine = \"whisper.cpp\"")]
    Library(#[from] LibraryError),
    /// The detector's file is not well-formed.
    #[error("the voice activity detector cannot be loaded: fetch it again with `stenobot model pull silero-v6.2.0`")]
    Detector,
    /// By [`Observer::is_cancelled`](crate::Observer::is_cancelled).
    #[error("cancelled")]
    Cancelled,
    /// The recogniser cannot be given this language.
    #[error("the model does not know the language `{0}`")]
    UnknownLanguage(String),
    /// Native code reported a failure.
    #[error("{step} failed: {reason}")]
    Native {
        /// What was being done.
        step: &'static str,
        /// In the words of the native code.
        reason: String,
    },
}
