//! One decoding of one window: a loop over tokens by Whisper's rules, the same for every backend. One encoder pass serves
//! language and text, and the work can be cancelled between two tokens.

use std::ops::Range;
use std::time::Duration;

use stenobot_domain::{SAMPLE_RATE, duration_of_samples};

use super::backend::Backend;
use super::sampling::{MIN_MEAN_LOGPROB, Random, Token, Vocabulary, probability};
use super::segments::{Chosen, split, time_of};
use super::{EncoderContext, MAX_WINDOW, guard};
use crate::language::LanguageProbabilities;
use crate::recognizer::WindowSegment;
use crate::{Observer, RecognizerError};

/// A timestamp this close to the window's end ends the text.
const END_TOLERANCE: Duration = Duration::from_millis(100);

/// The position of the encoder that a sample belongs to.
fn position_of(sample: usize) -> usize {
    sample * 50 / SAMPLE_RATE as usize
}

/// Decodes windows. Holds the encoder's output of one window at a time.
pub(crate) trait WindowDecoder {
    /// Encodes a window.
    fn encode(
        &mut self,
        samples: &[f32],
        context: EncoderContext,
        observer: &dyn Observer,
    ) -> Result<(), RecognizerError>;

    /// How probable each language is in these samples of the encoded window, by what the decoder sees of them alone; `None`
    /// when the backend cannot tell it without encoding them.
    fn language_probabilities_of(
        &mut self,
        part: &Range<usize>,
    ) -> Result<Option<LanguageProbabilities>, RecognizerError>;

    /// How probable each language is in the encoded window.
    fn language_probabilities(&mut self) -> Result<LanguageProbabilities, RecognizerError>;

    /// Turns the encoded window into text. With a temperature over 0 tokens are drawn at random, in the same way for the
    /// same `seed`.
    fn decode(
        &mut self,
        language: &str,
        temperature: f32,
        seed: u64,
        is_last: bool,
        observer: &mut dyn Observer,
    ) -> Result<WindowText, RecognizerError>;
}

/// What one decoding made of a window.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct WindowText {
    /// In order of time.
    pub(crate) segments: Vec<WindowSegment>,
    /// Where the next window begins, when the model closed a segment before the end of this one.
    pub(crate) next_window: Option<Duration>,
    /// Mean natural log-probability of all tokens; finite, at most 0.
    pub(crate) mean_logprob: f32,
    /// Probability that there is no speech, 0 to 1.
    pub(crate) no_speech: f32,
    pub(crate) stop: StopReason,
}

/// Why a decoder stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopReason {
    /// The model ended the text, or reached the window's end.
    EndOfText,
    /// It repeated itself and was cut.
    Loop,
    /// It reached [`Vocabulary::max_tokens`].
    TokenLimit,
}

/// A decoder over a backend.
pub(super) struct TokenDecoder<B> {
    backend: B,
    vocabulary: Vocabulary,
    /// Length of the encoded window.
    window: Duration,
    /// Scratch, as large as the vocabulary.
    logits: Vec<f32>,
}

impl<B: Backend> TokenDecoder<B> {
    pub(super) fn new(backend: B) -> Self {
        let vocabulary = backend.vocabulary();
        Self { backend, vocabulary, window: Duration::ZERO, logits: Vec::new() }
    }

    /// Codes of the languages that can be given to it.
    pub(super) fn languages(&self) -> &[&'static str] {
        if self.vocabulary.languages.is_empty() { &["en"] } else { &self.vocabulary.languages }
    }

    /// Runs the decoder and keeps the logits of what follows.
    fn feed(&mut self, tokens: &[Token], position: usize) -> Result<(), RecognizerError> {
        let logits = self.backend.decode(tokens, position)?;
        self.logits.clear();
        self.logits.extend_from_slice(logits);
        Ok(())
    }
}

impl<B: Backend> WindowDecoder for TokenDecoder<B> {
    fn encode(
        &mut self,
        samples: &[f32],
        context: EncoderContext,
        observer: &dyn Observer,
    ) -> Result<(), RecognizerError> {
        let samples = &samples[..samples.len().min(MAX_WINDOW)];
        self.window = duration_of_samples(samples.len());
        self.backend.encode(samples, context, observer)
    }

