//! The machine: processor, cores, open files, the ports of the listeners.

use std::net::SocketAddr;

use rustix::process::{Resource, getrlimit};
use stenobot_engine::confine;
use stenobot_speech::{REQUIRED_CPU_FEATURES, missing_cpu_features};
use tokio::net::TcpListener;

use super::{Finding, Refusal};
use crate::config::Engine;

/// Open files that suffice for 64 engines with three pipes each and for the connections.
const MIN_OPEN_FILES: u64 = 512;

/// Checks that the processor has the instructions of this build.
///
/// # Errors
/// [`Refusal::Processor`], without which an engine would crash by an illegal instruction.
pub(crate) fn processor() -> Result<Finding, Refusal> {
    let missing = missing_cpu_features();
    if missing.is_empty() {
        return Ok(Finding::ok(format!("{} has {}", std::env::consts::ARCH, REQUIRED_CPU_FEATURES.join(", "))));
    }
    Err(Refusal::Processor { missing: missing.join(", ") })
}

pub(super) fn cores(engine: &Engine) -> Finding {
    let usable = std::thread::available_parallelism().map_or(1, usize::from);
    classify_cores(engine.workers, engine.threads, usable)
}

fn classify_cores(workers: usize, threads: usize, usable: usize) -> Finding {
    let wanted = workers * threads;
    let said = format!("{workers} x engine with {threads} threads on {usable} usable cores");
    match wanted > usable {
        true => Finding::warning(format!(
            "{said}: more threads than cores make all of it slower; lower max_concurrent_workers or threads"
        )),
        false => Finding::ok(said),
    }
}

/// Whether the kernel can confine the processes that read recordings to their files.
pub(super) fn confinement() -> Finding {
    match confine::holds_files() {
        true => Finding::ok("Landlock keeps engines from all files but models and recordings"),
        false => Finding::ok("no Landlock (Linux 5.13 or later has it): engines are bounded in memory and time only"),
    }
}

pub(super) fn open_files() -> Finding {
    match getrlimit(Resource::Nofile).current {
        Some(limit) if limit < MIN_OPEN_FILES => Finding::warning(format!(
            "only {limit} may be open at once: allow {MIN_OPEN_FILES} (`ulimit -n`, or LimitNOFILE= in the systemd unit)"
        )),
        Some(limit) => Finding::ok(format!("{limit} may be open at once")),
        None => Finding::ok("any number may be open at once"),
    }
}

/// A listener of the bot, by the setting that has its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listener {
    /// The metrics page.
    Metrics,
    /// The webhook.
    Webhook,
}

impl Listener {
    fn setting(self) -> &'static str {
        match self {
            Self::Metrics => "metrics_addr",
            Self::Webhook => "webhook_addr",
        }
    }

    /// Binds the socket.
    ///
    /// # Errors
    /// [`Refusal::Port`].
    pub(crate) async fn bind(self, addr: SocketAddr) -> Result<TcpListener, Refusal> {
        TcpListener::bind(addr).await.map_err(|why| Refusal::Port { setting: self.setting(), addr, why })
    }

    /// Whether the address is free, or taken by a running bot.
    pub(super) async fn check(self, addr: SocketAddr, running: bool) -> Finding {
        match self.bind(addr).await {
            Ok(_) if running => Finding::warning(format!(
                "{addr} is free although the bot is running: it runs with another {}, or is only starting",
                self.setting()
            )),
            Ok(_) => Finding::ok(format!("{addr} is free")),
            Err(Refusal::Port { why, .. }) if running && why.kind() == std::io::ErrorKind::AddrInUse => {
                Finding::ok(format!("{addr} is served by the running bot"))
            }
            Err(refusal) => Finding::failed(refusal),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    fn more_threads_than_cores_are_a_warning() {
        assert_eq!(classify_cores(1, 2, 2).verdict, Verdict::Ok);
        assert_eq!(classify_cores(2, 2, 2).verdict, Verdict::Warning);
    }

    #[tokio::test]
    async fn a_port_in_use_is_the_running_bot_s_or_in_the_way() {
        let taken = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let addr = taken.local_addr().unwrap();
        let listener = Listener::Metrics;
        assert_eq!(listener.check(addr, true).await.verdict, Verdict::Ok);
        let refused = listener.check(addr, false).await;
        assert_eq!(refused, Finding::failed(listener.bind(addr).await.unwrap_err()));
        assert!(refused.text.starts_with("metrics_addr = "), "{refused:?}");
        drop(taken);
        assert_eq!(listener.check(addr, false).await.verdict, Verdict::Ok);
    }
}
