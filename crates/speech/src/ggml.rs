//! The recogniser on whisper.cpp, with a decoding loop of its own over whisper-rs's low-level calls: one encoder
//! pass serves language and text, and the work can be stopped between any two tokens.

use std::path::Path;
use std::time::Duration;

use stenobot_domain::{ModelFacts, SAMPLE_RATE, duration_of_samples};
use stenobot_models::{Wanted, check_before_loading};
use whisper_rs::{FullParams, SamplingStrategy, WhisperContext, WhisperContextParameters, WhisperError, WhisperState};

use super::guard;
use super::pieces::{Chosen, pieces, time};
use super::sampling::{MIN_MEAN_LOGPROB, Random, Token, Vocabulary, probability};
use super::{
    EncoderContext, End, LanguageProbabilities, MAX_WINDOW, Model, Observer, RecognizerError, WindowText, native,
};

/// whisper.cpp reads past the end of very short sounds; the rest of the second is silence.
const MIN_SAMPLES: usize = SAMPLE_RATE as usize;
/// A timestamp this close to the window's end ends the text.
const END_TOLERANCE: Duration = Duration::from_millis(100);

/// A whisper.cpp model with the state of one recognition.
#[derive(Debug)]
pub struct GgmlModel {
    context: WhisperContext,
    state: WhisperState,
    vocabulary: Vocabulary,
    threads: usize,
    /// Reused for every token, as large as the vocabulary.
    logits: Vec<f32>,
    /// Of the encoded window.
    window: Duration,
}

impl GgmlModel {
    /// Reads a model file of whisper.cpp's form into memory. Its hash must have been checked: a file that was cut
    /// off can load without an error.
    pub fn load(file: &Path, threads: usize) -> Result<Self, RecognizerError> {
        check_before_loading(file, Wanted::Whisper).map_err(RecognizerError::Refused)?;
        whisper_rs::install_logging_hooks();
        let mut parameters = WhisperContextParameters::new();
        // Flash attention is slower than without on the CPU in whisper.cpp 1.8.3.
        parameters.use_gpu(false).flash_attn(false);
        let context = WhisperContext::new_with_params(file, parameters).map_err(|_| RecognizerError::Load)?;
        let state = context.create_state().map_err(|_| RecognizerError::Load)?;
        let vocabulary = Vocabulary {
            end_of_text: context.token_eot(),
            start: context.token_sot(),
            first_timestamp: context.token_beg(),
            blank: context.tokenize(" ", 4).ok().and_then(|tokens| tokens.first().copied()),
        };
        Ok(Self { context, state, vocabulary, threads: threads.max(1), logits: Vec::new(), window: Duration::ZERO })
    }

    /// Languages are the tokens between the start and the first task.
    fn languages(&self) -> i32 {
        self.context.token_translate() - self.vocabulary.start - 1
    }

    fn language_token(&self, language: &str) -> Option<Token> {
        // Asking whisper.cpp for the number would log an error when there is none.
        let id = (0..self.languages()).find(|&id| whisper_rs::get_lang_str(id) == Some(language))?;
        Some(self.context.token_lang(id))
    }

    /// Runs the decoder on one token; its logits are then those of what follows. One at a time, since whisper-rs
    /// shows the first row of logits only.
    fn feed(&mut self, token: Token, place: usize) -> Result<(), RecognizerError> {
        self.state.decode(&[token], place, self.threads).map_err(failed("decoding"))
    }

    fn logits(&self) -> Result<&[f32], RecognizerError> {
        self.state.get_logits().map_err(failed("decoding"))
    }
}

impl Model for GgmlModel {
    fn facts(&self) -> ModelFacts {
        let kind = self.context.model_type_readable_str_lossy();
        ModelFacts {
            kind: kind.map_or_else(|_| "unknown".to_owned(), |kind| kind.into_owned()),
            weights: weights(self.context.model_ftype()),
            multilingual: self.context.is_multilingual(),
            backend: format!("whisper.cpp {}", whisper_rs::WHISPER_CPP_VERSION),
        }
    }

    fn knows(&self, language: &str) -> bool {
        if self.context.is_multilingual() { self.language_token(language).is_some() } else { language == "en" }
    }

