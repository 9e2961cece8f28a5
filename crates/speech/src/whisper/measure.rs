//! The steps of a model's network by themselves: the encoder on windows of given length and the decoder token by token, to be
//! timed with weights that may be random; and both on given input, to be compared with a reference.

use std::path::Path;
use std::time::Duration;

use stenobot_domain::{ModelFacts, SAMPLE_RATE};

use super::{Backend, EncoderContext, load_backend};
use crate::{Observer, RecognizerError, Runtime};

/// A loaded model whose steps can be run one by one.
pub struct Measured {
    backend: Box<dyn Backend>,
}

struct Uncancelled;

impl Observer for Uncancelled {
    fn is_cancelled(&self) -> bool {
        false
    }

    fn on_progress(&mut self, _position: Duration) {}
}

impl Measured {
    /// Loads a model as [`Transcriber::load`](crate::Transcriber::load) does, without a detector.
    ///
    /// # Errors
    /// Those of [`Transcriber::load`](crate::Transcriber::load).
    pub fn load(runtime: Runtime<'_>, model: &Path, threads: usize) -> Result<Self, RecognizerError> {
        Ok(Self { backend: load_backend(&runtime.start()?, model, threads)? })
    }

    /// What was loaded.
    pub fn facts(&self) -> ModelFacts {
        self.backend.facts()
    }

    /// Encodes a window of `length`, at most 30 s, of faint noise with the context that fits it.
    ///
    /// # Errors
    /// [`RecognizerError::Native`].
    pub fn encode(&mut self, length: Duration) -> Result<(), RecognizerError> {
        let samples = (length.as_secs_f64() * f64::from(SAMPLE_RATE)) as usize;
        // A linear congruential generator: the same noise in every run.
        let mut state = 1u32;
        let noise = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state as f32 / u32::MAX as f32 - 0.5) * 0.1
        });
        let noise: Vec<f32> = noise.take(samples).collect();
        self.backend.encode(&noise, EncoderContext::fitting(samples), &Uncancelled)
    }

    /// Encodes at most 30 s of 16 kHz mono samples with the whole context.
    ///
    /// # Errors
    /// [`RecognizerError::Native`].
    pub fn encode_samples(&mut self, samples: &[f32]) -> Result<(), RecognizerError> {
        self.backend.encode(samples, EncoderContext::FULL, &Uncancelled)
    }

    /// Decodes `tokens`, at least one, the first of them at `position` of the text, and gives the logits of what follows.
    ///
    /// # Errors
    /// [`RecognizerError::Native`].
    pub fn logits(&mut self, tokens: &[i32], position: usize) -> Result<&[f32], RecognizerError> {
        self.backend.decode(tokens, position)
    }

    /// Decodes the prompt over the window that was encoded last.
    ///
    /// # Errors
    /// [`RecognizerError::Native`].
    pub fn prompt(&mut self) -> Result<(), RecognizerError> {
        let vocabulary = self.backend.vocabulary();
        self.backend.decode(&[vocabulary.start], 0)?;
        self.backend.decode(&[vocabulary.start + 1, vocabulary.transcribe], 1)?;
        Ok(())
    }

    /// Decodes `tokens` tokens behind the prompt, at most 224, one at a time.
    ///
    /// # Errors
    /// [`RecognizerError::Native`].
    pub fn decode(&mut self, tokens: u16) -> Result<(), RecognizerError> {
        for number in 0..tokens {
            // Different words, so that no row of the embedding is read twice.
            self.backend.decode(&[1000 + i32::from(number)], 3 + usize::from(number))?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Measured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Measured").field("facts", &self.facts()).finish()
    }
}
