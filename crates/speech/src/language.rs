//! The language of a stretch of speech: the model's probabilities combined with a prior.

use std::time::Duration;

use stenobot_domain::{LikelyLanguage, SpeechLanguage};

/// Odds that the shortest speech gains for a language of weight 1. Of 223 beginnings of recordings, 1.0 to 2.4 s long, the
/// model alone takes 44 for another language. With the language of the sender's Telegram it is 15; where that language is
/// not the one that is spoken it is 46. Between 30 and 100 these hardly change.
const MAX_PRIOR_ODDS: f32 = 70.0;
/// Speech up to this length is short: the prior counts in full.
const SHORT: Duration = Duration::from_secs(1);
/// Speech from this length on is judged by the model alone.
const LONG: Duration = Duration::from_secs(10);
/// The language changes within a recording only where another is at least this probable,
const MIN_SWITCH_PROBABILITY: f32 = 0.5;
/// in speech of less than `MIN_SWITCH_SPEECH` this probable,
const MIN_SHORT_SWITCH_PROBABILITY: f32 = 0.8;
const MIN_SWITCH_SPEECH: Duration = Duration::from_secs(2);
/// and this many times as probable as the language so far.
const MIN_SWITCH_ODDS: f32 = 30.0;

/// What is known of a recording's language beforehand.
#[derive(Debug, Clone, Copy)]
pub struct LanguageHint<'a> {
    /// Given, or to be detected.
    pub language: &'a SpeechLanguage,
    /// Languages that the sender is likely to speak; the weights of all sum to at most 1. Used for detection only.
    pub likely: &'a [LikelyLanguage],
}

#[cfg(test)]
impl<'a> LanguageHint<'a> {
    /// Nothing is known of the sender.
    pub(crate) fn new(language: &'a SpeechLanguage) -> Self {
        Self { language, likely: &[] }
    }
}

/// How a recogniser is to choose the language of a window.
#[derive(Debug, Clone, Copy)]
pub(crate) enum LanguageChoice<'a> {
    /// By its code.
    Given(&'a str),
    /// Detected in the first window with text, of which so much is `speech`.
    First { likely: &'a [LikelyLanguage], speech: Duration },
    /// Detected in a later window of a recording whose language so far is `current`.
    Later { current: &'a str, speech: Duration },
}

impl LanguageChoice<'_> {
    /// The language, given how probable the model finds each.
    pub(crate) fn decide(&self, probabilities: &LanguageProbabilities) -> DetectedLanguage {
        match *self {
            Self::Given(code) => DetectedLanguage::given(code),
            Self::First { likely, speech } => probabilities.first(likely, speech),
            Self::Later { current, speech } => probabilities.after(current, speech),
        }
    }
}

/// The language of a window.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DetectedLanguage {
    pub(crate) code: String,
    /// 0 to 1, with the prior.
    pub(crate) probability: f32,
    /// 0 to 1, by the model alone.
    pub(crate) model_probability: f32,
}

impl DetectedLanguage {
    /// A language that is not detected but given.
    pub(crate) fn given(code: &str) -> Self {
        Self { code: code.to_owned(), probability: 1.0, model_probability: 1.0 }
    }
}

/// The probability of each language that the model knows; they sum to 1.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LanguageProbabilities(Vec<(&'static str, f32)>);

