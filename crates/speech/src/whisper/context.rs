use stenobot_domain::SAMPLE_RATE;

/// Positions of the encoder that are computed; one is 20 ms of sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct EncoderContext(u16);

impl EncoderContext {
    /// The whole context that the model was trained with: 30 s.
    pub(crate) const FULL: Self = Self(1500);

    /// The positions that a window of this many samples needs.
    ///
    /// The margin of 64 and the minimum of 128 cost no accuracy in the words and are worth a factor of three on short
    /// messages; with less the decoder begins to loop. From 29 s on the whole context is used.
    pub(super) fn fitting(samples: usize) -> Self {
        const PER_SECOND: usize = 50;
        let rate = SAMPLE_RATE as usize;
        if samples > 29 * rate {
            return Self::FULL;
        }
        let needed = (samples * PER_SECOND).div_ceil(rate) + 64;
        Self(u16::try_from(needed).unwrap_or(u16::MAX).clamp(128, Self::FULL.0))
    }

    pub(crate) fn positions(self) -> u16 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_context_follows_the_length_of_the_sound() {
        let positions = |seconds: f64| EncoderContext::fitting((seconds * f64::from(SAMPLE_RATE)) as usize).positions();
        assert_eq!(positions(1.0), 128);
        assert_eq!(positions(10.0), 564);
        assert_eq!(positions(10.001), 565);
        assert_eq!(positions(28.9), 1500);
        assert_eq!(positions(30.0), 1500);
    }
}
