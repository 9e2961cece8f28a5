//! The language of a stretch of speech: the model's probabilities, limited to the likely languages as long as those are
//! plausible, and combined with a prior.

use std::time::Duration;

use stenobot_domain::{LanguageList, LikelyLanguage, SpeechLanguage};

/// Odds that the shortest speech gains for a language of weight 1. Of 223 beginnings of recordings, 1.0 to 2.4 s long, the
/// model alone takes 44 for another language. With the language of the sender's Telegram it is 15; where that language is
/// not the one that is spoken it is 46. Between 30 and 100 these hardly change.
const MAX_PRIOR_ODDS: f32 = 70.0;
/// Speech up to this length is short: the prior counts in full.
const SHORT: Duration = Duration::from_secs(1);
/// Speech from this length on is judged by the model alone.
const LONG: Duration = Duration::from_secs(10);
/// The candidates are plausible, and all other languages left out, when the model gives them this much together. Of 385
/// recordings and beginnings from 1.0 s on, 20 are taken for another language with the prior of the sender's Telegram in the
/// spoken language, 13 when that is the candidate as well. With 0.05 it is 9; but of 100 of at least 4 s in another language
/// than the candidate, 15 are wrong with 0.05, 11 with 0.1 and 8 without candidates, most of them Ukrainian taken for Russian.
const MIN_PLAUSIBLE: f32 = 0.1;
/// Languages that the sender has chosen are plausible already with this much.
const MIN_CHOSEN_PLAUSIBLE: f32 = 0.05;
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
    /// Languages that the sender is likely to speak; the weights of all sum to at most 1. Used for detection only. Its
    /// candidates give way to those of [`SpeechLanguage::Several`].
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
    First { prior: Prior<'a>, speech: Duration },
    /// Detected in a later window of a recording whose language so far is `current`.
    Later { prior: Prior<'a>, current: &'a str, speech: Duration },
}

/// What is known of the language that is to be detected.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Prior<'a> {
    likely: &'a [LikelyLanguage],
    /// Given by the sender, in place of those in `likely`.
    chosen: Option<&'a LanguageList>,
}

impl<'a> Prior<'a> {
    pub(crate) fn of(hint: LanguageHint<'a>) -> Self {
        let chosen = match hint.language {
            SpeechLanguage::Several(list) => Some(list),
            SpeechLanguage::Auto | SpeechLanguage::Code(_) => None,
        };
        Self { likely: hint.likely, chosen }
    }

    fn is_candidate(&self, code: &str) -> bool {
        match self.chosen {
            Some(list) => list.contains(code),
            None => self.likely.iter().any(|likely| likely.is_candidate && likely.code == code),
        }
    }

    fn min_plausible(&self) -> f32 {
        if self.chosen.is_some() { MIN_CHOSEN_PLAUSIBLE } else { MIN_PLAUSIBLE }
    }

    fn weight_of(&self, code: &str) -> f32 {
        let likely = self.likely.iter().filter(|likely| likely.code == code);
        likely.map(|likely| likely.weight).sum::<f32>().clamp(0.0, 1.0)
    }
}

