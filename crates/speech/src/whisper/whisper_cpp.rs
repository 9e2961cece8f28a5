//! Whisper's network on whisper.cpp, over whisper-rs's low-level calls.

use std::ops::Range;
use std::path::Path;

use stenobot_domain::{ModelFacts, SAMPLE_RATE};
use stenobot_models::{Wanted, check_before_loading};
use whisper_rs::{FullParams, SamplingStrategy, WhisperContext, WhisperContextParameters, WhisperError, WhisperState};

use super::backend::Backend;
use super::sampling::{Token, Vocabulary};
use super::{EncoderContext, native};
use crate::{Observer, RecognizerError};

/// whisper.cpp reads past the end of very short sounds; the rest of the second is filled with silence.
const MIN_SAMPLES: usize = SAMPLE_RATE as usize;

/// A model of ggml's form.
pub(super) struct WhisperCpp {
    context: WhisperContext,
    state: WhisperState,
    threads: usize,
}

impl WhisperCpp {
    /// Reads a model file into memory. Its hash must have been checked: a truncated file can load without an error.
    pub(super) fn load(file: &Path, threads: usize) -> Result<Self, RecognizerError> {
        check_before_loading(file, Wanted::Whisper).map_err(RecognizerError::Refused)?;
        whisper_rs::install_logging_hooks();
        let mut parameters = WhisperContextParameters::new();
        // Flash attention is slower than without on the CPU in whisper.cpp 1.8.3.
        parameters.use_gpu(false).flash_attn(false);
        let context = WhisperContext::new_with_params(file, parameters).map_err(|_| RecognizerError::Load)?;
        let state = context.create_state().map_err(|_| RecognizerError::Load)?;
        Ok(Self { context, state, threads: threads.max(1) })
    }
}

impl Backend for WhisperCpp {
    fn facts(&self) -> ModelFacts {
        let kind = self.context.model_type_readable_str_lossy();
        ModelFacts {
            kind: kind.map_or_else(|_| "unknown".to_owned(), |kind| kind.into_owned()),
            weights: weights(self.context.model_ftype()),
            multilingual: self.context.is_multilingual(),
            backend: format!("whisper.cpp {}", whisper_rs::WHISPER_CPP_VERSION),
        }
    }

    /// Its buffers are allocated with the state.
    fn working_memory(&self) -> u64 {
        0
    }

    fn vocabulary(&self) -> Vocabulary {
        let context = &self.context;
        let start = context.token_sot();
        // Languages are the tokens between the start and the first task.
        let languages = if context.is_multilingual() { 0..context.token_translate() - start - 1 } else { 0..0 };
        Vocabulary {
            end_of_text: context.token_eot(),
            start,
            transcribe: context.token_transcribe(),
            no_speech: context.token_nosp(),
            first_timestamp: context.token_beg(),
            blank: context.tokenize(" ", 4).ok().and_then(|tokens| tokens.first().copied()),
            languages: languages.map_while(whisper_rs::get_lang_str).collect(),
            max_tokens: context.n_text_ctx() as usize / 2,
        }
    }

    fn token_bytes(&self, token: Token) -> &[u8] {
        self.context.token_to_bytes(token).unwrap_or_default()
    }

    /// whisper.cpp's encoder cannot be interrupted: the observer is asked before it begins.
    fn encode(
        &mut self,
        samples: &[f32],
        context: EncoderContext,
        observer: &dyn Observer,
    ) -> Result<(), RecognizerError> {
        if observer.is_cancelled() {
            return Err(RecognizerError::Cancelled);
        }
        let padded;
        let samples = if samples.len() < MIN_SAMPLES {
            let mut longer = samples.to_vec();
            longer.resize(MIN_SAMPLES, 0.0);
            padded = longer;
            &padded
        } else {
            samples
        };
        // The parameters' own language, English, keeps whisper.cpp from looking for one; it has no other effect.
        let mut params = FullParams::new(SamplingStrategy::Greedy { best_of: 1 });
        params.set_n_threads(i32::try_from(self.threads).unwrap_or(1));
        params.set_audio_ctx(i32::from(context.positions()));
        params.set_print_progress(false);
        params.set_print_timestamps(false);
        native::stop_before_encoding(&mut params);
        // whisper.cpp logs the stop that was asked for as an error.
        let mel = || self.state.full(params, samples);
        tracing::subscriber::with_default(tracing::subscriber::NoSubscriber::default(), mel)
            .map_err(failed("the spectrogram"))?;
        self.state.encode(0, self.threads).map_err(failed("encoding"))
    }

    fn attend(&mut self, _positions: Range<usize>) -> Result<bool, RecognizerError> {
        Ok(false)
    }

    /// One token at a time, since whisper-rs shows the first row of logits only.
    fn decode(&mut self, tokens: &[Token], position: usize) -> Result<&[f32], RecognizerError> {
        for (token, position) in tokens.iter().zip(position..) {
            self.state.decode(&[*token], position, self.threads).map_err(failed("decoding"))?;
        }
        self.state.get_logits().map_err(failed("decoding"))
    }
}

fn failed(step: &'static str) -> impl Fn(WhisperError) -> RecognizerError {
    move |error| RecognizerError::Native { step, reason: format!("{error:?}") }
}

/// The name of ggml's number for the form of the weights.
fn weights(form: i32) -> String {
    let name = match form {
        0 => "f32",
        1 => "f16",
        2 => "q4_0",
        3 => "q4_1",
        7 => "q8_0",
        8 => "q5_0",
        9 => "q5_1",
        10 => "q2_k",
        11 => "q3_k",
        12 => "q4_k",
        13 => "q5_k",
        14 => "q6_k",
        other => return format!("form {other}"),
    };
    name.to_owned()
}
