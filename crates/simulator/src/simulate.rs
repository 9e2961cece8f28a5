//! `stenobot simulate`: starts the bot, sends the users' recordings, waits for the answers, stops the bot, counts.

use std::num::NonZeroU32;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::str::FromStr;
use std::time::Duration;

use stenobot_domain::Role;
use tokio::time::{Instant, Interval, MissedTickBehavior};

use super::answers::Trail;
use super::harness::{Environment, Machines, Setup, SimulationError};
use super::report::{BotExit, Calls, Case, Machine, SimulationReport, Spread};
use super::usage::Usage;
use super::users::{SentMessage, User};
use super::voices::Voice;

/// How often the answers are checked.
const CHECK_INTERVAL: Duration = Duration::from_millis(200);
/// Wait after the last answer, in which duplicates would arrive.
const DUPLICATE_WAIT: Duration = Duration::from_secs(1);

/// What is sent, and when.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Number of users.
    pub users: usize,
    /// Recordings sent by each user.
    pub per_user: usize,
    /// Recordings to send, in turn; at least one.
    pub voices: Vec<Voice>,
    /// When they are sent.
    pub arrival: Arrival,
    /// Maximum time from the first message to the last answer.
    pub limit: Duration,
    /// The limit is the user's, not the time in which a bot must have answered: what has no answer then is not lost.
    pub is_limit_chosen: bool,
    /// Maximum time from SIGTERM to the bot's end.
    pub stop_limit: Duration,
    /// Processes of the bot; at least one.
    pub machines: Vec<Role>,
    /// Interval in which one of them is killed and started again, by chance; `None` kills none.
    pub kill_interval: Option<Duration>,
    /// The real-time factor of the engine's stand-in; `None` where the engine recognises speech.
    pub stand_in: Option<f64>,
}

/// When recordings are sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Arrival {
    /// All at the same time.
    AtOnce,
    /// At this rate per minute, evenly spaced.
    PerMinute(NonZeroU32),
    /// At this mean rate per minute, independently of each other (a Poisson process); the same in every simulation.
    Random(NonZeroU32),
}

/// The text is no [`Arrival`].
#[derive(Debug, thiserror::Error)]
#[error("give `at-once`, or a whole number of messages per minute, or `random:` and that number")]
pub struct BadArrival;

impl FromStr for Arrival {
    type Err = BadArrival;

    fn from_str(text: &str) -> Result<Self, BadArrival> {
        match (text, text.strip_prefix("random:")) {
            ("at-once", _) => Ok(Self::AtOnce),
            (_, Some(rate)) => rate.parse().map(Self::Random).map_err(|_| BadArrival),
            (rate, None) => rate.parse().map(Self::PerMinute).map_err(|_| BadArrival),
        }
    }
}

impl Arrival {
    /// From the first message to each of `count`.
    fn times(self, count: usize) -> Vec<Duration> {
        let mut time = Duration::ZERO;
        let times = (0..count as u64).map(|index| {
            let arrival = time;
            time += match self {
                Self::AtOnce => Duration::ZERO,
                Self::PerMinute(rate) => Duration::from_secs(60) / rate.get(),
                Self::Random(rate) => (Duration::from_secs(60) / rate.get()).mul_f64(-fraction(index).ln()),
            };
            arrival
        });
        times.collect()
    }
}

/// Above 0 and at most 1: evenly spread over the indices, which are hashed as SplitMix64 does.
#[expect(clippy::cast_precision_loss, reason = "53 bits are kept")]
fn fraction(index: u64) -> f64 {
    let mut bits = (index + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (((bits ^ (bits >> 31)) >> 11) + 1) as f64 / (1_u64 << 53) as f64
}

impl std::fmt::Display for Arrival {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AtOnce => f.write_str("at-once"),
            Self::PerMinute(rate) => rate.fmt(f),
            Self::Random(rate) => write!(f, "random:{rate}"),
        }
    }
}

/// One request as a [`Screen`] shows it.
#[derive(Debug, Clone)]
pub struct Row {
    /// Name of the sender.
    pub name: String,
    /// Length of the recording.
    pub audio: Duration,
    /// What the bot wrote about it; `None` before it is sent.
    pub trail: Option<Trail>,
}