impl LanguageProbabilities {
    /// From weights, at least one of which is positive.
    pub(crate) fn from_weights(weights: impl IntoIterator<Item = (&'static str, f32)>) -> Self {
        let mut weights: Vec<_> = weights.into_iter().collect();
        let sum: f32 = weights.iter().map(|&(_, weight)| weight).sum();
        for (_, weight) in &mut weights {
            *weight /= sum;
        }
        Self(weights)
    }

    /// The only language of a model for one.
    pub(crate) fn certain(language: &'static str) -> Self {
        Self(vec![(language, 1.0)])
    }

    /// 0 for a language that the model does not know.
    pub(crate) fn of(&self, language: &str) -> f32 {
        self.0.iter().find(|(code, _)| *code == language).map_or(0.0, |&(_, probability)| probability)
    }

    /// The most probable language.
    fn best(&self) -> (&'static str, f32) {
        let best = self.0.iter().max_by(|(_, a), (_, b)| a.total_cmp(b));
        best.copied().unwrap_or(("en", 0.0))
    }

    /// The language of the first window with text.
    fn first(&self, likely: &[LikelyLanguage], speech: Duration) -> DetectedLanguage {
        let (language, probability) = self.posterior(likely, speech).best();
        DetectedLanguage { code: language.to_owned(), probability, model_probability: self.of(language) }
    }

    /// Probability times prior^k, where k falls from 1 for short `speech` to 0 for long.
    fn posterior(&self, likely: &[LikelyLanguage], speech: Duration) -> Self {
        let exponent = LONG.saturating_sub(speech).div_duration_f32(LONG - SHORT).min(1.0);
        let weight_of = |code: &str| likely.iter().filter(|l| l.code == code).map(|l| l.weight).sum::<f32>();
        let prior = |code: &str| (1.0 + (MAX_PRIOR_ODDS - 1.0) * weight_of(code).clamp(0.0, 1.0)).powf(exponent);
        Self::from_weights(self.0.iter().map(|&(code, probability)| (code, probability * prior(code))))
    }

    /// The mean of two detections in the same speech.
    pub(crate) fn mean(&self, other: &Self) -> Self {
        Self::from_weights(self.0.iter().map(|&(code, probability)| (code, probability + other.of(code))))
    }

    /// The language of a later window. The model alone decides: the prior is in `current` already.
    fn after(&self, current: &str, speech: Duration) -> DetectedLanguage {
        let (best, probability) = self.best();
        let before = self.of(current);
        let min_probability =
            if speech < MIN_SWITCH_SPEECH { MIN_SHORT_SWITCH_PROBABILITY } else { MIN_SWITCH_PROBABILITY };
        if probability >= min_probability && probability >= MIN_SWITCH_ODDS * before {
            return DetectedLanguage { code: best.to_owned(), probability, model_probability: probability };
        }
        DetectedLanguage { code: current.to_owned(), probability: before, model_probability: before }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn likely(code: &str, weight: f32) -> Vec<LikelyLanguage> {
        vec![LikelyLanguage { code: code.to_owned(), weight }]
    }

    fn unsure() -> LanguageProbabilities {
        LanguageProbabilities::from_weights([("ja", 0.4), ("en", 0.3), ("ru", 0.1), ("el", 0.2)])
    }

    #[test]
    fn the_prior_decides_over_short_speech_and_hardly_over_long() {
        let known = likely("ru", 0.5);
        assert_eq!(unsure().first(&known, SECOND).code, "ru");
        assert_eq!(unsure().first(&known, SECOND).model_probability, unsure().of("ru"));
        assert_eq!(unsure().first(&known, 9 * SECOND).code, "ja");
        assert!((unsure().first(&known, 60 * SECOND).probability - 0.4).abs() < 0.001);
        assert_eq!(unsure().first(&[], SECOND).code, "ja");
        // A language that the model does not know.
        assert_eq!(unsure().first(&likely("xx", 1.0), SECOND).code, "ja");
    }

    #[test]
    fn the_prior_does_not_override_a_certain_detection() {
        let sure = LanguageProbabilities::from_weights([("ja", 0.97), ("en", 0.02), ("ru", 0.01)]);
        assert_eq!(sure.first(&likely("ru", 0.75), SECOND).code, "ja");
    }

    #[test]
    fn the_language_changes_only_for_one_that_is_clearly_more_probable() {
        let of = |weights: &[(&'static str, f32)], speech| {
            LanguageProbabilities::from_weights(weights.iter().copied()).after("ru", speech).code
        };
        assert_eq!(of(&[("en", 0.95), ("ru", 0.03), ("de", 0.02)], 4 * SECOND), "en");
        assert_eq!(of(&[("uk", 0.6), ("pl", 0.39), ("ru", 0.01)], 4 * SECOND), "uk");
        assert_eq!(of(&[("uk", 0.85), ("ru", 0.15)], 4 * SECOND), "ru");
        assert_eq!(of(&[("ja", 0.4), ("en", 0.3), ("el", 0.29), ("ru", 0.01)], 4 * SECOND), "ru");
        assert_eq!(of(&[("ja", 0.7), ("en", 0.29), ("ru", 0.01)], SECOND), "ru", "short speech needs more");
    }
}
