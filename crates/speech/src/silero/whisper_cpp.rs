//! Silero's network on whisper.cpp, chunk by chunk.

use std::path::Path;

use whisper_rs::{WhisperVadContext, WhisperVadContextParams};

use super::Network;
use crate::RecognizerError;

pub(super) struct WhisperCppSilero(WhisperVadContext);

impl WhisperCppSilero {
    /// Reads a file that was checked.
    pub(super) fn load(file: &Path) -> Result<Self, RecognizerError> {
        whisper_rs::install_logging_hooks();
        // whisper-rs panics over a zero byte, which no path of an existing file holds.
        let path =
            file.to_str().filter(|path| file.is_file() && !path.contains('\0')).ok_or(RecognizerError::Detector)?;
        let mut context = WhisperVadContextParams::new();
        // Its graph is too small for threads to help each other.
        context.set_n_threads(1);
        context.set_use_gpu(false);
        WhisperVadContext::new(path, context).map(Self).map_err(|_| RecognizerError::Detector)
    }
}

impl Network for WhisperCppSilero {
    fn probabilities(&mut self, samples: &[f32]) -> Result<Vec<f32>, RecognizerError> {
        self.0.detect_speech(samples).map_err(|error| RecognizerError::Native {
            step: "voice activity detection",
            reason: format!("{error:?}"),
        })?;
        Ok(self.0.probabilities().to_vec())
    }
}
