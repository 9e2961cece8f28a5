//! The server's processes: the postmaster, a child of this process, and the backends, its children.

use std::process::Command;
use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use stenobot_host::ProcessUsage;

const CHECK_INTERVAL: Duration = Duration::from_millis(5);
/// Number of checks until killed processes are gone: 10 s.
const MAX_CHECKS: usize = 2000;

/// A running postmaster.
#[derive(Debug)]
pub(super) struct Postmaster {
    pid: Pid,
    end: Arc<End>,
}

#[derive(Debug, Default)]
struct End {
    has_ended: Mutex<bool>,
    changed: Condvar,
}

impl Postmaster {
    /// Starts it on a thread of its own, which waits for its end: the kernel sends the signal of `setpriv --pdeathsig` when
    /// the *thread* ends that started the process.
    pub(super) fn spawn(mut command: Command) -> std::io::Result<Self> {
        let (started, start) = mpsc::channel();
        let end = Arc::new(End::default());
        let at_end = end.clone();
        std::thread::Builder::new().name("postgres".into()).spawn(move || {
            match command.spawn() {
                Ok(mut child) => {
                    // The receiver waits below.
                    let _ = started.send(Ok(child.id()));
                    let _ = child.wait();
                }
                Err(error) => drop(started.send(Err(error))),
            }
            *at_end.has_ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
            at_end.changed.notify_all();
        })?;
        let pid = start.recv().map_err(std::io::Error::other)??;
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        Ok(Self { pid: pid.ok_or_else(|| std::io::Error::other("no process id"))?, end })
    }

    pub(super) fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Waits for its end; whether it has ended within `limit`.
    pub(super) fn has_ended_within(&self, limit: Duration) -> bool {
        let ended = self.end.has_ended.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.end.changed.wait_timeout_while(ended, limit, |ended| !*ended);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Sends a signal to the postmaster alone, if it still runs.
    pub(super) fn signal(&self, signal: Signal) {
        if !self.has_ended_within(Duration::ZERO) {
            // It may have ended in between.
            let _ = kill_process(self.pid, signal);
        }
    }

    /// Stops postmaster and backends in an order that starts no new backend in between.
    pub(super) fn pause(&self) {
        self.signal(Signal::STOP);
        for backend in self.backends() {
            let _ = kill_process(backend, Signal::STOP);
        }
    }

    /// Continues what [`pause`](Self::pause) has stopped.
    pub(super) fn resume(&self) {
        for backend in self.backends() {
            let _ = kill_process(backend, Signal::CONT);
        }
        self.signal(Signal::CONT);
    }

    /// Sends SIGKILL to all, and waits until none is left; `false` when one is left after 10 s.
    pub(super) fn kill_all(&self) -> bool {
        self.signal(Signal::STOP);
        let backends = self.backends();
        self.signal(Signal::KILL);
        for backend in &backends {
            let _ = kill_process(*backend, Signal::KILL);
        }
        let mut checks = 0..MAX_CHECKS;
        while !self.has_ended_within(CHECK_INTERVAL) || backends.iter().any(|pid| is_running(*pid)) {
            if checks.next().is_none() {
                return false;
            }
            std::thread::park_timeout(CHECK_INTERVAL);
        }
        true
    }

    fn backends(&self) -> Vec<Pid> {
        let children = ProcessUsage::children_of(self.pid().unsigned_abs());
        children.filter_map(|(pid, _)| Pid::from_raw(i32::try_from(pid).ok()?)).collect()
    }
}

/// Whether a process exists and is no zombie: a backend's new parent may be slow to reap it.
fn is_running(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    // The state follows the name, which stands in parentheses.
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    state.is_some_and(|state| !matches!(state, 'Z' | 'X'))
}
