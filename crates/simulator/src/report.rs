//! What came of a simulation, for people and for machines.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use super::answers::{Trail, Verdict};
use super::server::{Outcome, Refusal, State};
use super::usage::Usage;
use super::wer::{WordErrors, word_errors};

/// One request and all that was said to it.
#[derive(Debug, Clone)]
pub struct Case {
    /// Language of the recording.
    pub language: String,
    /// What is said in it.
    pub reference: String,
    /// Its length.
    pub audio: Duration,
    /// What the bot said.
    pub trail: Trail,
}

/// The outcome of a simulation. As JSON, every field below under its own name; durations in seconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Recordings that people sent.
    pub sent: usize,
    /// Of these, answered with a text.
    pub answered: usize,
    /// Answered with "nobody speaks".
    pub no_speech: usize,
    /// Not accepted, with a reason.
    pub rejected: usize,
    /// Accepted and apologised for.
    pub failed: usize,
    /// Stopped by their senders.
    pub cancelled: usize,
    /// Without a final answer. The sum of these six is `sent`.
    pub lost: usize,
    /// With more than one final answer, whatever they were.
    pub duplicated: usize,
    /// From the first message sent to the last final answer.
    pub wall_seconds: f64,
    /// Length of the answered recordings.
    pub audio_seconds: f64,
    /// From sending to the start of transcription.
    pub wait_seconds: Option<Spread>,
    /// From the bot's receipt of the message to its text.
    pub end_to_end_seconds: Option<Spread>,
    /// Processing time over audio length, the mean of the bot's own metric.
    pub real_time_factor: Option<f64>,
    /// Word errors of the answered recordings, all languages together.
    pub words: Words,
    /// The same by language.
    pub words_by_language: BTreeMap<String, Words>,
    /// The bot's calls to the Bot API.
    pub calls: Calls,
    /// Memory and processor.
    pub machine: Option<Machine>,
    /// How the bot ended after SIGTERM.
    pub bot_exit: BotExit,
    /// Where the bot's data and log were kept, since something went wrong.
    pub kept: Option<PathBuf>,
}

/// Quantiles by the nearest-rank rule.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// Half are at most this.
    pub p50: f64,
    /// 95 of 100 are at most this.
    pub p95: f64,
    /// The most.
    pub max: f64,
}

impl Spread {
    /// `None` without a value.
    pub fn of(values: impl IntoIterator<Item = Duration>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().map(|value| value.as_secs_f64()).collect();
        values.sort_by(f64::total_cmp);
        let rank = |percent: usize| values.get((values.len() * percent).div_ceil(100).max(1) - 1).copied();
        Some(Self { p50: rank(50)?, p95: rank(95)?, max: *values.last()? })
    }
}

/// Word errors with their rate.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Words {
    /// The counts.
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
    /// Taken by the server.
    pub taken: usize,
    /// Refused with 429.
    pub too_many: usize,
    /// Of these, made while the bot had been told to wait.
    pub impatient: usize,
    /// Refused for another reason.
    pub refused: usize,
}

impl Calls {
    /// Counts the server's log.
    pub fn of(state: &State) -> Self {
        let mut calls = Self::default();
        for call in &state.calls {
            match &call.outcome {
                Outcome::Taken | Outcome::TakenUnheard => calls.taken += 1,
                Outcome::Refused(Refusal::TooMany(_)) => calls.too_many += 1,
                Outcome::Refused(_) | Outcome::Struck => calls.refused += 1,
            }
            calls.impatient += usize::from(call.impatient);
        }
        calls
    }
}

/// What the bot took of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Machine {
    /// Peaks and processor time since the bot's start.
    #[serde(flatten)]
    pub usage: Usage,
    /// Cores this program may use.
    pub cores: usize,
    /// Share of these cores that was busy for the bot from the first message to the last answer, 0 to 1.
    pub(crate) cpu_share: f64,
}

/// How the bot ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BotExit {
    /// With this status after SIGTERM; 0 is good.
    Status(i32),
    /// By a signal: it did not end in time and was killed, or it crashed.
    Signal(i32),
    /// By itself, before the end.
    Early,
}

impl Report {
    /// Counts the cases; what the machine and the bot add is filled in by the caller.
    pub fn of(cases: &[Case], calls: Calls) -> Self {
        let mut report = Self {
            sent: cases.len(),
            answered: 0,
            no_speech: 0,
            rejected: 0,
            failed: 0,
            cancelled: 0,
            lost: 0,
            duplicated: cases.iter().filter(|case| case.trail.is_duplicated()).count(),
            wall_seconds: 0.0,
            audio_seconds: 0.0,
            wait_seconds: None,
            end_to_end_seconds: None,
            real_time_factor: None,
            words: Words::default(),
            words_by_language: BTreeMap::new(),
            calls,
            machine: None,
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
            match &answer.verdict {
                Verdict::NoSpeech => report.no_speech += 1,
                Verdict::Rejected(_) => report.rejected += 1,
                Verdict::Failed(_) => report.failed += 1,
                Verdict::Cancelled => report.cancelled += 1,
                Verdict::Answered(_) => {
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
        report.audio_seconds = audio.as_secs_f64();
        report.wait_seconds =
            Spread::of(cases.iter().filter_map(|case| Some(case.trail.started?.saturating_sub(case.trail.sent))));
        report.end_to_end_seconds = Spread::of(cases.iter().filter_map(|case| {
            let answer = case.trail.answer().filter(|answer| matches!(answer.verdict, Verdict::Answered(_)))?;
            Some(answer.at.saturating_sub(case.trail.offered.unwrap_or(case.trail.sent)))
        }));
        report.words = all.into();
        report.words_by_language = by_language.into_iter().map(|(code, errors)| (code, errors.into())).collect();
        report
    }

    /// Nothing was lost and nothing was answered twice.
    pub fn keeps_the_promise(&self) -> bool {
        self.lost == 0 && self.duplicated == 0
    }
}

impl fmt::Display for Report {
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
        row("duplicated", self.duplicated.to_string())?;
        for (name, spread) in [("wait", self.wait_seconds), ("end to end", self.end_to_end_seconds)] {
            let shown = spread.map_or("-".into(), |Spread { p50, p95, max }| {
                format!("p50 {p50:.1} s   p95 {p95:.1} s   max {max:.1} s")
            });
            row(name, shown)?;
        }
        let pace = if self.wall_seconds > 0.0 { self.audio_seconds / self.wall_seconds } else { 0.0 };
        row("audio", format!("{:.0} s in {:.1} s: {pace:.1} s per second", self.audio_seconds, self.wall_seconds))?;
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
