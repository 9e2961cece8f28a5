//! Reproducible random numbers, and summaries of measured times.

use std::time::Duration;

/// A random number generator with a seed, so that a failure can be reproduced.
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

/// Median and maximum.
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