/// Shows the progress of a simulation.
pub trait Screen {
    /// Called before the bot starts.
    fn starting(&mut self);
    /// Called with all rows in a fixed order; `now` is the time since the server's start.
    fn show(&mut self, now: Duration, rows: &[Row]);
    /// Called after the last change.
    fn finish(&mut self);
}

struct PlannedMessage {
    user: User,
    voice: Voice,
    sent: Option<SentMessage>,
}

/// Runs a simulation to its end. Ctrl-C or a chosen limit ends it early; requests without an answer are then not finished.
///
/// # Errors
/// When the bot does not start. Later failures are in the report.
pub async fn simulate(setup: Setup, plan: &Plan, screen: &mut dyn Screen) -> Result<SimulationReport, SimulationError> {
    screen.starting();
    let mut machines = Machines::start(setup, &plan.machines).await?;
    let mut requests = planned_messages(machines.environment(), plan);
    let usage_before = machines.usage();

    let WorkPhase { early_end, is_complete, worked, usage } =
        send_and_wait(&mut machines, &mut requests, plan, screen).await?;

    machines.read_work().await;
    let bot_exit = match early_end {
        Some(_) => BotExit::Early,
        None => machines.terminate(plan.stop_limit).await?.into_iter().map(bot_exit).fold(BotExit::Status(0), worse),
    };
    // A bot that shuts down may still answer.
    let rows = rows(&requests);
    let api = machines.environment().api().clone();
    screen.show(api.now(), &rows);
    screen.finish();

    let cases: Vec<Case> = requests
        .iter()
        .filter_map(|request| {
            Some(Case {
                language: request.voice.language.clone(),
                reference: request.voice.text.clone(),
                audio: request.voice.duration,
                trail: request.sent.as_ref()?.trail(),
            })
        })
        .collect();
    let mut report = SimulationReport::of(&cases, api.read(Calls::of));
    if !is_complete && early_end.is_none() {
        report.not_finished = std::mem::take(&mut report.lost);
    }
    report.real_time_factor = machines.real_time_factor();
    report.stand_in = plan.stand_in;
    report.take_over_seconds = Spread::of(machines.take_overs());
    report.machines = machines.reports();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let busy = usage.cpu_seconds() - usage_before.cpu_seconds();
    let cpu_share = busy / (worked.as_secs_f64() * cores as f64).max(f64::MIN_POSITIVE);
    report.machine = Some(Machine { usage, cores, cpu_share });
    report.bot_exit = bot_exit;
    if !report.is_exactly_once() || report.bot_exit != BotExit::Status(0) {
        report.kept = Some(machines.keep().to_owned());
    }
    api.stop().await;
    Ok(report)
}

/// The phase from the first message to the last answer.
struct WorkPhase {
    /// Exit status of a bot that ended by itself.
    early_end: Option<ExitStatus>,
    /// What has no answer is lost.
    is_complete: bool,
    /// From the first message to the last answer, or to the time limit.
    worked: Duration,
    /// Resources used since the bot's start.
    usage: Usage,
}

/// Sends all messages and waits for the answers.
async fn send_and_wait(
    machines: &mut Machines,
    requests: &mut [PlannedMessage],
    plan: &Plan,
    screen: &mut dyn Screen,
) -> Result<WorkPhase, SimulationError> {
    let began = Instant::now();
    let due = plan.arrival.times(requests.len());
    let mut looks = tokio::time::interval(CHECK_INTERVAL);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut kills = plan.kill_interval.map(|every| tokio::time::interval_at(began + every, every));
    let interrupted = tokio::signal::ctrl_c();
    tokio::pin!(interrupted);
    let mut sent = 0;
    let mut done: Option<(Duration, Usage)> = None;
    loop {
        while sent < requests.len() && due[sent] <= began.elapsed() {
            let PlannedMessage { user, voice, sent: handle } = &mut requests[sent];
            *handle = Some(user.send_voice(voice));
            sent += 1;
        }
        let rows = rows(requests);
        screen.show(machines.environment().api().now(), &rows);
        let now = began.elapsed();
        let all_answered = rows.iter().all(|row| row.trail.as_ref().is_some_and(|trail| !trail.is_lost()));
        match &done {
            Some((worked, usage)) if now >= *worked + DUPLICATE_WAIT => {
                return Ok(WorkPhase { early_end: None, is_complete: true, worked: *worked, usage: *usage });
            }
            Some(_) => {}
            None if all_answered => done = Some((now, machines.usage())),
            None if now >= plan.limit => {
                return Ok(WorkPhase {
                    early_end: None,
                    is_complete: !plan.is_limit_chosen,
                    worked: now,
                    usage: machines.usage(),
                });
            }
            None => {}
        }
        let usage = machines.usage();
        tokio::select! {
            _ = looks.tick() => {}
            () = next_tick(&mut kills), if done.is_none() => machines.kill_one().await?,
            (_, ended) = machines.next_exit() => {
                return Ok(WorkPhase { early_end: Some(ended?), is_complete: false, worked: now, usage });
            },
            _ = &mut interrupted => {
                return Ok(WorkPhase { early_end: None, is_complete: false, worked: now, usage });
            },
        }
    }
}

