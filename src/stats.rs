//! Statistics over requests: from the store's records to figures.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use stenobot_domain::quantile::nearest_rank;
use stenobot_store::{RequestProgress, RequestRecord, Settlement};

/// Output of `stenobot stats`. Times in seconds, days in UTC.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Statistics {
    /// Over all requests.
    pub total: Figures,
    /// By day, `2026-11-24`, in order.
    pub days: BTreeMap<String, Figures>,
    /// By model, of those that a model has transcribed.
    pub models: BTreeMap<String, Figures>,
    /// Refused, by reason.
    pub rejected: BTreeMap<&'static str, u64>,
    /// Given up, by stage and reason.
    pub failed: BTreeMap<String, BTreeMap<&'static str, u64>>,
}

/// Figures over some requests.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Figures {
    /// Number of requests.
    pub requests: u64,
    /// Number of senders.
    pub people: u64,
    /// Text delivered, of the whole recording.
    pub answered: u64,
    /// Ended by the sender with the text that was there.
    pub stopped: u64,
    /// No speech in the recording; the sender was informed.
    pub no_speech: u64,
    /// Given up.
    pub failed: u64,
    /// Refused.
    pub rejected: u64,
    /// Cancelled.
    pub cancelled: u64,
    /// Not ended yet.
    pub under_way: u64,
    /// Served (answered, stopped or without speech) over served and failed; `None` when there are neither.
    pub success_rate: Option<f64>,
    /// Audio of served requests, in seconds.
    pub audio_seconds: f64,
    /// Characters of the texts.
    pub characters: i64,
    /// From admission to the start of transcription, of served requests.
    pub wait_seconds: Option<Quantiles>,
    /// The engine's time, of served requests.
    pub processing_seconds: Option<Quantiles>,
    /// From admission to the answer, of served requests.
    pub end_to_end_seconds: Option<Quantiles>,
    /// Processing time over audio length, of served requests.
    pub real_time_factor: Option<Quantiles>,
}

/// Values which half, 95 % and 99 % of all do not exceed (nearest rank: each is one of the values).
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Quantiles {
    /// The median.
    pub p50: f64,
    /// 95 %.
    pub p95: f64,
    /// 99 %.
    pub(crate) p99: f64,
}

impl Quantiles {
    /// `None` without values.
    pub fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let rank = |percent| nearest_rank(&values, percent);
        Some(Self { p50: rank(50)?, p95: rank(95)?, p99: rank(99)? })
    }
}

impl Statistics {
    /// Figures of these requests.
    pub fn of(records: &[RequestRecord]) -> Self {
        let mut days: BTreeMap<String, Vec<&RequestRecord>> = BTreeMap::new();
        let mut models: BTreeMap<String, Vec<&RequestRecord>> = BTreeMap::new();
        let mut rejected = BTreeMap::new();
        let mut failed: BTreeMap<String, BTreeMap<_, _>> = BTreeMap::new();
        for record in records {
            days.entry(record.day.clone()).or_default().push(record);
            if let Some(model) = &record.model {
                models.entry(model.clone()).or_default().push(record);
            }
            match record.progress {
                RequestProgress::Settled(Settlement::Rejected(reason), _) => {
                    *rejected.entry(reason.as_str()).or_default() += 1
                }
                RequestProgress::Settled(Settlement::Failed(reason), stage) => {
                    let stage = stage.map_or("unknown", |stage| stage.as_str()).to_owned();
                    *failed.entry(stage).or_default().entry(reason.as_str()).or_default() += 1;
                }
                RequestProgress::Settled(Settlement::Cancelled(_), _)
                | RequestProgress::Done
                | RequestProgress::Stopped
                | RequestProgress::Open => {}
            }
        }
        let figures = |groups: BTreeMap<String, Vec<&RequestRecord>>| {
            groups.into_iter().map(|(name, records)| (name, Figures::of(records))).collect()
        };
        Self { total: Figures::of(records), days: figures(days), models: figures(models), rejected, failed }
    }
}

