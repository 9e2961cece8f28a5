//! `stenobot simulate`: the bot starts, people send their recordings, everybody waits, the bot ends, we count.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::str::FromStr;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};

use super::answers::Trail;
use super::harness::{Setup, Simulation, SimulationError};
use super::people::{Person, Sent};
use super::report::{BotExit, Calls, Case, Machine, Report};
use super::usage::Usage;
use super::voices::Voice;

/// Between two looks at what the bot said.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// After the last answer, for a bot that would say something twice.
const SETTLE: Duration = Duration::from_secs(1);

/// Who sends what, and when.
#[derive(Debug, Clone)]
pub struct Plan {
    /// People.
    pub users: usize,
    /// Recordings that each of them sends.
    pub per_user: usize,
    /// What they send, in turn; at least one.
    pub voices: Vec<Voice>,
    /// When.
    pub arrival: Arrival,
    /// Longest time from the first message to the last answer.
    pub limit: Duration,
    /// Longest time from SIGTERM to the bot's end.
    pub stop_limit: Duration,
}

/// When recordings are sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Arrival {
    /// All in the same moment.
    AtOnce,
    /// So many a minute, evenly.
    PerMinute(std::num::NonZeroU32),
}

/// Why a text is no arrival.
#[derive(Debug, thiserror::Error)]
#[error("give `at-once`, or a whole number of messages per minute")]
pub struct BadArrival;

impl FromStr for Arrival {
    type Err = BadArrival;

    fn from_str(text: &str) -> Result<Self, BadArrival> {
        match text {
            "at-once" => Ok(Self::AtOnce),
            rate => rate.parse().map(Self::PerMinute).map_err(|_| BadArrival),
        }
    }
}

impl std::fmt::Display for Arrival {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AtOnce => f.write_str("at-once"),
            Self::PerMinute(rate) => rate.fmt(f),
        }
    }
}

/// One recording on its way, as a screen shows it.
#[derive(Debug, Clone)]
pub struct Row {
    /// Who sends it; rows of one person share it.
    pub name: String,
    /// Length of the recording.
    pub audio: Duration,
    /// What came of it; `None` before it is sent.
    pub trail: Option<Trail>,
}

/// Shows how it goes.
pub trait Screen {
    /// The bot is starting; `now` counts from here.
    fn starting(&mut self);
    /// The rows, always the same and in the same order, `now` after the server's start.
    fn show(&mut self, now: Duration, rows: &[Row]);
    /// Nothing more will change.
    fn finish(&mut self);
}

struct Request {
    person: Person,
    voice: Voice,
    sent: Option<Sent>,
}

/// Runs a simulation to its end. Ctrl-C ends it early; what is unanswered then is lost.
///
/// # Errors
/// When the bot does not start. What happens later is told in the report.
pub async fn run(setup: Setup, plan: &Plan, screen: &mut dyn Screen) -> Result<Report, SimulationError> {
    screen.starting();
    let mut simulation = Simulation::prepare(setup).await?;
    simulation.restart().await?;
    let mut requests = requests(&simulation, plan);
    let usage_before = simulation.bot().map(|bot| bot.meter().usage()).unwrap_or_default();

    let Talk { early_end, worked, usage } = converse(&mut simulation, &mut requests, plan, screen).await?;

    let page = simulation.metrics().await.ok();
    let bot_exit = match early_end {
        Some(_) => BotExit::Early,
        None => exit(simulation.terminate_bot(plan.stop_limit).await?),
    };
    // Only now, since a bot that ends may still write.
    let rows = rows(&requests);
    screen.show(simulation.api().now(), &rows);
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
    let mut report = Report::of(&cases, simulation.api().read(Calls::of));
    report.real_time_factor = page.and_then(|page| page.mean("stenobot_real_time_factor_ratio"));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let busy = usage.cpu_seconds() - usage_before.cpu_seconds();
    let cpu_share = busy / (worked.as_secs_f64() * cores as f64).max(f64::MIN_POSITIVE);
    report.machine = Some(Machine { usage, cores, cpu_share });
    report.bot_exit = bot_exit;
    if !report.keeps_the_promise() || report.bot_exit != BotExit::Status(0) {
        report.kept = Some(simulation.keep().to_owned());
    }
    simulation.api().stop().await;
    Ok(report)
}

