//! What measured steps mean: the time of a voice, waiting in the queue, threads, workers and the model for a machine.

use std::collections::BTreeMap;

use serde::Serialize;

use super::engine::DECODED_WINDOW;

/// Longest window of the encoder, in seconds.
const MAX_WINDOW: u32 = 30;
/// Tokens of a second of speech: Russian and English have three to four.
pub(super) const TOKENS_PER_SECOND: u32 = 4;
/// Lengths of voices whose real-time factor is told, in seconds.
pub(super) const VOICES: [u32; 4] = [5, 15, 60, 120];
/// Length of the voice by which a model is judged, in seconds.
pub(super) const JUDGED_VOICE: u32 = 15;
/// Largest real-time factor of that voice at which a model is recommended.
pub(super) const MAX_REAL_TIME_FACTOR: f64 = 0.35;
/// Length of the message by which throughput is told, in seconds.
pub(super) const MESSAGE: u32 = DECODED_WINDOW;
/// Shares of the capacity for which waiting is told, in percent.
const UTILISATIONS: [u32; 3] = [25, 50, 75];
/// Cores from which on several workers are considered.
pub(super) const MIN_CORES_OF_TWO: usize = 4;
/// By how much two workers must exceed one: each message takes longer with them.
const MIN_GAIN: f64 = 1.2;

/// Measured steps of a model.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Figures {
    pub(super) threads: usize,
    pub(super) load_seconds: f64,
    /// By the length of the window in seconds.
    pub(super) encode_seconds: BTreeMap<u32, f64>,
    /// The tokens before the text.
    pub(super) prompt_seconds: f64,
    pub(super) token_seconds: f64,
    /// Maximum of the process's resident memory.
    pub(super) peak_bytes: u64,
}

impl Figures {
    /// Time for a voice of so many seconds. A window counts as the shortest one that was measured and is not shorter; `None`
    /// when there is none.
    pub(super) fn service_seconds(&self, voice: u32) -> Option<f64> {
        let full = std::iter::repeat_n(MAX_WINDOW, (voice / MAX_WINDOW) as usize);
        let rest = Some(voice % MAX_WINDOW).filter(|rest| *rest > 0);
        let mut seconds = f64::from(voice * TOKENS_PER_SECOND) * self.token_seconds;
        for window in full.chain(rest) {
            let (_, encode) = self.encode_seconds.range(window..).next()?;
            seconds += encode + self.prompt_seconds;
        }
        Some(seconds)
    }

    /// Time for a voice over its length.
    pub(super) fn real_time_factor(&self, voice: u32) -> Option<f64> {
        Some(self.service_seconds(voice)? / f64::from(voice))
    }

    pub(super) fn real_time_factors(&self) -> BTreeMap<u32, f64> {
        VOICES.iter().filter_map(|voice| Some((*voice, self.real_time_factor(*voice)?))).collect()
    }
}

/// One worker and its queue.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Queue {
    /// Of one message.
    pub(super) service_seconds: f64,
    /// Messages per hour at full load.
    pub(super) capacity_per_hour: f64,
    pub(super) waits: Vec<Wait>,
}

/// The queue at one rate of arrivals.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Wait {
    pub(super) utilisation_percent: u32,
    pub(super) messages_per_hour: f64,
    /// Mean, before the engine begins.
    pub(super) wait_seconds: f64,
    /// Mean, from the arrival to the text.
    pub(super) answer_seconds: f64,
}

impl Queue {
    pub(super) fn of(service_seconds: f64) -> Self {
        let capacity_per_hour = 3600.0 / service_seconds;
        let wait = |utilisation_percent| {
            let utilisation = f64::from(utilisation_percent) / 100.0;
            let wait_seconds = mean_wait(service_seconds, utilisation);
            Wait {
                utilisation_percent,
                messages_per_hour: capacity_per_hour * utilisation,
                wait_seconds,
                answer_seconds: wait_seconds + service_seconds,
            }
        };
        Self { service_seconds, capacity_per_hour, waits: UTILISATIONS.map(wait).into() }
    }
}

/// Mean wait in a queue of one server: arrivals by chance, equal service times (M/D/1).
fn mean_wait(service_seconds: f64, utilisation: f64) -> f64 {
    utilisation * service_seconds / (2.0 * (1.0 - utilisation))
}

/// Settings for a model on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Deployment {
    pub(super) workers: usize,
    /// Of each worker.
    pub(super) threads: usize,
    /// Messages at full load, all workers together.
    pub(super) messages_per_hour: f64,
}

/// Thread counts that are compared on a machine of so many cores, without the one that is measured in full.
pub(super) fn compared_threads(cores: usize, measured: usize) -> Vec<usize> {
    let half = if cores >= MIN_CORES_OF_TWO { cores / 2 } else { 1 };
    let mut threads = vec![1, half, cores];
    threads.sort_unstable();
    threads.dedup();
    threads.retain(|count| *count != measured);
    threads
}