impl Figures {
    fn of<'a>(records: impl IntoIterator<Item = &'a RequestRecord>) -> Self {
        let mut figures = Self::default();
        let mut people = BTreeSet::new();
        let (mut waits, mut work, mut whole, mut factors) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for record in records {
            figures.requests += 1;
            people.insert(record.sender);
            match record.progress {
                RequestProgress::Open => figures.under_way += 1,
                RequestProgress::Settled(Settlement::Rejected(_), _) => figures.rejected += 1,
                RequestProgress::Settled(Settlement::Failed(_), _) => figures.failed += 1,
                RequestProgress::Settled(Settlement::Cancelled(_), _) => figures.cancelled += 1,
                // Its times are those of a part of the recording.
                RequestProgress::Stopped => {
                    figures.stopped += 1;
                    figures.characters += record.characters.unwrap_or(0);
                    waits.extend(record.wait_seconds);
                }
                RequestProgress::Done => {
                    let characters = record.characters.unwrap_or(0);
                    if characters > 0 {
                        figures.answered += 1
                    } else {
                        figures.no_speech += 1
                    }
                    figures.characters += characters;
                    figures.audio_seconds += record.audio_seconds.unwrap_or(0.0);
                    waits.extend(record.wait_seconds);
                    work.extend(record.processing_seconds);
                    whole.extend(record.end_to_end_seconds);
                    if let (Some(work), Some(audio)) = (record.processing_seconds, record.audio_seconds)
                        && audio > 0.0
                    {
                        factors.push(work / audio);
                    }
                }
            }
        }
        figures.people = people.len() as u64;
        let served = figures.answered + figures.stopped + figures.no_speech;
        let judged = served + figures.failed;
        #[expect(clippy::cast_precision_loss, reason = "counts of requests")]
        let rate = (judged > 0).then(|| served as f64 / judged as f64);
        figures.success_rate = rate;
        figures.wait_seconds = Quantiles::of(waits);
        figures.processing_seconds = Quantiles::of(work);
        figures.end_to_end_seconds = Quantiles::of(whole);
        figures.real_time_factor = Quantiles::of(factors);
        figures
    }
}

#[cfg(test)]
mod tests {
    use stenobot_domain::{FailReason, RejectReason, StageName};

    use super::*;

    fn record(progress: RequestProgress) -> RequestRecord {
        RequestRecord {
            day: "2026-11-24".into(),
            sender: 1,
            progress,
            wait_seconds: Some(1.0),
            end_to_end_seconds: Some(4.0),
            processing_seconds: Some(2.0),
            audio_seconds: Some(20.0),
            characters: Some(100),
            model: Some("base-q8_0".into()),
        }
    }

    #[test]
    fn a_quantile_is_the_value_that_the_percentage_does_not_exceed() {
        for count in [1_u32, 2, 3, 10, 99, 100, 101, 1000] {
            let values: Vec<f64> = (1..=count).rev().map(f64::from).collect();
            let found = Quantiles::of(values.clone()).unwrap();
            for (percent, found) in [(50.0, found.p50), (95.0, found.p95), (99.0, found.p99)] {
                let below = values.iter().filter(|value| **value <= found).count() as f64;
                let before = values.iter().filter(|value| **value < found).count() as f64;
                let needed = f64::from(count) * percent / 100.0;
                assert!(values.contains(&found) && below >= needed && before < needed, "{count} {percent} {found}");
            }
        }
        assert_eq!(Quantiles::of(Vec::new()), None);
    }

    #[test]
    fn no_requests_give_zeros_and_no_rates() {
        let statistics = Statistics::of(&[]);
        assert_eq!(statistics.total, Figures::default());
        assert_eq!(statistics.total.success_rate, None);
    }

    #[test]
    fn refusals_and_cancellations_are_no_failures() {
        let quiet = RequestRecord { characters: Some(0), sender: 2, ..record(RequestProgress::Done) };
        let refused = record(RequestProgress::Settled(Settlement::Rejected(RejectReason::QueueFull), None));
        let broken =
            record(RequestProgress::Settled(Settlement::Failed(FailReason::Poison), Some(StageName::Transcribing)));
        let old = RequestRecord { wait_seconds: None, end_to_end_seconds: None, ..record(RequestProgress::Done) };
        let records = [record(RequestProgress::Done), quiet, refused, broken, record(RequestProgress::Open), old];
        let Statistics { total, models, rejected, failed, days } = Statistics::of(&records);
        assert_eq!((total.requests, total.people, total.answered, total.no_speech, total.stopped), (6, 2, 2, 1, 0));
        assert_eq!((total.failed, total.rejected, total.under_way), (1, 1, 1));
        assert_eq!(total.success_rate, Some(0.75));
        assert_eq!(total.real_time_factor.unwrap().p50, 0.1);
        assert_eq!(rejected, BTreeMap::from([("queue_full", 1)]));
        assert_eq!(failed["transcribing"]["poison"], 1);
        assert_eq!((days.len(), models["base-q8_0"].requests), (1, 6));
    }

    #[test]
    fn a_stopped_request_is_served_but_says_nothing_of_the_engine() {
        let total = Statistics::of(&[record(RequestProgress::Stopped)]).total;
        assert_eq!((total.stopped, total.answered, total.characters), (1, 0, 100));
        assert_eq!((total.success_rate, total.real_time_factor, total.audio_seconds), (Some(1.0), None, 0.0));
    }
}
