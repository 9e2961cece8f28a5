//! A TCP proxy on loopback that stands for the network between two programs, and can fail as a network does.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

/// Largest piece that is forwarded at once, in bytes.
const PIECE: usize = 16 << 10;

/// A way to one server. Dropping it resets all connections.
#[derive(Debug)]
pub struct Link {
    address: SocketAddr,
    state: watch::Sender<State>,
    _accepting: AbortOnDropHandle<()>,
}

#[derive(Debug, Clone, Copy)]
struct State {
    server: SocketAddr,
    is_cut: bool,
    /// Number of times that all connections were reset.
    resets: u64,
}

impl Link {
    /// Listens on a free port and forwards to `server`.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn to(server: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (state, states) = watch::channel(State { server, is_cut: false, resets: 0 });
        let accepting = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                while connections.try_join_next().is_some() {}
                connections.spawn(connect(client, states.clone()));
            }
        });
        Ok(Self { address, state, _accepting: AbortOnDropHandle::new(accepting) })
    }

    /// Where clients connect instead of to the server.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts the link, as by a pulled cable: nothing arrives at either side, neither data nor the end of a connection. New
    /// connections wait as well. What is sent meanwhile arrives after [`heal`](Self::heal), as TCP repeats it.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.is_cut = true);
    }

    /// Ends all connections with RST at both sides; new ones are forwarded, unless the link is cut.
    pub fn reset(&self) {
        self.state.send_modify(|state| state.resets += 1);
    }

    /// Ends all connections with RST, and forwards new ones to another server: an address that moves in a failover.
    pub fn redirect(&self, server: SocketAddr) {
        self.state.send_modify(|state| {
            state.server = server;
            state.resets += 1;
        });
    }

    /// Ends [`cut`](Self::cut).
    pub fn heal(&self) {
        self.state.send_modify(|state| state.is_cut = false);
    }
}

/// One connection from its acceptance to its end.
async fn connect(mut client: TcpStream, mut states: watch::Receiver<State>) {
    let resets = states.borrow_and_update().resets;
    let mut connected = None;
    let mut reset = states.clone();
    let has_ended_in_order = tokio::select! {
        done = forward(&mut client, &mut connected, states) => done.is_ok(),
        // The sender is dropped with the link.
        _ = reset.wait_for(|state| state.resets != resets) => false,
    };
    if !has_ended_in_order {
        for side in [Some(&client), connected.as_ref()].into_iter().flatten() {
            // A socket that is closed already cannot be reset.
            let _ = side.set_zero_linger();
        }
    }
}

/// Forwards both directions to their ends. `connected` keeps the connection to the server for a reset.
async fn forward(
    client: &mut TcpStream,
    connected: &mut Option<TcpStream>,
    mut states: watch::Receiver<State>,
) -> std::io::Result<()> {
    wait_while_cut(&mut states).await?;
    let server = states.borrow().server;
    let server = connected.insert(TcpStream::connect(server).await?);
    server.set_nodelay(true)?;
    client.set_nodelay(true)?;
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let requests = forward_one_way(from_client, to_server, states.clone());
    tokio::try_join!(requests, forward_one_way(from_server, to_client, states)).map(drop)
}

async fn forward_one_way(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    mut states: watch::Receiver<State>,
) -> std::io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        let read = from.read(&mut piece).await;
        wait_while_cut(&mut states).await?;
        match read? {
            0 => return to.shutdown().await,
            length => to.write_all(&piece[..length]).await?,
        }
    }
}

async fn wait_while_cut(states: &mut watch::Receiver<State>) -> std::io::Result<()> {
    states.wait_for(|state| !state.is_cut).await.map(drop).map_err(std::io::Error::other)
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::time::Duration;

    use super::*;

    /// Far above the time of a message on loopback.
    const SILENCE: Duration = Duration::from_millis(100);

    /// A link with one connection: the client's side, the server's side.
    async fn connection() -> (Link, TcpListener, TcpStream, TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let link = Link::to(listener.local_addr().unwrap()).await.unwrap();
        let client = TcpStream::connect(link.address()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        (link, listener, client, server)
    }

    #[tokio::test]
    async fn data_and_the_end_arrive_on_the_other_side() {
        let (_link, _listener, mut client, mut server) = connection().await;
        client.write_all(b"question").await.unwrap();
        client.shutdown().await.unwrap();
        let mut text = String::new();
        server.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "question");
        server.write_all(b"answer").await.unwrap();
        drop(server);
        text.clear();
        client.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "answer");
    }

    #[tokio::test]
    async fn a_cut_link_is_silent_until_it_is_healed() {
        let (link, listener, mut client, mut server) = connection().await;
        link.cut();
        client.write_all(b"late").await.unwrap();
        drop(client);
        let mut late = TcpStream::connect(link.address()).await.unwrap();
        late.write_all(b"new").await.unwrap();
        assert!(tokio::time::timeout(SILENCE, server.read_u8()).await.is_err());
        assert!(tokio::time::timeout(SILENCE, listener.accept()).await.is_err());
        link.heal();
        let mut text = String::new();
        server.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "late");
        let (mut server, _) = listener.accept().await.unwrap();
        let mut bytes = [0; 3];
        server.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"new");
    }

    #[tokio::test]
    async fn a_reset_ends_both_sides_at_once_even_when_the_link_is_cut() {
        let (link, listener, mut client, mut server) = connection().await;
        link.cut();
        link.reset();
        // Of a connection that was reset before the other side's end was read, the system tells that end.
        for side in [&mut client, &mut server] {
            let end = side.read_u8().await.unwrap_err().kind();
            assert!(matches!(end, ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof), "{end:?}");
        }
        link.heal();
        TcpStream::connect(link.address()).await.unwrap();
        listener.accept().await.unwrap();
    }

    #[tokio::test]
    async fn a_redirected_link_resets_connections_and_leads_to_the_other_server() {
        let (link, _listener, mut client, _server) = connection().await;
        let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        link.redirect(other.local_addr().unwrap());
        assert_eq!(client.read_u8().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        TcpStream::connect(link.address()).await.unwrap();
        other.accept().await.unwrap();
    }

    #[tokio::test]
    async fn a_server_that_refuses_resets_the_client() {
        let (link, listener, client, server) = connection().await;
        drop((listener, client, server));
        let mut client = TcpStream::connect(link.address()).await.unwrap();
        assert_eq!(client.read_u8().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    }
}
