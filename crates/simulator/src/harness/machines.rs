//! Several bots as child processes in one [`Environment`]: one machine each, of one role.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, join_all, select_all};
use serde::Serialize;
use stenobot_domain::Role;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::super::bot_process::{BotCommand, BotProcess};
use super::super::metrics_page::MetricsPage;
use super::super::usage::Usage;
use super::{Environment, START_TIMEOUT, Setup, SimulationError, bot_command, scrape, tail};

/// Between two questions whether a machine is ready.
const READY_INTERVAL: Duration = Duration::from_millis(100);

/// What one machine did, all its processes together.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MachineReport {
    /// Such as `worker-2`.
    pub name: String,
    /// What it was started as.
    pub role: Role,
    /// How often it was killed and started again.
    pub kills: u32,
    /// What it did, without the last moments before each kill.
    #[serde(flatten)]
    pub work: Work,
    /// Memory and processor time.
    #[serde(flatten)]
    pub usage: Usage,
}

/// Counters of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Work {
    /// Updates received.
    pub updates: u64,
    /// Recordings downloaded.
    pub downloaded: u64,
    /// Recordings transcribed.
    pub transcribed: u64,
    /// Requests answered.
    pub answered: u64,
    /// Sum of the real-time factors of what was transcribed.
    #[serde(skip)]
    real_time_factors: f64,
    /// Number of them.
    #[serde(skip)]
    timed: f64,
}

impl Work {
    fn of(page: &MetricsPage) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counters are whole and positive")]
        let count = |value: f64| value as u64;
        let transition = |from: &str, to: &str| {
            let series = format!("stenobot_stage_transitions_total{{from=\"{from}\",to=\"{to}\"}}");
            count(page.value(&series).unwrap_or_default())
        };
        Self {
            updates: count(page.sum("stenobot_updates_total")),
            downloaded: transition("received", "downloaded"),
            transcribed: transition("transcribing", "transcribed"),
            answered: transition("transcribed", "done"),
            real_time_factors: page.sum("stenobot_real_time_factor_ratio_sum"),
            timed: page.sum("stenobot_real_time_factor_ratio_count"),
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            updates: self.updates + other.updates,
            downloaded: self.downloaded + other.downloaded,
            transcribed: self.transcribed + other.transcribed,
            answered: self.answered + other.answered,
            real_time_factors: self.real_time_factors + other.real_time_factors,
            timed: self.timed + other.timed,
        }
    }
}

/// Machines that share one Bot API server. More than one need a database that they share as well. They are numbered from 0
/// in the order of the roles that they were started with.
pub struct Machines {
    // Dropped before the environment, so that all bots have ended when its folder is removed.
    machines: Vec<Machine>,
    /// Time from each kill of the leader to the next poll.
    take_overs: JoinSet<Duration>,
    environment: Environment,
}

struct Machine {
    name: String,
    role: Role,
    command: BotCommand,
    /// `None` after its end.
    process: Option<BotProcess>,
    kills: u32,
    /// Of its former processes.
    former_work: Work,
    former_usage: Usage,
    /// Of its process, when it was last asked.
    work: Work,
}

impl Machine {
    fn usage(&self) -> Usage {
        let now = self.process.as_ref().map(|process| process.meter().usage()).unwrap_or_default();
        self.former_usage.then(now)
    }

    fn start(&mut self) -> Result<(), SimulationError> {
        self.process = Some(BotProcess::start(&self.command)?);
        Ok(())
    }

    async fn kill(&mut self) -> Result<(), SimulationError> {
        self.former_usage = self.usage();
        self.former_work = self.former_work.plus(std::mem::take(&mut self.work));
        self.kills += 1;
        self.process.take().ok_or(SimulationError::NotRunning)?.kill().await?;
        Ok(())
    }
}

impl Machines {
    /// Starts the server only; [`Machines::start_all`] starts a machine of each role.
    ///
    /// # Errors
    /// When no folder or no port is available.
    pub async fn prepare(setup: Setup, roles: &[Role]) -> Result<Self, SimulationError> {
        let environment = Environment::start(setup.server.clone(), setup.data.clone()).await?;
        let mut machines = Vec::new();
        for (index, role) in roles.iter().enumerate() {
            let number = roles[..=index].iter().filter(|other| *other == role).count();
            machines.push(if roles.len() == 1 {
                let (folder, data) = (environment.folder(), environment.data());
                Machine::new("bot".to_owned(), *role, bot_command(&environment, &setup, folder, data)?)
            } else {
                let name = format!("{role}-{number}");
                let folder = environment.folder().join(&name);
                let data = folder.join("data");
                std::fs::create_dir_all(&data)?;
                Machine::new(name, *role, bot_command(&environment, &setup, &folder, &data)?)
            });
        }
        Ok(Self { machines, take_overs: JoinSet::new(), environment })
    }