    fn language_probabilities_of(
        &mut self,
        part: &Range<usize>,
    ) -> Result<Option<LanguageProbabilities>, RecognizerError> {
        match self.backend.attend(position_of(part.start)..position_of(part.end))? {
            true => self.language_probabilities().map(Some),
            false => Ok(None),
        }
    }

    fn language_probabilities(&mut self) -> Result<LanguageProbabilities, RecognizerError> {
        if self.vocabulary.languages.is_empty() {
            return Ok(LanguageProbabilities::certain("en"));
        }
        self.feed(&[self.vocabulary.start], 0)?;
        let codes = &self.vocabulary.languages;
        let first = self.vocabulary.start as usize + 1;
        let logits = &self.logits[first..first + codes.len()];
        let weights = codes.iter().enumerate().map(|(index, code)| (*code, probability(logits, index)));
        Ok(LanguageProbabilities::from_weights(weights))
    }

    fn decode(
        &mut self,
        language: &str,
        temperature: f32,
        seed: u64,
        is_last: bool,
        observer: &mut dyn Observer,
    ) -> Result<WindowText, RecognizerError> {
        let mut position = 0;
        self.feed(&[self.vocabulary.start], position)?;
        let no_speech = probability(&self.logits, self.vocabulary.no_speech as usize);
        if !self.vocabulary.languages.is_empty() {
            let token = self.vocabulary.language_token(language);
            let token = token.ok_or_else(|| RecognizerError::UnknownLanguage(language.to_owned()))?;
            self.feed(&[token, self.vocabulary.transcribe], 1)?;
            position = 2;
        }

        let max_tokens = self.vocabulary.max_tokens;
        let mut random = Random(seed);
        let mut tokens: Vec<Token> = Vec::with_capacity(max_tokens);
        let mut words: Vec<Token> = Vec::with_capacity(max_tokens);
        let mut chosen: Vec<Chosen> = Vec::with_capacity(max_tokens);
        let mut sum = 0.0;
        let stop = loop {
            if observer.is_cancelled() {
                return Err(RecognizerError::Cancelled);
            }
            let vocabulary = &self.vocabulary;
            let (token, logprob) = vocabulary.choose(&mut self.logits, &tokens, temperature, &mut random);
            sum += logprob;
            if token == vocabulary.end_of_text {
                break StopReason::EndOfText;
            }
            let closes = vocabulary.is_timestamp(token) && tokens.last().is_some_and(|&t| !vocabulary.is_timestamp(t));
            tokens.push(token);
            chosen.push(Chosen { token, logprob });
            if vocabulary.is_timestamp(token) {
                let time = time_of(vocabulary, token).min(self.window);
                observer.on_progress(time);
                if closes && time + END_TOLERANCE >= self.window {
                    break StopReason::EndOfText;
                }
            } else {
                words.push(token);
                if guard::is_loop(&words) {
                    break StopReason::Loop;
                }
            }
            if tokens.len() >= max_tokens {
                break StopReason::TokenLimit;
            }
            position += 1;
            self.feed(&[token], position)?;
        };
        let spell = |token| self.backend.token_bytes(token);
        let (segments, next_window) = split(&self.vocabulary, &chosen, self.window, is_last, spell);
        let mean_logprob = (sum / (tokens.len() + 1) as f32).max(MIN_MEAN_LOGPROB);
        Ok(WindowText { segments, next_window, mean_logprob, no_speech, stop })
    }
}

#[cfg(test)]
mod tests {
    use stenobot_domain::ModelFacts;

    use super::*;
    use crate::scripted::TestObserver;

    /// Ten words, the end, start, two languages, transcribe, no speech, timestamps from 16 on.
    const VOCABULARY_SIZE: usize = 16 + 1501;
    const ZERO_TIME: Token = 16;

    /// Gives the scripted tokens one after the other, whatever it is fed.
    struct ScriptedBackend {
        tokens: Vec<Token>,
        fed: Vec<(Vec<Token>, usize)>,
        logits: Vec<f32>,
    }

    impl Backend for ScriptedBackend {
        fn facts(&self) -> ModelFacts {
            unreachable!("no test asks for them")
        }

        fn working_memory(&self) -> u64 {
            unreachable!("no test asks for it")
        }

        fn vocabulary(&self) -> Vocabulary {
            Vocabulary {
                end_of_text: 10,
                start: 11,
                transcribe: 14,
                no_speech: 15,
                first_timestamp: ZERO_TIME,
                blank: None,
                languages: vec!["en", "ru"],
                max_tokens: 20,
            }
        }

