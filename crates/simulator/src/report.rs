//! The result of a simulation, as a table and as JSON.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use stenobot_domain::quantile::nearest_rank;

use super::answers::{RequestOutcome, Trail};
use super::harness::{MachineReport, Work};
use super::server::{CallOutcome, Refusal, State};
use super::wer::{WordErrors, word_errors};

pub use super::usage::Usage;

/// One request with its recording and the messages about it.
#[derive(Debug, Clone)]
pub struct Case {
    /// Language of the recording.
    pub language: String,
    /// Reference text.
    pub reference: String,
    /// Length of the recording.
    pub audio: Duration,
    /// What the bot wrote about it.
    pub trail: Trail,
}

/// The result of a simulation. The JSON form has the names of these fields; durations are in seconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SimulationReport {
    /// Recordings sent.
    pub sent: usize,
    /// Of these, answered with a transcript.
    pub answered: usize,
    /// Answered with "no speech".
    pub no_speech: usize,
    /// Not accepted, with a reason.
    pub rejected: usize,
    /// Accepted and ended with an apology.
    pub failed: usize,
    /// Cancelled by their senders.
    pub cancelled: usize,
    /// Without a final answer although the bot had its time.
    pub lost: usize,
    /// Without a final answer when the simulation was interrupted or its time was over. The sum of these seven is `sent`.
    pub not_finished: usize,
    /// With more than one final answer of any kind.
    pub duplicated: usize,
    /// From the first message sent to the last final answer.
    pub wall_seconds: f64,
    /// Length of the answered recordings.
    pub audio_seconds: f64,
    /// From sending to the start of transcription.
    pub wait_seconds: Option<Spread>,
    /// From the delivery of the update to the transcript.
    pub end_to_end_seconds: Option<Spread>,
    /// Processing time over audio length: the mean of the bot's metric.
    pub real_time_factor: Option<f64>,
    /// Word errors of the answered recordings, all languages together.
    pub words: Words,
    /// Word errors by language.
    pub words_by_language: BTreeMap<String, Words>,
    /// The bot's calls to the Bot API.
    pub calls: Calls,
    /// The real-time factor of the stand-in that took the engine's place; `null` where speech was recognised.
    pub stand_in: Option<f64>,
    /// Answered requests per second of `wall_seconds`.
    pub answers_per_second: f64,
    /// Memory and processor time.
    pub machine: Option<Machine>,
    /// What each process of the bot did.
    pub machines: Vec<MachineReport>,
    /// From the kill of the process that polled to the next poll.
    pub take_over_seconds: Option<Spread>,
    /// How the bot ended after SIGTERM; of several processes one that failed, if there is any.
    pub bot_exit: BotExit,
    /// Folder with the bot's data and log, kept after a failure.
    pub kept: Option<PathBuf>,
}

/// Mean and quantiles (nearest rank).
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// Arithmetic mean.
    pub mean: f64,
    /// Median.
    pub p50: f64,
    /// 95 %.
    pub p95: f64,
    /// Maximum.
    pub max: f64,
}

impl Spread {
    /// `None` without a value.
    pub fn of(values: impl IntoIterator<Item = Duration>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().map(|value| value.as_secs_f64()).collect();
        values.sort_by(f64::total_cmp);
        let rank = |percent| nearest_rank(&values, percent);
        #[expect(clippy::cast_precision_loss, reason = "few values")]
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        Some(Self { mean, p50: rank(50)?, p95: rank(95)?, max: *values.last()? })
    }
}

/// Word errors with their rate.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Words {
    /// Errors and words.
    #[serde(flatten)]
    pub counts: WordErrors,
    /// Errors per word; `null` without a word.
    pub error_rate: Option<f64>,
}

impl From<WordErrors> for Words {
    fn from(counts: WordErrors) -> Self {
        Self { counts, error_rate: counts.rate() }
    }
}

/// Calls by outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Calls {
    /// Accepted by the server.
    pub taken: usize,
    /// Refused with 429.
    pub too_many: usize,
    /// Of these, made within a retry-after that the bot had received.
    pub impatient: usize,
    /// Refused for another reason, or prevented by a fault.
    pub refused: usize,
}

