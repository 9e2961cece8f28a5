//! Serves HTTP to untrusted clients: the connections of a listener are bounded, and each is closed when a request does not
//! come in time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Connections of one listener at once: file descriptors that clients can take from the rest of the process.
const MAX_CONNECTIONS: usize = 64;

/// From the connection, or the answer before, until a request's head is complete.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// Age from which a connection without a request can be evicted: a burst of clients is no attack.
const MIN_SILENCE: Duration = Duration::from_millis(100);

/// Wait after a connection could not be accepted for want of file descriptors or memory.
const ACCEPT_RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Serves `router` until `stop`, then ends the requests that are under way. Dropping the future closes every connection.
///
/// At [`MAX_CONNECTIONS`] a new connection evicts the oldest that has made no request for [`MIN_SILENCE`], else of
/// the oldest that waits between two requests. Where there is none, it waits until there is.
pub(crate) async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let mut tasks = JoinSet::new();
    let mut open: Vec<Connection> = Vec::with_capacity(MAX_CONNECTIONS);
    let answered = Arc::new(Notify::new());
    loop {
        open.retain(|connection| !connection.task.is_finished());
        let has_room = open.len() < MAX_CONNECTIONS || victim(&open).is_some();
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            // A connection has ended, or only waits from now on.
            Some(_) = tasks.join_next() => continue,
            () = answered.notified(), if !has_room => continue,
            () = tokio::time::sleep(MIN_SILENCE / 5), if !has_room => continue,
            accepted = listener.accept(), if has_room => accepted,
        };
        let Ok((stream, _)) = accepted else {
            let pause = tokio::time::sleep(ACCEPT_RETRY_INTERVAL);
            let _ = stop.run_until_cancelled(pause).await;
            continue;
        };
        while open.len() >= MAX_CONNECTIONS {
            let Some(victim) = victim(&open) else { break };
            open.remove(victim).task.abort();
        }
        let state = Arc::new(State { answered: answered.clone(), ..State::default() });
        let task = tasks.spawn(serve_connection(stream, router.clone(), state.clone(), stop.clone()));
        open.push(Connection { task, state, since: Instant::now() });
    }
    drop(listener);
    while tasks.join_next().await.is_some() {}
}

/// Index of the connection that a new one evicts.
fn victim(open: &[Connection]) -> Option<usize> {
    let has_asked = |connection: &Connection| connection.state.has_asked.load(Ordering::Relaxed);
    let is_busy = |connection: &Connection| connection.state.is_busy.load(Ordering::Relaxed);
    let silent = open.iter().position(|connection| !has_asked(connection) && connection.since.elapsed() >= MIN_SILENCE);
    silent.or_else(|| open.iter().position(|connection| has_asked(connection) && !is_busy(connection)))
}

/// A connection that may have ended, in the order in which they were accepted.
struct Connection {
    task: AbortHandle,
    state: Arc<State>,
    since: Instant,
}

/// State of a connection that its task shares with the listener.
#[derive(Debug, Default)]
struct State {
    /// Whether the head of a request has come.
    has_asked: AtomicBool,
    /// Whether a request is under way, up to the head of its answer.
    is_busy: AtomicBool,
    /// Woken when a request ends.
    answered: Arc<Notify>,
}

async fn serve_connection(stream: TcpStream, router: Router, state: Arc<State>, stop: CancellationToken) {
    let noted = state.clone();
    let track = middleware::from_fn(move |request: Request, next: Next| {
        let state = noted.clone();
        async move {
            state.has_asked.store(true, Ordering::Relaxed);
            state.is_busy.store(true, Ordering::Relaxed);
            let response = next.run(request).await;
            state.is_busy.store(false, Ordering::Relaxed);
            state.answered.notify_one();
            response
        }
    });
    let service = TowerToHyperService::new(router.layer(track));
    // HTTP/1 alone: the detection of the version waits for the first bytes without a timeout.
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    // Errors of a connection concern its client only.
    let ended = stop.run_until_cancelled(connection.as_mut()).await;
    if ended.is_none() && state.has_asked.load(Ordering::Relaxed) {
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn start() -> (std::net::SocketAddr, CancellationToken, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let router = Router::new().route("/", get(async || "here")).route("/never", get(std::future::pending::<()>));
        (address, stop.clone(), tokio::spawn(serve(listener, router, stop)))
    }

    /// What comes until the server closes the connection.
    async fn rest(stream: &mut TcpStream) -> String {
        let mut bytes = Vec::new();
        // A reset is an end too.
        let _ = stream.read_to_end(&mut bytes).await;
        String::from_utf8(bytes).unwrap()
    }

    async fn ask(address: std::net::SocketAddr) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
        rest(&mut stream).await
    }

    #[tokio::test]
    async fn a_new_connection_evicts_one_without_a_request() {
        let (address, _stop, _server) = start().await;
        let mut asking = TcpStream::connect(address).await.unwrap();
        asking.write_all(b"GET /never HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut held = Vec::new();
        for _ in 0..3 * MAX_CONNECTIONS {
            let mut half = TcpStream::connect(address).await.unwrap();
            half.write_all(b"GET / HTTP/1.1\r\nx-half: ").await.unwrap();
            held.push(half);
        }
        assert!(ask(address).await.ends_with("here"));
        for old in &mut held[..2 * MAX_CONNECTIONS] {
            assert_eq!(rest(old).await, "", "the oldest are closed");
        }
        let mut byte = [0];
        let waiting = futures::poll!(std::pin::pin!(asking.read(&mut byte)));
        assert!(waiting.is_pending(), "a request under way goes on");
    }

    #[tokio::test]
    async fn more_requests_than_connections_are_all_answered() {
        let (address, _stop, _server) = start().await;
        let answers = futures::future::join_all((0..5 * MAX_CONNECTIONS).map(|_| ask(address))).await;
        assert!(answers.iter().all(|answer| answer.ends_with("here")));
    }

    #[tokio::test]
    async fn a_connection_is_closed_without_a_complete_head_and_when_idle() {
        let (address, _stop, _server) = start().await;
        let mut silent = TcpStream::connect(address).await.unwrap();
        let mut half = TcpStream::connect(address).await.unwrap();
        half.write_all(b"GET / HTTP/1.1\r\nx-half: ").await.unwrap();
        let mut idle = TcpStream::connect(address).await.unwrap();
        idle.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut answer = vec![0; 12];
        idle.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, b"HTTP/1.1 200");
        // All three connections are served by now. From here on the clock runs as soon as everything waits.
        tokio::time::pause();
        assert_eq!(rest(&mut silent).await, "");
        assert!(!rest(&mut half).await.contains("200"));
        assert!(rest(&mut idle).await.ends_with("here"), "and then it is closed");
    }

    #[tokio::test]
    async fn a_stop_lets_requests_end_and_closes_idle_connections() {
        let (address, stop, server) = start().await;
        let mut idle = TcpStream::connect(address).await.unwrap();
        assert!(ask(address).await.ends_with("here"));
        stop.cancel();
        server.await.unwrap();
        assert_eq!(rest(&mut idle).await, "");
    }
}