        fn token_bytes(&self, token: Token) -> &[u8] {
            [b" a", b" b", b" c", b" d", b" e", b" f", b" g", b" h", b" i", b" j"][token as usize]
        }

        fn encode(
            &mut self,
            _samples: &[f32],
            _context: EncoderContext,
            _observer: &dyn Observer,
        ) -> Result<(), RecognizerError> {
            Ok(())
        }

        fn attend(&mut self, _positions: Range<usize>) -> Result<bool, RecognizerError> {
            Ok(false)
        }

        fn decode(&mut self, tokens: &[Token], position: usize) -> Result<&[f32], RecognizerError> {
            self.fed.push((tokens.to_vec(), position));
            // The prompt is fed in two parts; the text begins behind the second.
            let next = self.fed.len().checked_sub(2).and_then(|index| self.tokens.get(index)).copied().unwrap_or(10);
            self.logits.fill(0.0);
            self.logits[next as usize] = 20.0;
            Ok(&self.logits)
        }
    }

    fn decoder(tokens: &[Token]) -> TokenDecoder<ScriptedBackend> {
        let logits = vec![0.0; VOCABULARY_SIZE];
        let mut decoder = TokenDecoder::new(ScriptedBackend { tokens: tokens.to_vec(), fed: Vec::new(), logits });
        decoder.encode(&[0.0; 16_000 * 10], EncoderContext::FULL, &TestObserver::default()).unwrap();
        decoder
    }

    fn second(second: i32) -> Token {
        ZERO_TIME + second * 50
    }

    #[test]
    fn each_token_is_fed_behind_the_prompt() {
        let mut decoder = decoder(&[second(0), 1, 2, second(3)]);
        let mut observer = TestObserver::default();
        let text = decoder.decode("ru", 0.0, 0, true, &mut observer).unwrap();
        assert_eq!((text.stop, text.segments.len(), &*text.segments[0].text), (StopReason::EndOfText, 1, " b c"));
        let fed: Vec<_> = decoder.backend.fed.iter().map(|(tokens, position)| (&tokens[..], *position)).collect();
        let (zero, three) = ([second(0)], [second(3)]);
        let expected: [(&[Token], usize); 6] =
            [(&[11], 0), (&[13, 14], 1), (&zero, 3), (&[1], 4), (&[2], 5), (&three, 6)];
        assert_eq!(fed, expected);
        assert_eq!(observer.positions, [Duration::ZERO, Duration::from_secs(3)]);
    }

    #[test]
    fn a_segment_that_closes_at_the_end_of_the_window_ends_the_text() {
        let mut decoder = decoder(&[second(0), 1, second(10), 2]);
        let text = decoder.decode("en", 0.0, 0, true, &mut TestObserver::default()).unwrap();
        assert_eq!((text.stop, text.segments.len(), decoder.backend.fed.len()), (StopReason::EndOfText, 1, 4));
    }

    #[test]
    fn a_loop_and_the_token_limit_stop_the_decoder() {
        let repeated = [&[second(0)][..], &[1; 19]].concat();
        let text = decoder(&repeated).decode("en", 0.0, 0, true, &mut TestObserver::default()).unwrap();
        assert_eq!(text.stop, StopReason::Loop);
        let varied: Vec<Token> = [second(0)].into_iter().chain((0..19).map(|n| n * n % 10)).collect();
        let text = decoder(&varied).decode("en", 0.0, 0, true, &mut TestObserver::default()).unwrap();
        assert_eq!(text.stop, StopReason::TokenLimit);
    }

    #[test]
    fn it_is_cancelled_between_two_tokens() {
        let mut decoder = decoder(&[second(0), 1, second(2), second(2), 1]);
        let mut observer = TestObserver { cancel_after: Some(2), ..TestObserver::default() };
        let result = decoder.decode("en", 0.0, 0, true, &mut observer);
        assert_eq!((result, observer.positions.len()), (Err(RecognizerError::Cancelled), 2));
    }

    #[test]
    fn an_unknown_language_is_refused() {
        let result = decoder(&[]).decode("tlh", 0.0, 0, true, &mut TestObserver::default());
        assert_eq!(result, Err(RecognizerError::UnknownLanguage("tlh".to_owned())));
    }
}