impl Calls {
    /// Counts the calls that the server recorded.
    pub fn of(state: &State) -> Self {
        let mut calls = Self::default();
        for call in &state.calls {
            match &call.outcome {
                CallOutcome::Accepted | CallOutcome::AcceptedResponseLost => calls.taken += 1,
                CallOutcome::Refused(Refusal::TooMany(_)) => calls.too_many += 1,
                CallOutcome::Refused(_) | CallOutcome::Intercepted => calls.refused += 1,
            }
            calls.impatient += usize::from(call.impatient);
        }
        calls
    }
}

/// What the bot used of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Machine {
    /// Peaks and processor time since the bot's start.
    #[serde(flatten)]
    pub usage: Usage,
    /// Cores available to this program.
    pub cores: usize,
    /// Share of these cores that the bot used from the first message to the last answer, 0 to 1.
    pub(crate) cpu_share: f64,
}

/// How the bot ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BotExit {
    /// With this status after SIGTERM; 0 is success.
    Status(i32),
    /// By a signal: a crash, or SIGKILL because it did not end in time.
    Signal(i32),
    /// By itself, before SIGTERM.
    Early,
}

impl SimulationReport {
    /// Counts the cases. The caller fills in machine, metrics and exit.
    pub fn of(cases: &[Case], calls: Calls) -> Self {
        let mut report = Self {
            sent: cases.len(),
            answered: 0,
            no_speech: 0,
            rejected: 0,
            failed: 0,
            cancelled: 0,
            lost: 0,
            not_finished: 0,
            duplicated: cases.iter().filter(|case| case.trail.is_duplicated()).count(),
            wall_seconds: 0.0,
            audio_seconds: 0.0,
            wait_seconds: None,
            end_to_end_seconds: None,
            real_time_factor: None,
            words: Words::default(),
            words_by_language: BTreeMap::new(),
            calls,
            stand_in: None,
            answers_per_second: 0.0,
            machine: None,
            machines: Vec::new(),
            take_over_seconds: None,
            bot_exit: BotExit::Status(0),
            kept: None,
        };
        let mut by_language: BTreeMap<String, WordErrors> = BTreeMap::new();
        let mut audio = Duration::ZERO;
        for case in cases {
            let Some(answer) = case.trail.answer() else {
                report.lost += 1;
                continue;
            };
            match &answer.outcome {
                RequestOutcome::NoSpeech => report.no_speech += 1,
                RequestOutcome::Rejected(_) => report.rejected += 1,
                RequestOutcome::Failed(_) => report.failed += 1,
                RequestOutcome::Cancelled => report.cancelled += 1,
                RequestOutcome::Answered(_) => {
                    report.answered += 1;
                    audio += case.audio;
                    let errors = word_errors(&case.reference, &answer.spoken().unwrap_or_default());
                    *by_language.entry(case.language.clone()).or_default() += errors;
                }
            }
        }
        let mut all = WordErrors::default();
        by_language.values().for_each(|errors| all += *errors);
        let first = cases.iter().map(|case| case.trail.sent).min();
        let last = cases.iter().filter_map(|case| case.trail.answer()).map(|answer| answer.at).max();
        report.wall_seconds = first.zip(last).map_or(0.0, |(first, last)| last.saturating_sub(first).as_secs_f64());
        if report.wall_seconds > 0.0 {
            report.answers_per_second = report.answered as f64 / report.wall_seconds;
        }
        report.audio_seconds = audio.as_secs_f64();
        report.wait_seconds =
            Spread::of(cases.iter().filter_map(|case| Some(case.trail.started?.saturating_sub(case.trail.sent))));
        report.end_to_end_seconds = Spread::of(cases.iter().filter_map(|case| {
            let answer = case.trail.answer().filter(|answer| matches!(answer.outcome, RequestOutcome::Answered(_)))?;
            Some(answer.at.saturating_sub(case.trail.delivered.unwrap_or(case.trail.sent)))
        }));
        report.words = all.into();
        report.words_by_language = by_language.into_iter().map(|(code, errors)| (code, errors.into())).collect();
        report
    }

