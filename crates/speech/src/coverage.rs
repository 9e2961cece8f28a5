//! Speech that the detector found and no segment covers.

use std::ops::Range;

use stenobot_domain::SAMPLE_RATE;

const RATE: usize = SAMPLE_RATE as usize;
/// Speech of this length, pauses not counted, that no segment covers is transcribed again: shorter speech is within what
/// the times of segments are wrong by.
const MIN_MISSED: usize = RATE * 3 / 2;
/// Uncovered speech of less than this at an end of an utterance whose other end is covered belongs to that text.
const MAX_OVERHANG: usize = RATE * 4 / 5;
/// Kept before and behind uncovered speech when it is transcribed again.
const MARGIN: usize = RATE / 5;

/// A part of a recording with enough uncovered speech to transcribe it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hole {
    /// Samples of the recording, with margins that touch no segment.
    pub(super) range: Range<usize>,
    /// The speech in it, pauses not counted.
    pub(super) speech: usize,
}

/// Samples of `speech` within `range`.
pub(super) fn speech_within(speech: &[Range<usize>], range: &Range<usize>) -> usize {
    speech.iter().map(|part| part.end.min(range.end).saturating_sub(part.start.max(range.start))).sum()
}

/// The holes in `range`: between segments that cover `covered`, in order of time, given the `speech` that was detected.
pub(super) fn holes(range: &Range<usize>, speech: &[Range<usize>], covered: &[Range<usize>]) -> Vec<Hole> {
    let mut gaps = Vec::new();
    let mut from = range.start;
    for cover in covered {
        gaps.push(from..cover.start.min(range.end));
        from = from.max(cover.end);
    }
    gaps.push(from..range.end);
    gaps.retain(|gap| !gap.is_empty());
    gaps.into_iter().filter_map(|gap| hole(&gap, range, speech)).collect()
}

fn hole(gap: &Range<usize>, range: &Range<usize>, speech: &[Range<usize>]) -> Option<Hole> {
    let inside: Vec<Range<usize>> = speech
        .iter()
        .filter_map(|part| {
            let cut = part.start.max(gap.start)..part.end.min(gap.end);
            let is_overhang =
                (part.start < cut.start && cut.start > range.start) || (part.end > cut.end && cut.end < range.end);
            let is_counted = !is_overhang || cut.len() >= MAX_OVERHANG;
            (is_counted && !cut.is_empty()).then_some(cut)
        })
        .collect();
    let length = inside.iter().map(ExactSizeIterator::len).sum();
    let (first, last) = (inside.first()?, inside.last()?);
    let start = first.start.saturating_sub(MARGIN).max(gap.start);
    let end = (last.end + MARGIN).min(gap.end);
    (length > MIN_MISSED).then_some(Hole { range: start..end, speech: length })
}

/// A pause of this length separates utterances, one of which may be in another language than the other.
const MIN_PAUSE: usize = RATE / 4;
/// Less speech than this is too short to tell its language: it is joined to what follows.
const MIN_UTTERANCE: usize = RATE * 6 / 5;

/// The utterances within `range`, one right behind the other, each from the middle of the pause before it on.
pub(super) fn utterances(speech: &[Range<usize>], range: &Range<usize>) -> Vec<Range<usize>> {
    let mut starts = vec![range.start];
    let inside = |part: &&Range<usize>| part.start < range.end && part.end > range.start;
    let parts: Vec<&Range<usize>> = speech.iter().filter(inside).collect();
    for pair in parts.windows(2) {
        let (end, start) = (pair[0].end, pair[1].start);
        let middle = end.midpoint(start);
        let is_long = |from: usize, to: usize| speech_within(speech, &(from..to)) >= MIN_UTTERANCE;
        if start - end >= MIN_PAUSE && is_long(starts[starts.len() - 1], middle) && is_long(middle, range.end) {
            starts.push(middle);
        }
    }
    let ends = starts[1..].iter().copied().chain([range.end]);
    starts.iter().copied().zip(ends).map(|(start, end)| start..end).collect()
}

