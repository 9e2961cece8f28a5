//! A load balancer in front of several bots.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

/// Passes each connection to the next backend that accepts it. Dropping it ends all connections.
pub(super) struct Balancer {
    address: SocketAddr,
    state: Arc<State>,
    _accepting: AbortOnDropHandle<()>,
}

struct State {
    backends: Vec<Backend>,
    /// Number of connections so far.
    connections: AtomicUsize,
    /// Number of responses that are still to be lost.
    to_lose: AtomicUsize,
}

struct Backend {
    address: SocketAddr,
    /// Number of connections that it was given.
    connections: AtomicUsize,
}

impl Balancer {
    /// In front of these addresses.
    pub(super) async fn of(backends: &[SocketAddr]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let backends = backends.iter().map(|address| Backend { address: *address, connections: AtomicUsize::new(0) });
        let state = Arc::new(State {
            backends: backends.collect(),
            connections: AtomicUsize::new(0),
            to_lose: AtomicUsize::new(0),
        });
        let accepted = state.clone();
        let accepting = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                while connections.try_join_next().is_some() {}
                let state = accepted.clone();
                connections.spawn(async move { state.pass(client).await });
            }
        });
        Self { address, state, _accepting: AbortOnDropHandle::new(accepting) }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Breaks the next `count` connections when the backend responds: its response does not arrive.
    pub(super) fn lose_responses(&self, count: usize) {
        self.state.to_lose.fetch_add(count, Ordering::Relaxed);
    }

    /// Whether all responses that were to be lost are lost.
    pub(super) fn has_lost_all(&self) -> bool {
        self.state.to_lose.load(Ordering::Relaxed) == 0
    }

    /// Number of connections that each backend was given.
    pub(super) fn connections(&self) -> Vec<usize> {
        self.state.backends.iter().map(|backend| backend.connections.load(Ordering::Relaxed)).collect()
    }
}

impl State {
    /// One connection to its end. When no backend accepts it, or the backend's connection breaks, the client's ends too.
    async fn pass(&self, mut client: TcpStream) -> std::io::Result<()> {
        let first = self.connections.fetch_add(1, Ordering::Relaxed);
        for offset in 0..self.backends.len() {
            let backend = &self.backends[(first + offset) % self.backends.len()];
            let Ok(mut server) = TcpStream::connect(backend.address).await else { continue };
            backend.connections.fetch_add(1, Ordering::Relaxed);
            let (mut from_client, mut to_client) = client.split();
            let (mut from_server, mut to_server) = server.split();
            let respond = async {
                let mut start = [0; 1];
                from_server.read_exact(&mut start).await?;
                let lose = |count: usize| count.checked_sub(1);
                if self.to_lose.fetch_update(Ordering::Relaxed, Ordering::Relaxed, lose).is_ok() {
                    return Ok(());
                }
                copy(&mut start.as_slice(), &mut to_client).await?;
                copy(&mut from_server, &mut to_client).await.map(drop)
            };
            tokio::select! {
                responded = respond => return responded,
                requested = copy(&mut from_client, &mut to_server) => return requested.map(drop),
            }
        }
        Ok(())
    }
}