    /// One row for each machine.
    fn show_machines(&self, row: &mut impl FnMut(&str, String) -> fmt::Result) -> fmt::Result {
        let kills: u32 = self.machines.iter().map(|machine| machine.kills).sum();
        row("machines", format!("{}, {kills} kills", self.machines.len()))?;
        if let Some(Spread { p50, max, .. }) = self.take_over_seconds {
            row("  take-over", format!("p50 {p50:.1} s   max {max:.1} s"))?;
        }
        for MachineReport { name, kills, work, usage, .. } in &self.machines {
            let Work { updates, downloaded, transcribed, answered, .. } = work;
            let cpu = usage.cpu_seconds();
            row(
                &format!("  {name}"),
                format!(
                    "{updates} updates, {downloaded} downloaded, {transcribed} transcribed, {answered} answered, \
                     {kills} kills, {cpu:.1} s of processor"
                ),
            )?;
        }
        Ok(())
    }

    /// Whether every request has exactly one final answer.
    pub fn is_exactly_once(&self) -> bool {
        self.lost == 0 && self.not_finished == 0 && self.duplicated == 0
    }
}

impl fmt::Display for SimulationReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut row = |name: &str, value: String| writeln!(f, "  {name:<22}{value}");
        row("sent", self.sent.to_string())?;
        row("answered", self.answered.to_string())?;
        for (name, count) in [
            ("no speech", self.no_speech),
            ("rejected", self.rejected),
            ("failed", self.failed),
            ("cancelled", self.cancelled),
        ] {
            if count > 0 {
                row(name, count.to_string())?;
            }
        }
        row("lost", self.lost.to_string())?;
        if self.not_finished > 0 {
            row("not finished", format!("{}: the simulation ended before", self.not_finished))?;
        }
        row("duplicated", self.duplicated.to_string())?;
        for (name, spread) in [("wait", self.wait_seconds), ("end to end", self.end_to_end_seconds)] {
            let shown = spread.map_or("-".into(), |Spread { mean, p50, p95, max }| {
                format!("mean {mean:.1} s   p50 {p50:.1} s   p95 {p95:.1} s   max {max:.1} s")
            });
            row(name, shown)?;
        }
        let pace = if self.wall_seconds > 0.0 { self.audio_seconds / self.wall_seconds } else { 0.0 };
        row("audio", format!("{:.0} s in {:.1} s: {pace:.1} s per second", self.audio_seconds, self.wall_seconds))?;
        row("answers", format!("{:.2} per second", self.answers_per_second))?;
        if let Some(factor) = self.stand_in {
            row("engine", format!("STAND-IN of real-time factor {factor}: no speech was recognised"))?;
        }
        row("real-time factor", self.real_time_factor.map_or("-".into(), |factor| format!("{factor:.3}")))?;
        let rate = |words: &Words| {
            let WordErrors { errors, words: of } = words.counts;
            words.error_rate.map_or("-".into(), |rate| format!("{:.1} % ({errors} of {of} words)", rate * 100.0))
        };
        row("word error rate", rate(&self.words))?;
        if self.words_by_language.len() > 1 {
            for (code, words) in &self.words_by_language {
                row(&format!("  {code}"), rate(words))?;
            }
        }
        if let Some(Machine { usage, cores, cpu_share }) = &self.machine {
            let mib = |bytes: u64| format!("{:.0} MiB", bytes as f64 / f64::from(1 << 20));
            row(
                "peak memory",
                format!(
                    "{} (bot {}, engine {})",
                    mib(usage.together_peak_bytes),
                    mib(usage.bot_peak_bytes),
                    mib(usage.engine_peak_bytes)
                ),
            )?;
            row(
                "processor",
                format!(
                    "{:.0} % of {cores} cores; bot {:.1} s, engine {:.1} s",
                    cpu_share * 100.0,
                    usage.bot_cpu_seconds,
                    usage.engine_cpu_seconds
                ),
            )?;
        }
        let Calls { taken, too_many, impatient, refused } = self.calls;
        row(
            "Bot API calls",
            format!("{taken} taken, {too_many} too fast ({impatient} while told to wait), {refused} refused"),
        )?;
        if let [_, _, ..] = self.machines.as_slice() {
            self.show_machines(&mut row)?;
        }
        row(
            "bot's exit",
            match self.bot_exit {
                BotExit::Status(0) => "in order".into(),
                BotExit::Status(status) => format!("status {status}"),
                BotExit::Signal(signal) => format!("by signal {signal}"),
                BotExit::Early => "before the end".into(),
            },
        )?;
        if let Some(kept) = &self.kept {
            row("log and data", kept.display().to_string())?;
        }
        Ok(())
    }
}
