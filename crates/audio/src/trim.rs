use std::ops::Range;

/// Most frames of padding that are dropped from a track: more than any encoder adds, and too few to notice.
const MAX_PADDING: usize = 8_192;

/// Separates the sound of a track from the frames that the encoder put before and behind it.
///
/// Containers can be wrong about the end: MP3 files glued together keep the first one's length, and an Ogg can end at zero.
/// So padding has a bound, after which the container's marks are ignored.
pub(super) struct Trim {
    delay: usize,
    padding: usize,
}

impl Trim {
    /// Drops `delay` frames from the start of the track.
    pub(super) fn new(delay: usize) -> Self {
        Self { delay, padding: MAX_PADDING }
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
    fn padding_beyond_its_bound_is_sound() {
        let mut trim = Trim::new(0);
        let dropped: usize = (0..1_000).map(|_| 1_152 - trim.sound(1_152, 0, usize::MAX).len()).sum();
        assert_eq!(dropped, MAX_PADDING);
    }
}
