//! Notifications to the service manager by the protocol of sd_notify(3): datagrams to the socket that `NOTIFY_SOCKET` names.
//! Without that variable nothing is sent.

use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::lifecycle::{Heartbeats, Shutdown};

/// systemd, or another manager with its protocol. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct ServiceManager(Option<Arc<Link>>);

#[derive(Debug)]
struct Link {
    socket: UnixDatagram,
    /// Maximum interval of keep-alive notifications; `None` without a watchdog.
    watchdog: Option<Duration>,
    /// Whether the manager was notified that the start is over.
    is_started: AtomicBool,
}

impl ServiceManager {
    /// The manager that `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID` name.
    pub(crate) fn from_environment() -> Self {
        let Some(path) = std::env::var_os("NOTIFY_SOCKET").filter(|path| !path.is_empty()) else {
            return Self::default();
        };
        let number = |name| std::env::var(name).ok()?.parse::<u64>().ok();
        let for_us = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let watchdog = number("WATCHDOG_USEC").filter(|usec| for_us && *usec > 0).map(Duration::from_micros);
        match Self::connect(&path, watchdog) {
            Ok(manager) => manager,
            Err(error) => {
                tracing::warn!(%error, "the service manager cannot be notified: NOTIFY_SOCKET cannot be used");
                Self::default()
            }
        }
    }

    /// A path, or with `@` before it the name of an abstract socket.
    fn connect(path: &OsStr, watchdog: Option<Duration>) -> std::io::Result<Self> {
        let address = match path.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
            _ => SocketAddr::from_pathname(path)?,
        };
        let socket = UnixDatagram::unbound()?;
        socket.connect_addr(&address)?;
        // A manager that does not read must not hold the bot up.
        socket.set_nonblocking(true)?;
        Ok(Self(Some(Arc::new(Link { socket, watchdog, is_started: AtomicBool::new(false) }))))
    }

    fn send(&self, message: &str) {
        let Some(link) = &self.0 else { return };
        if let Err(error) = link.socket.send(message.as_bytes()) {
            tracing::debug!(%error, "the service manager could not be notified");
        }
    }

    /// The start is over: from now on the watchdog counts.
    pub(crate) fn ready(&self) {
        if let Some(link) = &self.0 {
            link.is_started.store(true, Ordering::Relaxed);
        }
        self.send("READY=1");
    }

    /// The start goes on and takes at most `limit` from now.
    pub(crate) fn extend_start(&self, limit: Duration, status: &str) {
        self.send(&format!("EXTEND_TIMEOUT_USEC={}\nSTATUS={}", limit.as_micros(), one_line(status)));
    }

    /// A line for `systemctl status`.
    pub(crate) fn status(&self, status: &str) {
        self.send(&format!("STATUS={}", one_line(status)));
    }

    /// Settings are being read again, until what this returns is dropped.
    pub(crate) fn reloading(&self) -> Reloading<'_> {
        // During the start the manager waits for one READY only.
        let is_started = self.0.as_ref().is_some_and(|link| link.is_started.load(Ordering::Relaxed));
        if is_started {
            let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
            self.send(&format!("RELOADING=1\nMONOTONIC_USEC={}{:06}", now.tv_sec, now.tv_nsec / 1000));
        }
        Reloading { manager: self, is_started }
    }

    /// Feeds the watchdog, if there is one, while no loop is late; at the soft shutdown announces the stop.
    pub(crate) async fn watch(&self, heartbeats: &Heartbeats, shutdown: &Shutdown) {
        tokio::select! {
            () = shutdown.soft.cancelled() => {}
            () = self.feed(heartbeats) => {}
        }
        self.send("STOPPING=1\nSTATUS=stopping: finishing what is held");
    }

    async fn feed(&self, heartbeats: &Heartbeats) {
        let Some(limit) = self.0.as_ref().and_then(|link| link.watchdog) else { return std::future::pending().await };
        let mut interval = tokio::time::interval(limit / 3);
        let mut was_late = None;
        loop {
            interval.tick().await;
            let late = heartbeats.late();
            match late {
                None => self.send("WATCHDOG=1"),
                Some(task) if was_late.is_none() => {
                    tracing::error!(task, "no progress: the service manager's watchdog will end the bot");
                }
                Some(_) => {}
            }
            was_late = late;
        }
    }
}

