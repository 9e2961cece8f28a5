//! Bots and workers on one PostgreSQL database, each by a link of its own.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::Signal;
use stenobot_domain::{Role, UserId};
use stenobot_simulator::harness::Machines;
use stenobot_simulator::link::Link;
use stenobot_simulator::metrics_page::MetricsPage;
use stenobot_simulator::postgres::{PostgresOptions, PrivatePostgres};
use stenobot_simulator::server::{BotApi, CallOutcome, Method, Refusal};
use stenobot_simulator::users::{SentMessage, User};
use tokio_util::task::AbortOnDropHandle;

use crate::chaos::score::stray_count;
use crate::recordings::scripted;
use crate::scene::{SCENARIO_TIMEOUT, answered, bot_with_engine, eventually, signal, stand_in};

/// The longest time without a leader that is accepted.
const TAKE_OVER_TIMEOUT: Duration = Duration::from_secs(5);

/// Id of the first user; the environment counts from a smaller one.
const FIRST_USER: i64 = 700_000;
/// Processing time of one recording of the load.
const PROCESSING_MS: u32 = 150;
/// From SIGTERM to the end of a machine; its own limit is 20 s.
pub(super) const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(30);
/// A machine that is stopped does not answer.
const METRICS_TIMEOUT: Duration = Duration::from_millis(500);
/// Between two looks at the machines: they send no event.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// Messages, and the text that each must be answered with.
type Sent = Arc<Mutex<Vec<(SentMessage, String)>>>;

/// Machines under test.
pub(super) struct Cluster {
    pub(super) machines: Machines,
    /// One for each machine.
    pub(super) links: Vec<Link>,
    /// Where the database is.
    pub(super) server: PrivatePostgres,
    database: String,
    bots: usize,
    /// Machines after SIGSTOP.
    stopped: BTreeSet<usize>,
    sent: Sent,
    load: Option<AbortOnDropHandle<()>>,
}

/// A server whose commits survive a loss of power; `None` where PostgreSQL is missing and may be.
pub(super) async fn durable_server(test: &str) -> Option<PrivatePostgres> {
    let options = PostgresOptions { is_durable: true, ..PostgresOptions::default() };
    PrivatePostgres::start_or_skip(test, options).await.unwrap()
}

impl Cluster {
    /// Starts bots, which come first, and workers on a new database.
    pub(super) async fn start(server: PrivatePostgres, bots: usize, workers: usize, settings: &[(&str, &str)]) -> Self {
        let roles = [vec![Role::Bot; bots], vec![Role::Worker; workers]].concat();
        Self::of_roles(server, &roles, settings).await
    }

    /// Starts machines of these roles on a new database; workers come last.
    pub(super) async fn of_roles(server: PrivatePostgres, roles: &[Role], settings: &[(&str, &str)]) -> Self {
        let mut cluster = Self::prepare(server, roles, settings).await;
        cluster.machines.start_all().await.unwrap();
        cluster
    }

    /// Machines of these roles on a new database, which are not started yet; workers come last.
    pub(super) async fn prepare(server: PrivatePostgres, roles: &[Role], settings: &[(&str, &str)]) -> Self {
        let database = format!("t{}", uuid::Uuid::now_v7().simple());
        server.create_database(&database).await.unwrap();
        let mut setup = bot_with_engine(&stand_in(), settings);
        for (key, value) in [("max_queue_size", "1000"), ("max_concurrent_workers", "1")] {
            setup.bot.entry(key.to_owned()).or_insert_with(|| value.into());
        }
        let mut machines = Machines::prepare(setup, roles).await.unwrap();
        let mut links = Vec::new();
        for machine in 0..roles.len() {
            let link = Link::to(server.address()).await.unwrap();
            machines.set(machine, "database_url", server.url_through(&link, &database));
            links.push(link);
        }
        let bots = roles.iter().filter(|role| role.has_bot()).count();
        let (sent, stopped) = (Sent::default(), BTreeSet::new());
        Self { machines, links, server, database, bots, stopped, sent, load: None }
    }