    fn encode(&mut self, window: &[f32], positions: EncoderContext) -> Result<(), RecognizerError> {
        let window = &window[..window.len().min(MAX_WINDOW)];
        self.window = duration_of_samples(window.len());
        let padded;
        let samples = if window.len() < MIN_SAMPLES {
            let mut longer = window.to_vec();
            longer.resize(MIN_SAMPLES, 0.0);
            padded = longer;
            &padded
        } else {
            window
        };
        // The parameters' own language, English, keeps whisper.cpp from looking for one; it has no other effect.
        let mut params = FullParams::new(SamplingStrategy::Greedy { best_of: 1 });
        params.set_n_threads(i32::try_from(self.threads).unwrap_or(1));
        params.set_audio_ctx(i32::from(positions.get()));
        params.set_print_progress(false);
        params.set_print_timestamps(false);
        native::stop_before_encoding(&mut params);
        // whisper.cpp logs the stop that we asked for as an error.
        let mel = || self.state.full(params, samples);
        tracing::subscriber::with_default(tracing::subscriber::NoSubscriber::default(), mel)
            .map_err(failed("the spectrogram"))?;
        self.state.encode(0, self.threads).map_err(failed("encoding"))
    }

    fn detect(&mut self) -> Result<LanguageProbabilities, RecognizerError> {
        if !self.context.is_multilingual() {
            return Ok(LanguageProbabilities::certain("en"));
        }
        self.feed(self.vocabulary.start, 0)?;
        let first = self.vocabulary.start as usize + 1;
        let logits = &self.logits()?[first..first + self.languages() as usize];
        let codes = (0..).map_while(whisper_rs::get_lang_str);
        Ok(LanguageProbabilities::from_weights(codes.zip((0..logits.len()).map(|index| probability(logits, index)))))
    }

    fn decode(
        &mut self,
        language: &str,
        temperature: f32,
        seed: u64,
        last: bool,
        observer: &mut dyn Observer,
    ) -> Result<WindowText, RecognizerError> {
        let vocabulary = self.vocabulary;
        let mut place = 0;
        self.feed(vocabulary.start, place)?;
        let no_speech = probability(self.logits()?, self.context.token_nosp() as usize);
        if self.context.is_multilingual() {
            let language =
                self.language_token(language).ok_or_else(|| RecognizerError::UnknownLanguage(language.to_owned()))?;
            for token in [language, self.context.token_transcribe()] {
                place += 1;
                self.feed(token, place)?;
            }
        }

        let most = self.context.n_text_ctx() as usize / 2;
        let mut random = Random(seed);
        let mut tokens: Vec<Token> = Vec::with_capacity(most);
        let mut words: Vec<Token> = Vec::with_capacity(most);
        let mut chosen: Vec<Chosen> = Vec::with_capacity(most);
        let mut sum = 0.0;
        let end = loop {
            if observer.stopped() {
                return Err(RecognizerError::Stopped);
            }
            let mut logits = std::mem::take(&mut self.logits);
            logits.clear();
            logits.extend_from_slice(self.logits()?);
            let (token, logprob) = vocabulary.choose(&mut logits, &tokens, temperature, &mut random);
            self.logits = logits;
            sum += logprob;
            if token == vocabulary.end_of_text {
                break End::Text;
            }
            let closes = vocabulary.is_timestamp(token) && tokens.last().is_some_and(|&t| !vocabulary.is_timestamp(t));
            tokens.push(token);
            chosen.push(Chosen { token, logprob });
            if vocabulary.is_timestamp(token) {
                let at = time(&vocabulary, token).min(self.window);
                observer.reached(at);
                if closes && at + END_TOLERANCE >= self.window {
                    break End::Text;
                }
            } else {
                words.push(token);
                if guard::loops(&words) {
                    break End::Loop;
                }
            }
            if tokens.len() >= most {
                break End::Full;
            }
            place += 1;
            self.feed(token, place)?;
        };
        let spell = |token| self.context.token_to_bytes(token).unwrap_or_default();
        let (pieces, resume) = pieces(&vocabulary, &chosen, self.window, last, spell);
        let mean_logprob = (sum / (tokens.len() + 1) as f32).max(MIN_MEAN_LOGPROB);
        Ok(WindowText { pieces, resume, mean_logprob, no_speech, end })
    }
}

fn failed(step: &'static str) -> impl Fn(WhisperError) -> RecognizerError {
    move |error| RecognizerError::Native { step, reason: format!("{error:?}") }
}

/// ggml's number for the form of the weights.
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