    /// Starts a machine of each role, and waits until the bot asks for updates and every worker is ready.
    ///
    /// # Errors
    /// When one of them does not start.
    pub(crate) async fn start(setup: Setup, roles: &[Role]) -> Result<Self, SimulationError> {
        let mut machines = Self::prepare(setup, roles).await?;
        machines.start_all().await?;
        Ok(machines)
    }

    /// Starts all machines, and waits until a bot asks for updates and every worker is ready.
    ///
    /// # Errors
    /// When one of them does not start.
    pub async fn start_all(&mut self) -> Result<(), SimulationError> {
        let api = self.environment.api().clone();
        let before = api.read(|state| state.requests_for_updates());
        self.machines.iter_mut().try_for_each(Machine::start)?;
        let asked = api.wait_for(|state| (state.requests_for_updates() > before).then_some(()));
        // A machine that does everything has started when it asks for updates.
        let others = self.machines.iter().filter(|machine| machine.role != Role::All);
        let pages: Vec<String> = others.map(Machine::start_page).collect();
        let started = async {
            asked.await;
            join_all(pages.iter().map(|page| wait_for_page(page))).await;
        };
        tokio::select! {
            (index, ended) = self.next_exit() => {
                Err(SimulationError::Ended { status: ended?, log: tail(&self.machines[index].command.log) })
            }
            started = tokio::time::timeout(START_TIMEOUT, started) => {
                let logs = || self.machines.iter().map(|machine| tail(&machine.command.log)).collect::<Vec<_>>();
                started.map_err(|_| SimulationError::Silent { log: logs().join("\n") })
            }
        }
    }

    /// Server, users and folder.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Changes a setting of one machine for its next start.
    pub fn set(&mut self, machine: usize, key: &str, value: impl Into<OsString>) {
        self.machines[machine].command.environment.insert(super::variable_of(key), value.into());
    }

    /// Process id of a machine; `None` after its end.
    pub fn pid(&self, machine: usize) -> Option<u32> {
        self.machines[machine].process.as_ref().map(BotProcess::pid)
    }

    /// Scrapes a machine's metrics.
    ///
    /// # Errors
    /// When its metrics page does not respond.
    pub async fn metrics(&self, machine: usize) -> Result<MetricsPage, SimulationError> {
        scrape(self.machines[machine].command.metrics).await
    }

    /// Path of a machine's log.
    pub fn log(&self, machine: usize) -> &Path {
        &self.machines[machine].command.log
    }

    /// Kills a machine with SIGKILL.
    ///
    /// # Errors
    /// When it is not running.
    pub async fn kill(&mut self, machine: usize) -> Result<(), SimulationError> {
        self.machines[machine].kill().await
    }

    /// Sends SIGTERM to a machine, and SIGKILL if it has not ended within `limit`.
    ///
    /// # Errors
    /// When it is not running.
    pub async fn terminate_one(&mut self, machine: usize, limit: Duration) -> Result<ExitStatus, SimulationError> {
        let process = self.machines[machine].process.take().ok_or(SimulationError::NotRunning)?;
        Ok(process.terminate(limit).await?)
    }