    pub(super) fn api(&self) -> &BotApi {
        self.machines.environment().api()
    }

    /// Time since the start of the simulated Telegram.
    pub(super) fn now(&self) -> Duration {
        self.api().now()
    }

    // === Messages ===

    /// A new user sends a recording with these instructions before its text, which is unique.
    pub(super) fn send(&self, instructions: &str) -> SentMessage {
        send(self.api(), &self.sent, instructions)
    }

    /// From now on, a new user sends a recording in each interval.
    pub(super) fn start_load(&mut self, interval: Duration) {
        let (api, sent) = (self.api().clone(), self.sent.clone());
        let load = async move {
            let mut interval = tokio::time::interval(interval);
            loop {
                interval.tick().await;
                send(&api, &sent, &format!("wait {PROCESSING_MS}"));
            }
        };
        self.load = Some(AbortOnDropHandle::new(tokio::spawn(load)));
    }

    /// Ends the load, and waits until all messages are answered.
    pub(super) async fn wait_until_answered(&mut self) {
        self.load = None;
        for (message, text) in self.sent() {
            let answer = message.final_answer(SCENARIO_TIMEOUT).await.unwrap_or_else(|error| {
                panic!("{error}\n{}", self.log_tails());
            });
            assert_eq!(answered(answer.outcome), text, "{}", message.history());
        }
    }