/// Where a window that begins at `at` may end within `lengths`: in the middle of the longest pause there.
pub(super) fn window_end(at: usize, lengths: Range<usize>, speech: &[Range<usize>]) -> Option<usize> {
    let ends = at + lengths.start..at + lengths.end;
    let pauses = speech.windows(2).map(|pair| pair[0].end..pair[1].start);
    let inside = pauses.filter(|pause| pause.len() >= MIN_PAUSE && ends.contains(&pause.start.midpoint(pause.end)));
    inside.max_by_key(ExactSizeIterator::len).map(|pause| pause.start.midpoint(pause.end))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tenths of a second as samples.
    fn ranges(tenths: &[(usize, usize)]) -> Vec<Range<usize>> {
        tenths.iter().map(|&(start, end)| start * RATE / 10..end * RATE / 10).collect()
    }

    fn holes_in(speech: &[(usize, usize)], covered: &[(usize, usize)]) -> Vec<(usize, usize, usize)> {
        let found = holes(&(0..10 * RATE), &ranges(speech), &ranges(covered));
        let tenths = |samples: usize| samples * 10 / RATE;
        found.iter().map(|hole| (tenths(hole.range.start), tenths(hole.range.end), tenths(hole.speech))).collect()
    }

    #[test]
    fn speech_that_no_segment_covers_is_a_hole() {
        assert_eq!(holes_in(&[(0, 40), (50, 90)], &[(0, 42)]), [(48, 92, 40)]);
        assert_eq!(holes_in(&[(0, 20), (30, 50), (60, 90)], &[(0, 20), (60, 90)]), [(28, 52, 20)]);
        assert_eq!(holes_in(&[(0, 40)], &[]), [(0, 42, 40)]);
        assert_eq!(holes_in(&[], &[(0, 42)]), []);
    }

    #[test]
    fn the_inaccuracy_of_times_is_no_hole() {
        // The segment ends early, or starts late, by less than an overhang; or the rest is short.
        assert_eq!(holes_in(&[(0, 47)], &[(0, 40)]), []);
        assert_eq!(holes_in(&[(0, 55)], &[(0, 40)]), []);
        assert_eq!(holes_in(&[(3, 47)], &[(10, 47)]), []);
        // An overhang counts for nothing, wherever the hole begins.
        assert_eq!(holes_in(&[(0, 46), (50, 64)], &[(0, 40)]), []);
        assert_eq!(holes_in(&[(0, 46), (50, 68)], &[(0, 40)]), [(48, 70, 18)]);
    }

    #[test]
    fn a_window_ends_in_the_longest_of_the_pauses_in_reach() {
        let end = |speech: &[(usize, usize)], at: usize| {
            window_end(at * RATE / 10, 3 * RATE..6 * RATE, &ranges(speech)).map(|end| end * 10 / RATE)
        };
        let speech = [(0, 20), (30, 40), (44, 50), (53, 90)];
        assert_eq!(end(&speech, 0), Some(42));
        // Pauses before and behind are out of reach, however long they are.
        assert_eq!(end(&speech, 20), Some(51));
        assert_eq!(end(&speech, 40), None);
        // A pause within a word is none.
        assert_eq!(end(&[(0, 40), (42, 90)], 0), None);
        assert_eq!(end(&[], 0), None);
    }

    #[test]
    fn utterances_meet_in_the_middle_of_pauses() {
        let found = |speech: &[(usize, usize)]| {
            let found = utterances(&ranges(speech), &(0..10 * RATE));
            found.iter().map(|range| (range.start * 10 / RATE, range.end * 10 / RATE)).collect::<Vec<_>>()
        };
        assert_eq!(found(&[(0, 40), (44, 100)]), [(0, 42), (42, 100)]);
        assert_eq!(found(&[(0, 40), (42, 100)]), [(0, 100)]);
        // Too short to tell the language: joined to what follows, or to what precedes it.
        assert_eq!(found(&[(0, 10), (14, 50), (60, 90)]), [(0, 55), (55, 100)]);
        assert_eq!(found(&[(0, 50), (60, 70)]), [(0, 100)]);
        assert_eq!(found(&[]), [(0, 100)]);
    }
}
