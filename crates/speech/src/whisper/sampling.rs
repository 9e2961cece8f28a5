//! Which token comes next: Whisper's rules for timestamps, and the choice itself.

use std::ops::Range;

/// A token's number in the model's vocabulary.
pub(super) type Token = i32;

/// The tokens with a meaning of their own. Text tokens come first, then the end of the text, the start, the languages, other
/// controls, then the timestamps: one for each 20 ms.
#[derive(Debug)]
pub(super) struct Vocabulary {
    pub(super) end_of_text: Token,
    pub(super) start: Token,
    /// The task: text in the language that is spoken.
    pub(super) transcribe: Token,
    pub(super) no_speech: Token,
    pub(super) first_timestamp: Token,
    /// A lone space, if there is such a token.
    pub(super) blank: Option<Token>,
    /// Codes of the languages, in the order of their tokens; empty when the model is for English only, and then takes
    /// neither language nor task.
    pub(super) languages: Vec<&'static str>,
    /// Most tokens of one window.
    pub(super) max_tokens: usize,
}

/// The first segment of a window starts within its first second, counted in timestamps.
const MAX_START_TICKS: usize = 50;

impl Vocabulary {
    pub(super) fn is_timestamp(&self, token: Token) -> bool {
        token >= self.first_timestamp
    }

    pub(super) fn language_token(&self, code: &str) -> Option<Token> {
        let index = self.languages.iter().position(|language| *language == code)?;
        Some(self.start + 1 + Token::try_from(index).ok()?)
    }

    fn text(&self) -> Range<usize> {
        0..self.end_of_text as usize
    }

    fn controls(&self) -> Range<usize> {
        self.end_of_text as usize + 1..self.first_timestamp as usize
    }

    /// Rules out what may not come after `tokens`, then lets the timestamps' joint weight decide between time and
    /// text. The rules are those of OpenAI's decoder.
    fn rule_out(&self, logits: &mut [f32], tokens: &[Token]) {
        let forbid = |logits: &mut [f32], range: Range<usize>| logits[range].fill(f32::NEG_INFINITY);
        let timestamps = self.first_timestamp as usize..logits.len();
        forbid(logits, self.controls());

        let is_last_timestamp = tokens.last().is_some_and(|&token| self.is_timestamp(token));
        let is_previous_timestamp = tokens.len() < 2 || self.is_timestamp(tokens[tokens.len() - 2]);
        if tokens.is_empty() {
            forbid(logits, 0..timestamps.start);
            forbid(logits, (timestamps.start + MAX_START_TICKS + 1).min(timestamps.end)..timestamps.end);
            return;
        }
        if let (1, Some(blank)) = (tokens.len(), self.blank) {
            logits[blank as usize] = f32::NEG_INFINITY;
        }
        match (is_last_timestamp, is_previous_timestamp) {
            // A pair is complete, or the start is set: text follows.
            (true, true) => forbid(logits, timestamps.clone()),
            // A segment has just been closed: the next one's start follows, or the end.
            (true, false) => forbid(logits, self.text()),
            (false, _) => {}
        }
        if let Some(&latest) = tokens.iter().rev().find(|&&token| self.is_timestamp(token)) {
            // Time moves on: a segment is never empty, but the next may start where the last one ended.
            let least = if is_last_timestamp && !is_previous_timestamp { latest } else { latest + 1 };
            forbid(logits, timestamps.start..(least as usize).min(timestamps.end));
        }
        let best_text = logits[..timestamps.start].iter().copied().fold(f32::NEG_INFINITY, f32::max);
        if log_sum_exp(&logits[timestamps.clone()]) > best_text {
            forbid(logits, 0..timestamps.start);
        }
    }

    /// The next token and its natural log-probability among those allowed. `logits` is scratch afterwards.
    pub(super) fn choose(
        &self,
        logits: &mut [f32],
        tokens: &[Token],
        temperature: f32,
        random: &mut Random,
    ) -> (Token, f32) {
        self.rule_out(logits, tokens);
        let total = log_sum_exp(logits);
        let chosen = if temperature > 0.0 { sample(logits, temperature, random) } else { best(logits.iter().copied()) };
        match chosen {
            Some(index) => (index as Token, (logits[index] - total).min(0.0)),
            // Every token was ruled out, or the logits are not finite.
            None => (self.end_of_text, MIN_MEAN_LOGPROB),
        }
    }
}

/// Lower bound of every mean log-probability, which must stay finite.
pub(super) const MIN_MEAN_LOGPROB: f32 = -20.0;