impl LanguageChoice<'_> {
    /// The language, given how probable the model finds each.
    pub(crate) fn decide(&self, probabilities: &LanguageProbabilities) -> DetectedLanguage {
        match *self {
            Self::Given(code) => DetectedLanguage::given(code),
            Self::First { prior, speech } => probabilities.first(prior, speech),
            Self::Later { prior, current, speech } => probabilities.after(prior, current, speech),
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
    /// Whether it is the same with any prior.
    pub(crate) is_certain: bool,
}

impl DetectedLanguage {
    /// A language that is not detected but given.
    pub(crate) fn given(code: &str) -> Self {
        Self { code: code.to_owned(), probability: 1.0, model_probability: 1.0, is_certain: true }
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
        self.best_of(|_| true)
    }

    /// The most probable one of some languages.
    fn best_of(&self, is_considered: impl Fn(&str) -> bool) -> (&'static str, f32) {
        let considered = self.0.iter().filter(|(code, _)| is_considered(code));
        considered.max_by(|(_, a), (_, b)| a.total_cmp(b)).copied().unwrap_or(("en", 0.0))
    }

    /// The probability of some languages together.
    fn together(&self, is_considered: impl Fn(&str) -> bool) -> f32 {
        self.0.iter().filter(|(code, _)| is_considered(code)).map(|&(_, probability)| probability).sum()
    }

    /// The language of the first window with text.
    fn first(&self, prior: Prior<'_>, speech: Duration) -> DetectedLanguage {
        let is_limited = self.together(|code| prior.is_candidate(code)) >= prior.min_plausible();
        let posterior = self.posterior(prior, speech);
        let (language, probability) = posterior.best_of(|code| !is_limited || prior.is_candidate(code));
        DetectedLanguage {
            code: language.to_owned(),
            probability,
            model_probability: self.of(language),
            is_certain: self.is_certain(language, prior, prior_odds(1.0, speech)),
        }
    }

    /// Probability times odds.
    fn posterior(&self, prior: Prior<'_>, speech: Duration) -> Self {
        let weighed = |&(code, probability): &(&'static str, f32)| {
            (code, probability * prior_odds(prior.weight_of(code), speech))
        };
        Self::from_weights(self.0.iter().map(weighed))
    }

    /// Whether no prior, which multiplies the odds by `max_odds` at most, leads to another language than the one decided.
    fn is_certain(&self, decided: &str, prior: Prior<'_>, max_odds: f32) -> bool {
        let (best, probability) = self.best();
        let is_other = |code: &str| code != best;
        let (_, second) = self.best_of(is_other);
        best == decided && self.together(is_other) < prior.min_plausible() && probability > max_odds * second
    }

    /// The mean of two detections in the same speech.
    pub(crate) fn mean(&self, other: &Self) -> Self {
        Self::from_weights(self.0.iter().map(|&(code, probability)| (code, probability + other.of(code))))
    }

    /// The language of a later window: no weights count, which are in `current` already.
    fn after(&self, prior: Prior<'_>, current: &str, speech: Duration) -> DetectedLanguage {
        let has_candidates = self.0.iter().any(|(code, _)| prior.is_candidate(code));
        let is_likely = |code: &str| prior.is_candidate(code) || code == current;
        let likely = self.together(is_likely);
        let is_limited = has_candidates && likely >= prior.min_plausible();
        let (best, probability) = self.best_of(|code| !is_limited || is_likely(code));
        let before = self.of(current);
        let min_probability =
            if speech < MIN_SWITCH_SPEECH { MIN_SHORT_SWITCH_PROBABILITY } else { MIN_SWITCH_PROBABILITY };
        let share = if is_limited { probability / likely } else { probability };
        let is_switch = share >= min_probability && probability >= MIN_SWITCH_ODDS * before;
        let (code, probability) = if is_switch { (best, probability) } else { (current, before) };
        DetectedLanguage {
            code: code.to_owned(),
            probability,
            model_probability: probability,
            is_certain: self.is_certain(code, prior, 1.0),
        }
    }
}

/// The factor by which `weight` makes a language more probable in so much speech: none from [`LONG`] on.
fn prior_odds(weight: f32, speech: Duration) -> f32 {
    let exponent = LONG.saturating_sub(speech).div_duration_f32(LONG - SHORT).min(1.0);
    (1.0 + (MAX_PRIOR_ODDS - 1.0) * weight).powf(exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn likely(code: &str, weight: f32) -> Vec<LikelyLanguage> {
        vec![LikelyLanguage { code: code.to_owned(), weight, is_candidate: false }]
    }

    fn candidates(codes: &[&str]) -> Vec<LikelyLanguage> {
        let candidate = |code: &&str| LikelyLanguage { code: (*code).to_owned(), weight: 0.1, is_candidate: true };
        codes.iter().map(candidate).collect()
    }

    fn prior(likely: &[LikelyLanguage]) -> Prior<'_> {
        Prior { likely, chosen: None }
    }

    fn unsure() -> LanguageProbabilities {
        LanguageProbabilities::from_weights([("ja", 0.4), ("en", 0.3), ("ru", 0.1), ("el", 0.2)])
    }

    #[test]
    fn the_prior_decides_over_short_speech_and_hardly_over_long() {
        let known = likely("ru", 0.5);
        assert_eq!(unsure().first(prior(&known), SECOND).code, "ru");
        assert_eq!(unsure().first(prior(&known), SECOND).model_probability, unsure().of("ru"));
        assert_eq!(unsure().first(prior(&known), 9 * SECOND).code, "ja");
        assert!((unsure().first(prior(&known), 60 * SECOND).probability - 0.4).abs() < 0.001);
        assert_eq!(unsure().first(Prior::default(), SECOND).code, "ja");
        // A language that the model does not know.
        assert_eq!(unsure().first(prior(&likely("xx", 1.0)), SECOND).code, "ja");
    }

    #[test]
    fn the_prior_does_not_override_a_certain_detection() {
        let sure = LanguageProbabilities::from_weights([("ja", 0.97), ("en", 0.02), ("ru", 0.01)]);
        assert_eq!(sure.first(prior(&likely("ru", 0.75)), SECOND).code, "ja");
    }

    #[test]
    fn the_language_changes_only_for_one_that_is_clearly_more_probable() {
        let of = |weights: &[(&'static str, f32)], speech| {
            LanguageProbabilities::from_weights(weights.iter().copied()).after(Prior::default(), "ru", speech).code
        };
        assert_eq!(of(&[("en", 0.95), ("ru", 0.03), ("de", 0.02)], 4 * SECOND), "en");
        assert_eq!(of(&[("uk", 0.6), ("pl", 0.39), ("ru", 0.01)], 4 * SECOND), "uk");
        assert_eq!(of(&[("uk", 0.85), ("ru", 0.15)], 4 * SECOND), "ru");
        assert_eq!(of(&[("ja", 0.4), ("en", 0.3), ("el", 0.29), ("ru", 0.01)], 4 * SECOND), "ru");
        assert_eq!(of(&[("ja", 0.7), ("en", 0.29), ("ru", 0.01)], SECOND), "ru", "short speech needs more");
    }

    #[test]
    fn only_the_likely_languages_are_considered_while_they_are_plausible() {
        let detected = |weights: &[(&'static str, f32)], codes: &[&str]| {
            let likely = candidates(codes);
            LanguageProbabilities::from_weights(weights.iter().copied()).first(prior(&likely), 20 * SECOND).code
        };
        let slavic = [("be", 0.5), ("uk", 0.3), ("ru", 0.1), ("pl", 0.1)];
        assert_eq!(detected(&slavic, &[]), "be");
        assert_eq!(detected(&slavic, &["ru", "uk"]), "uk");
        assert_eq!(detected(&slavic, &["ru", "be"]), "be");
        let german = [("de", 0.94), ("nl", 0.02), ("ru", 0.02), ("uk", 0.02)];
        assert_eq!(detected(&german, &["ru", "uk"]), "de", "none of them is plausible");
        assert_eq!(detected(&german, &["xx"]), "de");
    }

    #[test]
    fn chosen_languages_take_the_place_of_the_other_candidates() {
        let several: SpeechLanguage = "ru,uk".parse().unwrap();
        let likely = candidates(&["be"]);
        let prior = Prior::of(LanguageHint { language: &several, likely: &likely });
        let slavic = LanguageProbabilities::from_weights([("be", 0.5), ("uk", 0.3), ("ru", 0.2)]);
        assert_eq!(slavic.first(prior, 20 * SECOND).code, "uk");
    }

    #[test]
    fn a_later_window_stays_among_the_likely_languages_and_its_own() {
        let likely = candidates(&["ru", "uk"]);
        let of = |weights: &[(&'static str, f32)], current| {
            let probabilities = LanguageProbabilities::from_weights(weights.iter().copied());
            probabilities.after(prior(&likely), current, 4 * SECOND).code
        };
        assert_eq!(of(&[("be", 0.8), ("uk", 0.19), ("ru", 0.005), ("pl", 0.005)], "ru"), "uk");
        assert_eq!(of(&[("be", 0.8), ("uk", 0.1), ("ru", 0.1)], "ru"), "ru");
        assert_eq!(of(&[("en", 0.97), ("uk", 0.02), ("ru", 0.01)], "ru"), "en");
        assert_eq!(of(&[("be", 0.96), ("en", 0.02), ("ru", 0.02)], "en"), "be", "none of them is plausible");
    }

    #[test]
    fn a_language_is_certain_when_no_prior_leads_to_another() {
        let is_certain = |best: f32, speech| {
            let rest = 1.0 - best;
            let probabilities =
                LanguageProbabilities::from_weights([("ru", best), ("uk", rest * 0.6), ("be", rest * 0.4)]);
            let detected = probabilities.first(Prior::default(), speech);
            for code in ["uk", "be"] {
                let other = [LikelyLanguage { code: code.to_owned(), weight: 1.0, is_candidate: true }];
                let other = probabilities.first(prior(&other), speech);
                assert!(!detected.is_certain || other.code == "ru", "{best} {code}");
            }
            detected.is_certain
        };
        assert!(is_certain(0.95, 20 * SECOND) && !is_certain(0.85, 20 * SECOND));
        assert!(is_certain(0.995, SECOND) && !is_certain(0.95, SECOND));
        assert!(DetectedLanguage::given("ru").is_certain);
    }
}
