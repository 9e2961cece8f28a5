//! audio

/// Why a file gave no samples.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, serde::Serialize, serde::Deserialize)]
pub enum AudioError {
    /// A container without a sound track.
    #[error("the file holds no sound track")]
    NoAudio,
}

/// What `stenobot probe` prints.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Real length in milliseconds.
    LengthMs(u64),
    /// Why there is none.
    Error(AudioError),
}