/// The best settings by the time of one message with each number of threads. Two workers of half the cores are taken when
/// they fit into the memory and exceed one worker clearly.
pub(super) fn deployment(service_seconds: &BTreeMap<usize, f64>, cores: usize, two_fit: bool) -> Option<Deployment> {
    let usable = service_seconds.iter().filter(|(threads, _)| **threads <= cores.max(1));
    let (threads, seconds) = usable.min_by(|a, b| a.1.total_cmp(b.1))?;
    let one = Deployment { workers: 1, threads: *threads, messages_per_hour: 3600.0 / seconds };
    if cores < MIN_CORES_OF_TWO || !two_fit {
        return Some(one);
    }
    let two = service_seconds.get(&(cores / 2)).map(|seconds| Deployment {
        workers: 2,
        threads: cores / 2,
        messages_per_hour: 2.0 * 3600.0 / seconds,
    });
    Some(two.filter(|two| two.messages_per_hour >= MIN_GAIN * one.messages_per_hour).unwrap_or(one))
}

/// What a recommendation depends on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    /// Of the file that is loaded.
    pub(super) bytes: u64,
    /// Of the voice by which models are judged.
    pub(super) real_time_factor: f64,
    pub(super) fits: bool,
}

/// Index of the largest model that is fast enough and fits.
pub(super) fn recommend(candidates: &[Candidate]) -> Option<usize> {
    let suitable = |candidate: &Candidate| candidate.fits && candidate.real_time_factor <= MAX_REAL_TIME_FACTOR;
    let suited = candidates.iter().enumerate().filter(|(_, candidate)| suitable(candidate));
    suited.max_by_key(|(_, candidate)| candidate.bytes).map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures() -> Figures {
        Figures {
            threads: 2,
            encode_seconds: [(5, 0.5), (10, 1.0), (15, 1.5), (30, 4.0)].into(),
            prompt_seconds: 0.1,
            token_seconds: 0.01,
            ..Figures::default()
        }
    }

    fn is(found: Option<f64>, wanted: f64) -> bool {
        found.is_some_and(|found| (found - wanted).abs() < 1e-9)
    }

    #[test]
    fn a_voice_takes_its_windows_and_its_tokens() {
        let figures = figures();
        assert!(is(figures.service_seconds(10), 1.0 + 0.1 + 40.0 * 0.01));
        assert!(is(figures.service_seconds(7), 1.0 + 0.1 + 28.0 * 0.01), "as a window of 10 s");
        assert!(is(figures.service_seconds(60), 2.0 * 4.1 + 240.0 * 0.01));
        assert!(is(figures.service_seconds(75), 2.0 * 4.1 + 1.6 + 300.0 * 0.01));
        assert!(is(figures.real_time_factor(5), (0.5 + 0.1 + 0.2) / 5.0));
        assert_eq!(figures.real_time_factors().keys().copied().collect::<Vec<_>>(), VOICES);
        let message = Figures { encode_seconds: [(10, 1.0)].into(), ..figures };
        assert_eq!(message.service_seconds(30), None);
        assert!(message.service_seconds(MESSAGE).is_some());
    }

    #[test]
    fn waits_are_those_of_one_server_with_equal_service_times() {
        let queue = Queue::of(2.0);
        assert!(is(Some(queue.capacity_per_hour), 1800.0));
        let waits: Vec<_> = queue.waits.iter().map(|wait| (wait.utilisation_percent, wait.wait_seconds)).collect();
        assert_eq!(waits, [(25, 0.25 * 2.0 / 1.5), (50, 1.0), (75, 3.0)]);
        assert!(is(Some(queue.waits[1].messages_per_hour), 900.0));
        assert!(is(Some(queue.waits[1].answer_seconds), 3.0));
    }

    #[test]
    fn threads_are_compared_once_each() {
        assert_eq!(compared_threads(1, 1), [0; 0]);
        assert_eq!(compared_threads(2, 2), [1]);
        assert_eq!(compared_threads(2, 1), [2]);
        assert_eq!(compared_threads(8, 8), [1, 4]);
        assert_eq!(compared_threads(8, 3), [1, 4, 8]);
    }

    #[test]
    fn the_faster_number_of_threads_is_recommended() {
        let deployed = |services: &[(usize, f64)], cores, two_fit| {
            let found = deployment(&services.iter().copied().collect(), cores, two_fit).unwrap();
            (found.workers, found.threads, found.messages_per_hour.round() as u64)
        };
        assert_eq!(deployed(&[(1, 1.8), (2, 1.0)], 2, true), (1, 2, 3600));
        assert_eq!(deployed(&[(1, 1.0), (2, 1.5)], 2, true), (1, 1, 3600));
        assert_eq!(deployed(&[(1, 1.0), (16, 0.1)], 1, true), (1, 1, 3600), "more threads than cores");
        // Two workers: only with four cores, memory for both, and a clear gain.
        let services = [(1, 3.2), (2, 1.8), (4, 1.2)];
        assert_eq!(deployed(&services, 4, true), (2, 2, 4000));
        assert_eq!(deployed(&services, 4, false), (1, 4, 3000));
        assert_eq!(deployed(&[(1, 3.2), (2, 1.9), (4, 1.0)], 4, true), (1, 4, 3600));
        assert_eq!(deployment(&BTreeMap::new(), 2, true), None);
    }

    #[test]
    fn the_largest_model_that_is_fast_and_fits_is_recommended() {
        let candidate = |bytes, real_time_factor, fits| Candidate { bytes, real_time_factor, fits };
        let models = [
            candidate(80, 0.05, true),
            candidate(260, 0.35, true),
            candidate(820, 0.6, true),
            candidate(500, 0.3, false),
        ];
        assert_eq!(recommend(&models), Some(1));
        assert_eq!(recommend(&models[2..]), None);
        assert_eq!(recommend(&[]), None);
    }
}