/// Never without a timer.
async fn next_tick(timer: &mut Option<Interval>) {
    match timer {
        Some(timer) => drop(timer.tick().await),
        None => std::future::pending().await,
    }
}

/// All messages in the order of sending: the first of each user, then the second of each.
fn planned_messages(environment: &Environment, plan: &Plan) -> Vec<PlannedMessage> {
    let voice = |index: usize| plan.voices[index % plan.voices.len()].clone();
    let users: Vec<User> = (0..plan.users)
        .map(|number| {
            let language = voice(number).language;
            environment.new_user(&name(number, &language), &language)
        })
        .collect();
    (0..plan.per_user)
        .flat_map(|round| users.iter().enumerate().map(move |(number, user)| (round, number, user)))
        .map(|(round, number, user)| {
            // In each round a user sends the next recording in their language.
            let language = voice(number).language;
            let own: Vec<usize> =
                (0..plan.voices.len()).filter(|index| plan.voices[*index].language == language).collect();
            let first = own.iter().position(|index| *index == number % plan.voices.len()).unwrap_or(0);
            let index = own[(first + round) % own.len()];
            let voice = match plan.stand_in {
                Some(_) => voice(index).for_stand_in(round * plan.users + number),
                None => voice(index),
            };
            PlannedMessage { user: user.clone(), voice, sent: None }
        })
        .collect()
}

fn rows(requests: &[PlannedMessage]) -> Vec<Row> {
    let row = |request: &PlannedMessage| Row {
        name: request.user.info().name.clone(),
        audio: request.voice.duration,
        trail: request.sent.as_ref().map(SentMessage::trail),
    };
    requests.iter().map(row).collect()
}

/// A first name for the language, numbered when the names are used up.
fn name(user: usize, language: &str) -> String {
    const RUSSIAN: [&str; 10] = ["Анна", "Борис", "Вера", "Глеб", "Дарья", "Егор", "Жанна", "Захар", "Ирина", "Кирилл"];
    const OTHER: [&str; 10] = ["Alice", "Bob", "Clara", "David", "Emma", "Frank", "Grace", "Henry", "Iris", "Jack"];
    let names = if language == "ru" { &RUSSIAN } else { &OTHER };
    match user / names.len() {
        0 => names[user].to_owned(),
        round => format!("{} {}", names[user % names.len()], round + 1),
    }
}

/// Of two exits the one that is a failure.
fn worse(one: BotExit, other: BotExit) -> BotExit {
    if one == BotExit::Status(0) { other } else { one }
}

fn bot_exit(status: ExitStatus) -> BotExit {
    match (status.code(), status.signal()) {
        (Some(code), _) => BotExit::Status(code),
        (None, Some(signal)) => BotExit::Signal(signal),
        (None, None) => BotExit::Early,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_arrivals_keep_their_rate_and_vary_as_a_poisson_process() {
        let arrival: Arrival = "random:60".parse().unwrap();
        assert_eq!(arrival.to_string(), "random:60");
        let times = arrival.times(10_001);
        let gaps: Vec<f64> = times.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect();
        let mean = gaps.iter().sum::<f64>() / 10_000.0;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / 10_000.0;
        assert!(
            (0.97..1.03).contains(&mean) && (0.93..1.07).contains(&(variance / mean.powi(2))),
            "{mean}, {variance}"
        );
        assert_eq!("120".parse::<Arrival>().unwrap().times(3)[2], Duration::from_secs(1));
    }
}
