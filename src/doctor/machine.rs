//! The machine: processor, cores, open files, the port of the metrics page.

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

/// The socket of the metrics page.
///
/// # Errors
/// [`Refusal::Port`].
pub(crate) async fn listen(addr: SocketAddr) -> Result<TcpListener, Refusal> {
    TcpListener::bind(addr).await.map_err(|why| Refusal::Port { addr, why })
}

pub(super) async fn metrics(addr: SocketAddr, running: bool) -> Finding {
    match listen(addr).await {
        Ok(_) if running => Finding::warning(format!(
            "{addr} is free although the bot is running: it runs with another metrics_addr, or is only starting"
        )),
        Ok(_) => Finding::ok(format!("{addr} is free")),
        Err(Refusal::Port { why, .. }) if running && why.kind() == std::io::ErrorKind::AddrInUse => {
            Finding::ok(format!("{addr} is served by the running bot"))
        }
        Err(refusal) => Finding::failed(refusal),
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
        assert_eq!(metrics(addr, true).await.verdict, Verdict::Ok);
        let refused = metrics(addr, false).await;
        assert_eq!(refused, Finding::failed(listen(addr).await.unwrap_err()));
        drop(taken);
        assert_eq!(metrics(addr, false).await.verdict, Verdict::Ok);
    }
}
