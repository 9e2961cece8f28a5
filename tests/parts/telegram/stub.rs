//! The scripted server.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::Response;
use futures::StreamExt as _;
use futures::stream;
use serde_json::Value;
use stenobot_telegram::{Call, Client};
use tokio::sync::Notify;

use super::TOKEN;

/// One answer of the server.
pub(super) enum Answer {
    /// A whole body.
    Whole(u16, Vec<u8>),
    /// A body with this announced length that breaks off after these bytes.
    Cut(usize, Vec<u8>),
    /// These bytes at first, then nothing, with the connection held open.
    Stall(Vec<u8>),
    /// Bytes without end and without an announced length.
    Endless,
    /// A redirect to this address.
    Redirect(String),
    /// No answer at all.
    Silence,
}

impl Answer {
    pub(super) fn json(status: u16, body: Value) -> Self {
        Self::Whole(status, body.to_string().into_bytes())
    }

    pub(super) fn ok(result: Value) -> Self {
        Self::json(200, serde_json::json!({"ok": true, "result": result}))
    }

    pub(super) fn refusal(code: u16, description: &str) -> Self {
        Self::json(code, serde_json::json!({"ok": false, "error_code": code, "description": description}))
    }
}

/// A request that the server received.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) path: String,
    pub(super) body: Value,
}

#[derive(Clone)]
pub(super) struct Stub(Arc<Inner>);

struct Inner {
    address: std::net::SocketAddr,
    answers: Mutex<VecDeque<Answer>>,
    asked: Mutex<Vec<Asked>>,
    calls: Mutex<Vec<Call>>,
    received: Notify,
}

impl Stub {
    /// Gives the answers in turn.
    pub(super) async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stub = Self(Arc::new(Inner {
            address: listener.local_addr().unwrap(),
            answers: Mutex::new(answers.into_iter().collect()),
            asked: Mutex::default(),
            calls: Mutex::default(),
            received: Notify::new(),
        }));
        let router = axum::Router::new().fallback(answer).with_state(stub.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        stub
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.0.address)
    }

    /// A client for this server; its calls are noted.
    pub(super) fn client(&self) -> Client {
        let url = self.url().parse().unwrap();
        let stub = self.clone();
        let observe = Arc::new(move |call: &Call| stub.0.calls.lock().unwrap().push(*call));
        Client::new(url, TOKEN, observe).unwrap().with_commands(vec!["start", "help", "ban", "auto", "transcribe"])
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        self.0.asked.lock().unwrap().clone()
    }

    pub(super) fn calls(&self) -> Vec<Call> {
        self.0.calls.lock().unwrap().clone()
    }

    /// Until the server has received `count` requests.
    pub(super) async fn received(&self, count: usize) {
        loop {
            let received = self.0.received.notified();
            if self.asked().len() >= count {
                return;
            }
            received.await;
        }
    }
}

async fn answer(State(stub): State<Stub>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    stub.0.asked.lock().unwrap().push(Asked { path, body });
    stub.0.received.notify_one();
    let answer = stub.0.answers.lock().unwrap().pop_front();
    let response = Response::builder();
    let piece = |bytes: Vec<u8>| Ok::<_, std::io::Error>(Bytes::from(bytes));
    match answer.unwrap_or_else(|| Answer::refusal(500, "Internal Server Error: the script is over")) {
        Answer::Whole(status, body) => {
            response.status(StatusCode::from_u16(status).unwrap()).body(Body::from(body)).unwrap()
        }
        Answer::Cut(announced, bytes) => {
            let broken = Err(std::io::Error::other("as the script says"));
            let body = stream::iter([piece(bytes), broken]);
            response.header(header::CONTENT_LENGTH, announced).body(Body::from_stream(body)).unwrap()
        }
        Answer::Stall(bytes) => {
            let body = stream::iter([piece(bytes)]).chain(stream::pending());
            response.body(Body::from_stream(body)).unwrap()
        }
        Answer::Endless => {
            let body = stream::repeat_with(|| Ok::<_, Infallible>(Bytes::from_static(&[7; 4096])));
            response.body(Body::from_stream(body)).unwrap()
        }
        Answer::Redirect(to) => response.status(302).header(header::LOCATION, to).body(Body::empty()).unwrap(),
        Answer::Silence => std::future::pending().await,
    }
}