    /// Starts a machine again that has ended; does not wait until it is ready.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn start_again(&mut self, machine: usize) -> Result<(), SimulationError> {
        self.machines[machine].start()
    }

    /// Waits until a machine is ready: a bot alive, a worker able to work. Without a time limit.
    pub async fn wait_until_ready(&self, machine: usize) {
        wait_for_page(&self.machines[machine].start_page()).await;
    }

    /// Waits until a process ends by itself; its index. Cancel safe.
    pub(crate) async fn next_exit(&mut self) -> (usize, std::io::Result<ExitStatus>) {
        let exits: Vec<BoxFuture<'_, _>> = self
            .machines
            .iter_mut()
            .enumerate()
            .filter_map(|(index, machine)| {
                let process = machine.process.as_mut()?;
                Some(async move { (index, process.wait_for_exit().await) }.boxed())
            })
            .collect();
        if exits.is_empty() {
            return std::future::pending().await;
        }
        let (exit, _, _) = select_all(exits).await;
        exit
    }

    /// Kills one of the machines, by chance, with SIGKILL, and starts it again at once.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) async fn kill_one(&mut self) -> Result<(), SimulationError> {
        // The second half of a version 7 UUID is random.
        let [.., chance] = uuid::Uuid::now_v7().into_bytes();
        let index = usize::from(chance) % self.machines.len();
        let page = scrape(self.machines[index].command.metrics).await.ok();
        let api = self.environment.api().clone();
        let machine = &mut self.machines[index];
        machine.work = page.as_ref().map(Work::of).unwrap_or_default();
        let was_leader = page.is_some_and(|page| page.sum("stenobot_leader") > 0.0);
        machine.kill().await?;
        if was_leader {
            let killed = Instant::now();
            let polls = api.read(|state| state.requests_for_updates());
            self.take_overs.spawn(async move {
                api.wait_for(|state| (state.requests_for_updates() > polls).then_some(())).await;
                killed.elapsed()
            });
        }
        self.machines[index].start()
    }

    /// Time from each kill of the leader to the next poll, as far as there was one.
    pub(crate) fn take_overs(&mut self) -> Vec<Duration> {
        std::iter::from_fn(|| self.take_overs.try_join_next()).filter_map(Result::ok).collect()
    }

    /// Resources used so far by all machines; peaks of different machines need not be at the same moment.
    pub(crate) fn usage(&self) -> Usage {
        self.machines.iter().map(Machine::usage).fold(Usage::default(), Usage::beside)
    }

    /// Reads what the machines have done from their metrics, which end with them.
    pub(crate) async fn read_work(&mut self) {
        for machine in &mut self.machines {
            if let Ok(page) = scrape(machine.command.metrics).await {
                machine.work = Work::of(&page);
            }
        }
    }

    /// Mean of processing time over audio length; `None` without a transcription.
    pub(crate) fn real_time_factor(&self) -> Option<f64> {
        let all = |machine: &Machine| machine.former_work.plus(machine.work);
        let sum = self.machines.iter().map(all).fold(Work::default(), Work::plus);
        (sum.timed > 0.0).then(|| sum.real_time_factors / sum.timed)
    }

    /// What each machine did.
    pub(crate) fn reports(&self) -> Vec<MachineReport> {
        let report = |machine: &Machine| MachineReport {
            name: machine.name.clone(),
            role: machine.role,
            kills: machine.kills,
            work: machine.former_work.plus(machine.work),
            usage: machine.usage(),
        };
        self.machines.iter().map(report).collect()
    }

    /// Sends SIGTERM to all, and SIGKILL to those that have not ended within `limit`.
    ///
    /// # Errors
    /// When a status cannot be read.
    pub async fn terminate(&mut self, limit: Duration) -> Result<Vec<ExitStatus>, SimulationError> {
        let ends = self.machines.iter_mut().filter_map(|machine| {
            machine.former_usage = machine.usage();
            Some(machine.process.take()?.terminate(limit))
        });
        let ends: Vec<_> = ends.collect();
        Ok(join_all(ends).await.into_iter().collect::<std::io::Result<_>>()?)
    }

    /// Keeps the folder with data and logs for inspection.
    pub fn keep(&mut self) -> &Path {
        self.environment.keep()
    }
}

impl Machine {
    fn new(name: String, role: Role, mut command: BotCommand) -> Self {
        match role {
            // The default.
            Role::All => {}
            Role::Bot | Role::Worker => {
                command.environment.insert(super::variable_of("role"), role.to_string().into());
            }
        }
        let (former_work, work) = (Work::default(), Work::default());
        Self { name, role, command, process: None, kills: 0, former_work, former_usage: Usage::default(), work }
    }

    /// The page that answers 200 when it has started, beside the first bot's request for updates.
    fn start_page(&self) -> String {
        let address: SocketAddr = self.command.metrics;
        match self.role {
            Role::All | Role::Bot => format!("http://{address}/healthz"),
            Role::Worker => format!("http://{address}/readyz"),
        }
    }
}

async fn wait_for_page(url: &str) {
    let mut every = tokio::time::interval(READY_INTERVAL);
    let Ok(client) = reqwest::Client::builder().no_proxy().build() else { return };
    loop {
        every.tick().await;
        let answer = client.get(url).timeout(Duration::from_secs(1)).send().await;
        if answer.is_ok_and(|answer| answer.status().is_success()) {
            return;
        }
    }
}