/// The end of a reload; see [`ServiceManager::reloading`].
#[must_use]
pub(crate) struct Reloading<'a> {
    manager: &'a ServiceManager,
    is_started: bool,
}

impl Drop for Reloading<'_> {
    fn drop(&mut self) {
        if self.is_started {
            self.manager.send("READY=1");
        }
    }
}

fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A manager's socket.
    struct Stub(UnixDatagram);

    impl Stub {
        fn received(&self) -> Vec<String> {
            let mut messages = Vec::new();
            let mut buffer = [0; 512];
            while let Ok(length) = self.0.recv(&mut buffer) {
                messages.push(String::from_utf8(buffer[..length].to_vec()).unwrap());
            }
            messages
        }
    }

    fn start(watchdog: Option<Duration>) -> (ServiceManager, Stub) {
        let name = format!("stenobot-test-{}", uuid::Uuid::now_v7());
        let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        socket.set_nonblocking(true).unwrap();
        (ServiceManager::connect(format!("@{name}").as_ref(), watchdog).unwrap(), Stub(socket))
    }

    #[test]
    fn a_reload_is_announced_with_its_time_and_ended_but_not_during_the_start() {
        let (manager, stub) = start(None);
        drop(manager.reloading());
        assert_eq!(stub.received(), [""; 0]);
        manager.extend_start(Duration::from_secs(2), "a\nb");
        manager.ready();
        assert_eq!(stub.received(), ["EXTEND_TIMEOUT_USEC=2000000\nSTATUS=a b", "READY=1"]);
        let reloading = manager.reloading();
        let [announced] = stub.received().try_into().unwrap();
        let usec: u64 = announced.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap().parse().unwrap();
        let later = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let later = later.tv_sec as u64 * 1_000_000 + later.tv_nsec as u64 / 1000;
        assert!(usec <= later && usec + 60_000_000 > later, "{usec} {later}");
        drop(reloading);
        assert_eq!(stub.received(), ["READY=1"]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_watchdog_is_fed_only_while_no_loop_is_late() {
        let (manager, stub) = start(Some(Duration::from_secs(30)));
        let (beats, shutdown) = (Heartbeats::default(), Shutdown::default());
        let watching = {
            let (manager, beats, shutdown) = (manager.clone(), beats.clone(), shutdown.clone());
            tokio::spawn(async move { manager.watch(&beats, &shutdown).await })
        };
        beats.poll.due_within(Duration::from_secs(25));
        tokio::time::sleep(Duration::from_secs(24)).await;
        assert_eq!(stub.received(), ["WATCHDOG=1"; 3], "at 0, 10 and 20 s");
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(stub.received(), [""; 0], "the loop is late");
        beats.poll.due_within(Duration::from_secs(3600));
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert_eq!(stub.received(), ["WATCHDOG=1"]);
        shutdown.soft.cancel();
        watching.await.unwrap();
        assert_eq!(stub.received(), ["STOPPING=1\nSTATUS=stopping: finishing what is held"]);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_manager_or_a_watchdog_nothing_is_sent() {
        let (manager, stub) = start(None);
        let (beats, shutdown) = (Heartbeats::default(), Shutdown::default());
        shutdown.soft.cancel();
        ServiceManager::default().watch(&beats, &shutdown).await;
        ServiceManager::default().ready();
        manager.watch(&beats, &shutdown).await;
        assert_eq!(stub.received(), ["STOPPING=1\nSTATUS=stopping: finishing what is held"]);
    }
}
