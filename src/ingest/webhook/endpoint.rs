//! The HTTP side of the webhook: one update a request, acknowledged by 200 once it is ingested. Anything else is a reason for
//! Telegram to send the update again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use metrics::counter;
use stenobot_store::Store;
use stenobot_telegram::{Client, Incoming, MAX_WEBHOOK_CONNECTIONS, WebhookSecret};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::metrics::{self as names, WebhookOutcome};

/// Largest body that is read; an update has a few kilobytes.
const MAX_BODY: usize = 1 << 20;
/// From the head of a request to the end of its body.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);
/// Requests with the secret at once; a proxy may hold some that Telegram has given up.
const MAX_REQUESTS: usize = 2 * MAX_WEBHOOK_CONNECTIONS as usize;
/// Seconds until Telegram should send an update again.
const RETRY_AFTER: &str = "2";

const SECRET_HEADER: &str = "x-telegram-bot-api-secret-token";

/// An update for the inbox.
pub(super) struct Delivery {
    pub(super) update: Incoming,
    /// Whether it is ingested.
    pub(super) done: oneshot::Sender<bool>,
}

/// Shared by all requests.
pub(super) struct Endpoint {
    path: String,
    secret: WebhookSecret,
    client: Client,
    store: Store,
    deliveries: mpsc::Sender<Delivery>,
    permits: Semaphore,
    stop: CancellationToken,
    has_logged_unreadable: AtomicBool,
}

impl Endpoint {
    pub(super) fn new(
        path: &str,
        secret: WebhookSecret,
        client: Client,
        store: Store,
        deliveries: mpsc::Sender<Delivery>,
        stop: CancellationToken,
    ) -> Self {
        Self {
            path: path.to_owned(),
            secret,
            client,
            store,
            deliveries,
            permits: Semaphore::new(MAX_REQUESTS),
            stop,
            has_logged_unreadable: AtomicBool::new(false),
        }
    }

    /// Paths are compared here: a router's patterns give some characters a meaning.
    pub(super) fn into_router(self) -> Router {
        Router::new().fallback(answer).with_state(Arc::new(self))
    }

    async fn receive(&self, request: Request) -> WebhookOutcome {
        let (head, body) = request.into_parts();
        if head.method != Method::POST || head.uri.path() != self.path {
            return WebhookOutcome::NotFound;
        }
        let secret = head.headers.get(SECRET_HEADER);
        if !secret.is_some_and(|secret| self.secret.matches(secret.as_bytes())) {
            return WebhookOutcome::Unauthorized;
        }
        let Ok(_permit) = self.permits.try_acquire() else { return WebhookOutcome::Unavailable };
        let reading = tokio::time::timeout(BODY_TIMEOUT, read(&head.headers, body));
        let body = match self.stop.run_until_cancelled(reading).await {
            None => return WebhookOutcome::Unavailable,
            Some(Err(_)) => return WebhookOutcome::TooSlow,
            Some(Ok(None)) => return WebhookOutcome::TooLarge,
            Some(Ok(Some(body))) => body,
        };
        let Some(update) = self.client.read_update(&body) else {
            if !self.has_logged_unreadable.swap(true, Ordering::Relaxed) {
                tracing::warn!("a request to the webhook is no update; further ones are only counted");
            }
            return WebhookOutcome::Unreadable;
        };
        let (done, is_ingested) = oneshot::channel();
        let ingest = async {
            self.deliveries.send(Delivery { update, done }).await.is_ok() && is_ingested.await.unwrap_or(false)
        };
        // A bot that is cut off from the store says so at once: another may take the update.
        match self.store.while_reachable(ingest).await {
            Some(true) => WebhookOutcome::Ingested,
            Some(false) | None => WebhookOutcome::Unavailable,
        }
    }
}

/// The whole body; `None` where it is too large, or the connection broke, so that the answer is never read.
async fn read(headers: &HeaderMap, body: Body) -> Option<axum::body::Bytes> {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > MAX_BODY) {
        return None;
    }
    to_bytes(body, MAX_BODY).await.ok()
}

async fn answer(State(endpoint): State<Arc<Endpoint>>, request: Request) -> Response {
    let outcome = endpoint.receive(request).await;
    counter!(names::WEBHOOK_REQUESTS, "outcome" => outcome.as_str()).increment(1);
    match outcome {
        WebhookOutcome::Ingested => StatusCode::OK.into_response(),
        WebhookOutcome::NotFound => StatusCode::NOT_FOUND.into_response(),
        WebhookOutcome::Unauthorized => StatusCode::UNAUTHORIZED.into_response(),
        WebhookOutcome::TooLarge => StatusCode::PAYLOAD_TOO_LARGE.into_response(),
        WebhookOutcome::TooSlow => StatusCode::REQUEST_TIMEOUT.into_response(),
        WebhookOutcome::Unreadable => StatusCode::BAD_REQUEST.into_response(),
        WebhookOutcome::Unavailable => {
            (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, RETRY_AFTER)]).into_response()
        }
    }
}
