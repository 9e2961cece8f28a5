//! Chance that can be repeated, and what was measured in few words.

use std::time::Duration;

/// A small generator, so that a failure can be repeated from its seed.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

/// The middle and the longest of some times.
pub(crate) fn spread(times: &[Duration]) -> String {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    match sorted[..] {
        [] => "none".to_owned(),
        [.., longest] => {
            format!("p50 {:.2} s, max {:.2} s", sorted[sorted.len() / 2].as_secs_f64(), longest.as_secs_f64())
        }
    }
}