/// How the time with the bot went.
struct Talk {
    /// How the bot ended if it ended by itself.
    early_end: Option<ExitStatus>,
    /// From the first message to the last answer, or to the end of our patience.
    worked: Duration,
    /// What was used up to then, since the bot's start.
    usage: Usage,
}

/// Sends and waits.
async fn converse(
    simulation: &mut Simulation,
    requests: &mut [Request],
    plan: &Plan,
    screen: &mut dyn Screen,
) -> Result<Talk, SimulationError> {
    let began = Instant::now();
    let due = |index: usize| match plan.arrival {
        Arrival::AtOnce => began,
        Arrival::PerMinute(rate) => {
            began + Duration::from_secs(60) * u32::try_from(index).unwrap_or(u32::MAX) / rate.get()
        }
    };
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let interrupted = tokio::signal::ctrl_c();
    tokio::pin!(interrupted);
    let mut sent = 0;
    let mut done: Option<(Duration, Usage)> = None;
    loop {
        while sent < requests.len() && due(sent) <= Instant::now() {
            let Request { person, voice, sent: handle } = &mut requests[sent];
            *handle = Some(person.sends_voice(voice));
            sent += 1;
        }
        let rows = rows(requests);
        screen.show(simulation.api().now(), &rows);
        let Some(bot) = simulation.bot() else { return Err(SimulationError::NotRunning) };
        let now = began.elapsed();
        let all_answered = rows.iter().all(|row| row.trail.as_ref().is_some_and(|trail| !trail.is_lost()));
        match &done {
            Some((worked, usage)) if now >= *worked + SETTLE => {
                return Ok(Talk { early_end: None, worked: *worked, usage: *usage });
            }
            Some(_) => {}
            None if all_answered => done = Some((now, bot.meter().usage())),
            None if now >= plan.limit => {
                return Ok(Talk { early_end: None, worked: now, usage: bot.meter().usage() });
            }
            None => {}
        }
        let usage = bot.meter().usage();
        tokio::select! {
            _ = looks.tick() => {}
            ended = bot.ended() => return Ok(Talk { early_end: Some(ended?), worked: now, usage }),
            _ = &mut interrupted => return Ok(Talk { early_end: None, worked: now, usage }),
        }
    }
}

/// Everybody's recordings in the order of sending: first everybody's first.
fn requests(simulation: &Simulation, plan: &Plan) -> Vec<Request> {
    let voice = |index: usize| plan.voices[index % plan.voices.len()].clone();
    let people: Vec<Person> = (0..plan.users)
        .map(|user| {
            let language = voice(user).language;
            simulation.person(&name(user, &language), &language)
        })
        .collect();
    (0..plan.per_user)
        .flat_map(|round| people.iter().enumerate().map(move |(user, person)| (round, user, person)))
        .map(|(round, user, person)| {
            // In each round people speak the next recording of the list that is in their language.
            let language = voice(user).language;
            let own: Vec<usize> =
                (0..plan.voices.len()).filter(|index| plan.voices[*index].language == language).collect();
            let first = own.iter().position(|index| *index == user % plan.voices.len()).unwrap_or(0);
            let index = own[(first + round) % own.len()];
            Request { person: person.clone(), voice: voice(index), sent: None }
        })
        .collect()
}

fn rows(requests: &[Request]) -> Vec<Row> {
    let row = |request: &Request| Row {
        name: request.person.caller().name.clone(),
        audio: request.voice.duration,
        trail: request.sent.as_ref().map(Sent::trail),
    };
    requests.iter().map(row).collect()
}

/// A first name that fits the language, numbered when the names are used up.
fn name(user: usize, language: &str) -> String {
    const RUSSIAN: [&str; 10] = ["Анна", "Борис", "Вера", "Глеб", "Дарья", "Егор", "Жанна", "Захар", "Ирина", "Кирилл"];
    const OTHER: [&str; 10] = ["Alice", "Bob", "Clara", "David", "Emma", "Frank", "Grace", "Henry", "Iris", "Jack"];
    let names = if language == "ru" { &RUSSIAN } else { &OTHER };
    match user / names.len() {
        0 => names[user].to_owned(),
        round => format!("{} {}", names[user % names.len()], round + 1),
    }
}

fn exit(status: ExitStatus) -> BotExit {
    match (status.code(), status.signal()) {
        (Some(code), _) => BotExit::Status(code),
        (None, Some(signal)) => BotExit::Signal(signal),
        (None, None) => BotExit::Early,
    }
}