fn best(logits: impl Iterator<Item = f32>) -> Option<usize> {
    let finite = logits.enumerate().filter(|(_, logit)| logit.is_finite());
    finite.max_by(|(_, a), (_, b)| a.total_cmp(b)).map(|(index, _)| index)
}

fn sample(logits: &[f32], temperature: f32, random: &mut Random) -> Option<usize> {
    // The greatest of the logits with Gumbel noise is a fair draw from their softmax.
    best(logits.iter().map(|&logit| if logit.is_finite() { logit / temperature + random.gumbel() } else { logit }))
}

/// Natural logarithm of the sum of the exponentials.
pub(super) fn log_sum_exp(logits: &[f32]) -> f32 {
    let greatest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if !greatest.is_finite() {
        return f32::NEG_INFINITY;
    }
    greatest + logits.iter().map(|logit| (logit - greatest).exp()).sum::<f32>().ln()
}

/// The probability of one among all.
pub(super) fn probability(logits: &[f32], index: usize) -> f32 {
    (logits[index] - log_sum_exp(logits)).exp().clamp(0.0, 1.0)
}

/// SplitMix64: small, and the same on every machine.
#[derive(Debug, Clone)]
pub(super) struct Random(pub(super) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn gumbel(&mut self) -> f32 {
        // In the open interval from 0 to 1.
        let uniform = ((self.next() >> 40) as f32 + 0.5) / (1 << 24) as f32;
        -(-uniform.ln()).ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten words, the end, three controls, timestamps from 14 on.
    const SMALL: Vocabulary = Vocabulary {
        end_of_text: 10,
        start: 11,
        transcribe: 12,
        no_speech: 13,
        first_timestamp: 14,
        blank: Some(3),
        languages: Vec::new(),
        max_tokens: 50,
    };
    const SIZE: usize = 14 + 101;

    fn allowed(tokens: &[Token]) -> Vec<usize> {
        let mut logits = vec![0.0; SIZE];
        // Far below the text, so that their joint weight does not win.
        logits[14..].fill(-20.0);
        SMALL.rule_out(&mut logits, tokens);
        (0..SIZE).filter(|&index| logits[index].is_finite()).collect()
    }

    #[test]
    fn the_first_token_is_a_timestamp_within_the_first_second() {
        assert_eq!(allowed(&[]), (14..=64).collect::<Vec<_>>());
    }

    #[test]
    fn the_token_after_the_first_timestamp_is_not_blank() {
        assert_eq!(allowed(&[14]), [0, 1, 2, 4, 5, 6, 7, 8, 9, 10]);
    }

    #[test]
    fn timestamps_come_in_pairs_and_never_decrease() {
        let after_text = allowed(&[20, 1]);
        assert!(after_text.contains(&10) && after_text.contains(&0));
        assert_eq!(after_text.iter().find(|&&index| index >= 14), Some(&21));
        // A closed segment: the next begins at its end or later, or the text ends.
        let closed = allowed(&[20, 1, 30]);
        assert_eq!(closed[..2], [10, 30]);
        // A pair: text or the end.
        assert_eq!(allowed(&[20, 1, 30, 30]), (0..=10).collect::<Vec<_>>());
    }

    #[test]
    fn a_timestamp_is_chosen_when_the_joint_weight_of_timestamps_exceeds_every_word() {
        let mut logits = vec![0.0; SIZE];
        logits[5] = 3.0;
        let (token, logprob) = SMALL.choose(&mut logits, &[14, 5], 0.0, &mut Random(1));
        assert!(SMALL.is_timestamp(token) && logprob < 0.0);
    }

    #[test]
    fn a_random_choice_follows_the_probabilities_and_the_seed() {
        let mut logits = vec![f32::NEG_INFINITY; SIZE];
        (logits[1], logits[2]) = (0.0, 1.0);
        let draw = |seed| {
            let mut random = Random(seed);
            (0..10_000).filter(|_| sample(&logits, 1.0, &mut random) == Some(2)).count()
        };
        assert_eq!(draw(7), draw(7));
        assert!((7_100..7_500).contains(&draw(7)), "{}", draw(7));
    }

    #[test]
    fn logits_that_are_not_finite_end_the_text() {
        let mut logits = vec![f32::NAN; SIZE];
        assert_eq!(SMALL.choose(&mut logits, &[14, 5], 0.0, &mut Random(1)), (10, MIN_MEAN_LOGPROB));
    }
}