    /// Waits until every request is closed in the database, which happens shortly after its answer is sent.
    pub(super) async fn wait_until_closed(&self) {
        let closed = async {
            while self.psql("SELECT count(*) FROM usage WHERE answered = 0").await != "0" {
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
        };
        eventually("every request is closed", closed).await;
    }

    fn sent(&self) -> Vec<(SentMessage, String)> {
        self.sent.lock().unwrap().clone()
    }

    // === Machines ===

    /// The machines that transcribe.
    pub(super) fn workers(&self) -> std::ops::Range<usize> {
        self.bots..self.links.len()
    }

    /// The machine that an engine belongs to.
    pub(super) fn machine_of(&self, engine: u32) -> usize {
        let mut pid = engine;
        loop {
            if let Some(machine) = (0..self.links.len()).find(|machine| self.machines.pid(*machine) == Some(pid)) {
                return machine;
            }
            pid = parent(pid);
        }
    }

    /// Sends SIGSTOP to a machine; its engine goes on.
    pub(super) fn stop(&mut self, machine: usize) {
        signal(self.machines.pid(machine).unwrap(), Signal::STOP);
        self.stopped.insert(machine);
    }

    /// Sends SIGCONT to a machine.
    pub(super) fn resume(&mut self, machine: usize) {
        self.stopped.remove(&machine);
        signal(self.machines.pid(machine).unwrap(), Signal::CONT);
    }

    /// A machine's metrics; `None` of one that does not answer.
    pub(super) async fn metrics(&self, machine: usize) -> Option<MetricsPage> {
        if self.stopped.contains(&machine) {
            return None;
        }
        tokio::time::timeout(METRICS_TIMEOUT, self.machines.metrics(machine)).await.ok()?.ok()
    }

    /// The bot that polls.
    pub(super) async fn leader(&self) -> usize {
        self.leader_among(|_| true).await
    }

    /// The bot that polls, once it is another than `former`.
    pub(super) async fn leader_other_than(&self, former: usize) -> usize {
        self.leader_among(|bot| bot != former).await
    }

    async fn leader_among(&self, counts: impl Fn(usize) -> bool) -> usize {
        let one = async {
            loop {
                for bot in (0..self.bots).filter(|bot| counts(*bot)) {
                    let page = self.metrics(bot).await;
                    let polled =
                        page.and_then(|page| page.value("stenobot_telegram_poll_last_success_timestamp_seconds"));
                    if polled.is_some_and(|at| at > 0.0) {
                        return bot;
                    }
                }
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
        };
        match tokio::time::timeout(SCENARIO_TIMEOUT, one).await {
            Ok(bot) => bot,
            Err(_) => panic!("no bot leads\n{}", self.log_tails()),
        }
    }

    /// Number of polls so far.
    pub(super) fn polls(&self) -> u64 {
        self.api().read(|state| state.polls())
    }

    /// Waits for a poll after the first `polls`; gives the time since `since`.
    pub(super) async fn wait_for_poll(&self, polls: u64, since: Duration) -> Duration {
        let next = self.api().wait_for(|state| (state.polls() > polls).then_some(()));
        eventually("a bot polls", next).await;
        self.now() - since
    }

    /// Number of polls that ended because another bot polled at the same time.
    pub(super) fn overlapping_polls(&self) -> usize {
        let conflicts = |outcome: &CallOutcome| *outcome == CallOutcome::Refused(Refusal::Conflict);
        self.api().read(|state| {
            let polls = state.calls.iter().filter(|call| call.method == Method::GetUpdates);
            polls.filter(|call| conflicts(&call.outcome)).count()
        })
    }

    pub(super) async fn psql(&self, sql: &str) -> String {
        self.server.psql(&self.database, sql).await.unwrap()
    }

    /// All chats, and the ends of all logs.
    pub(super) fn describe(&self) -> String {
        let chats: Vec<String> = self.sent().iter().map(|(message, _)| message.history()).collect();
        format!("{}\n{}", chats.join("\n"), self.log_tails())
    }

    fn log_tails(&self) -> String {
        const LINES: usize = 30;
        let tail = |machine: usize| {
            let log = std::fs::read_to_string(self.machines.log(machine)).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            format!("--- machine {machine}\n{}", lines[lines.len().saturating_sub(LINES)..].join("\n"))
        };
        (0..self.links.len()).map(tail).collect::<Vec<_>>().join("\n")
    }

    // === End ===

    /// Stops all machines in order.
    pub(super) async fn stop_all(&mut self) {
        for ended in self.machines.terminate(SHUTDOWN_TIMEOUT).await.unwrap() {
            assert!(ended.success(), "a machine ended with {ended}\n{}", self.log_tails());
        }
    }

    /// Waits until all is answered, stops all machines in order, and checks that nothing was lost, answered twice or taken
    /// twice. Gives the text for the table.
    pub(super) async fn finish(mut self) -> String {
        self.wait_until_answered().await;
        self.wait_until_closed().await;
        let rows: usize = self.psql("SELECT count(*) FROM usage").await.parse().unwrap();
        self.stop_all().await;
        let sent = self.sent();
        assert_eq!(rows, sent.len(), "each update is taken once");
        let mut stray = 0;
        for (message, text) in &sent {
            let trail = message.trail();
            assert!(!trail.is_lost() && !trail.is_duplicated() && !trail.overwritten, "{}", message.history());
            let spoken = trail.answer().and_then(|answer| answer.spoken().map(|text| text.into_owned()));
            assert_eq!(spoken.as_ref(), Some(text), "{}", message.history());
            stray += stray_count(self.api(), message);
        }
        format!("{} requests: 0 lost, 0 answered twice, {stray} stray states", sent.len())
    }
}

fn send(api: &BotApi, all: &Sent, instructions: &str) -> SentMessage {
    let mut all = all.lock().unwrap();
    let number = all.len();
    let text = format!("голос {number}");
    let user = User::new(api, UserId(FIRST_USER + number as i64), "Анна", "ru");
    let sent = user.send_voice(&scripted(3, &format!("{instructions};say {text}")));
    all.push((sent.clone(), text));
    sent
}

/// The parent of a process.
fn parent(pid: u32) -> u32 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The name before it stands in parentheses and may hold spaces.
    let (_, rest) = stat.rsplit_once(") ").unwrap();
    rest.split(' ').nth(1).unwrap().parse().unwrap()
}

/// Holds that no take-over took longer than is accepted.
pub(super) fn assert_in_time(take_overs: &[Duration]) {
    let slowest = take_overs.iter().max().copied().unwrap_or_default();
    assert!(slowest < TAKE_OVER_TIMEOUT, "{slowest:?}");
}
