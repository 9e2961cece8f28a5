use std::ops::Range;

/// Frames of padding that a track can mark at most: more than any encoder adds, and less than a listener misses.
const MOST_PADDING: usize = 8_192;

/// Tells the sound in a track from the frames that the encoder put before and behind it.
///
/// Containers lie about the end: MP3 files glued together keep the first one's length, and an Ogg can end at zero. So
/// padding has a bound, after which the marks of the container are taken for the lies they are.
pub(super) struct Trim {
    delay: usize,
    padding: usize,
}

impl Trim {
    /// Drops `delay` frames from the start of the track.
    pub(super) fn new(delay: usize) -> Self {
        Self { delay, padding: MOST_PADDING }
    }

    /// The sound among the `len` frames of the next packet, of which the container wants `start` and `end` dropped.
    pub(super) fn sound(&mut self, len: usize, start: usize, end: usize) -> Range<usize> {
        let delay = self.delay.min(len);
        self.delay -= delay;
        let start = start.max(delay).min(len);
        let end = end.min(len - start).min(self.padding);
        self.padding -= end;
        start..len - end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_may_span_packets() {
        let mut trim = Trim::new(1_500);
        assert_eq!(trim.sound(960, 0, 0), 960..960);
        assert_eq!(trim.sound(960, 0, 0), 540..960);
        assert_eq!(trim.sound(960, 100, 60), 100..900);
    }

    #[test]
    fn padding_without_end_is_not_believed() {
        let mut trim = Trim::new(0);
        let dropped: usize = (0..1_000).map(|_| 1_152 - trim.sound(1_152, 0, usize::MAX).len()).sum();
        assert_eq!(dropped, MOST_PADDING);
    }
}
