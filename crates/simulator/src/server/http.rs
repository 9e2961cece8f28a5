//! HTTP: method calls, long polls, downloads, and injected faults.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Path, RawQuery, State as Extract};
use axum::http::{HeaderMap, Response, StatusCode, header};
use axum::routing::{any, get};
use bytes::Bytes;
use futures::StreamExt;
use futures::stream;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::fault::{Call, Effect, FaultAction};
use super::methods::{Refused, execute};
use super::params::Params;
use super::refusal::Refusal;
use super::state::{CallOutcome, CallRecord, Method, State};

/// Maximum timeout of a long poll.
const MAX_POLL: Duration = Duration::from_secs(50);
/// Maximum request body in bytes: an upload of 50 MB and its parameters.
const MAX_BODY: usize = 51 * 1024 * 1024;

#[derive(Clone)]
struct Context {
    shared: Arc<Shared>,
    stopping: CancellationToken,
}

pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>, stopping: CancellationToken) {
    let router = Router::new()
        .route("/{bot}/{method}", any(method))
        .route("/file/{bot}/{*path}", get(download))
        .fallback(|| async { answer(Err(&Refusal::NotFound)) })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(Context { shared, stopping: stopping.clone() });
    let serving = axum::serve(listener, router).with_graceful_shutdown(stopping.clone().cancelled_owned());
    tokio::select! {
        outcome = serving => match outcome {
            Ok(()) => {}
            Err(error) => tracing::warn!(%error, "the simulated Bot API stopped"),
        },
        // An idle keep-alive connection would delay the graceful shutdown for ever.
        () = async { stopping.cancelled().await; tokio::time::sleep(Duration::from_secs(1)).await } => {}
    }
}

async fn method(
    Extract(Context { shared, stopping }): Extract<Context>,
    Path((bot, name)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    if bot.strip_prefix("bot") != Some(shared.settings.token.as_str()) {
        return answer(Err(&Refusal::Unauthorized));
    }
    let method = match name.parse::<Method>() {
        Ok(method) => method,
        Err(_) => return answer(Err(&Refusal::NotFound)),
    };
    let params = match Params::read(query.as_deref(), &headers, &body).await {
        Ok(params) => params,
        Err(refusal) => return answer(Err(&refusal)),
    };
    let call = Call { method, chat: params.chat(), text: params.text("text").unwrap_or_default() };
    let received = match intercept(&shared, &call).await {
        Ok(received) => received,
        Err(response) => return response,
    };
    let result = match method {
        Method::GetUpdates => poll(&shared, &stopping, &params, &received).await,
        Method::GetMe
        | Method::SendMessage
        | Method::EditMessageText
        | Method::EditMessageMedia
        | Method::EditMessageReplyMarkup
        | Method::EditMessageCaption
        | Method::SetMessageReaction
        | Method::DeleteMessage
        | Method::GetFile
        | Method::SendChatAction
        | Method::SetMyCommands
        | Method::AnswerCallbackQuery
        | Method::AnswerGuestQuery
        | Method::SendDocument
        | Method::SetWebhook
        | Method::DeleteWebhook
        | Method::GetWebhookInfo
        | Method::GetChat
        | Method::GetBusinessConnection
        | Method::GetChatMember
        | Method::Download => shared.change(|state| {
            let result = execute(&shared, state, method, &params);
            record(&shared, state, &call, &result, &received);
            result
        }),
    };
    let result = match (method, result) {
        (Method::GetFile, Ok(file)) => write_local_file(&shared, file).await,
        (_, result) => result,
    };
    let body = match result {
        Ok(result) => answer(Ok(result)),
        Err(refused) => answer(Err(&refused.refusal)),
    };
    alter_response(body, received.effect).await
}

/// For a server with local files: writes the file of a `getFile` result into the folder and gives its absolute path.
async fn write_local_file(shared: &Shared, mut file: Value) -> Result<Value, Refused> {
    let Some(folder) = &shared.settings.local_files else { return Ok(file) };
    let id = file["file_id"].as_str().unwrap_or_default();
    let (path, bytes) = shared
        .read(|state| state.files.get(id).map(|stored| (folder.join(&stored.path), stored.bytes.clone())))
        .ok_or(Refusal::FILE_NOT_FOUND)?;
    let written = async {
        if let Some(parent) = path.parent() {
            tokio::fs::create_dir_all(parent).await?;
        }
        tokio::fs::write(&path, &bytes).await
    };
    if let Err(error) = written.await {
        tracing::warn!(%error, "the simulated Bot API cannot write a file");
        return Err(Refusal::Server { code: 500, description: "Internal Server Error" }.into());
    }
    file["file_path"] = json!(path);
    Ok(file)
}

async fn download(
    Extract(Context { shared, .. }): Extract<Context>,
    Path((bot, path)): Path<(String, String)>,
) -> Response<Body> {
    if bot.strip_prefix("bot") != Some(shared.settings.token.as_str()) {
        return answer(Err(&Refusal::Unauthorized));
    }
    let call = Call { method: Method::Download, chat: None, text: "" };
    let received = match intercept(&shared, &call).await {
        Ok(received) => received,
        Err(response) => return response,
    };
    let bytes = shared.change(|state| {
        let now = shared.now();
        if matches!(received.effect, Effect::Expire) {
            state.links.remove(&path);
        }
        let live = state.links.get(&path).filter(|link| now < link.expires && shared.settings.local_files.is_none());
        let bytes = live.and_then(|link| state.files.get(&link.file)).map(|file| file.bytes.clone());
        let result = bytes.as_ref().map(|_| Value::Null).ok_or_else(|| Refusal::NotFound.into());
        record(&shared, state, &call, &result, &received);
        bytes
    });
    match bytes {
        Some(bytes) => alter_response(reply(StatusCode::OK, "application/octet-stream", bytes), received.effect).await,
        None => answer(Err(&Refusal::NotFound)),
    }
}

/// A call that reaches Telegram, whatever happens to its response.
struct ReceivedCall {
    came: Duration,
    effect: Effect,
}

/// Applies the fault before the call, if there is one. `Err` is the response to a call that never reached Telegram.
async fn intercept(shared: &Shared, call: &Call<'_>) -> Result<ReceivedCall, Response<Body>> {
    let came = shared.now();
    let Some(fault) = shared.fault() else { return Ok(ReceivedCall { came, effect: Effect::Pass }) };
    let FaultAction { delay, effect } = fault.inject(call);
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    let name = effect.name();
    let (outcome, response) = match effect {
        Effect::Pass
        | Effect::BreakAfter
        | Effect::Mute(_)
        | Effect::Slow { .. }
        | Effect::Cut(_)
        | Effect::Short(_)
        | Effect::Longer(_)
        | Effect::Swap(_)
        | Effect::Expire => return Ok(ReceivedCall { came, effect }),
        Effect::Refuse(refusal) => {
            let response = answer(Err(&refusal));
            (CallOutcome::Refused(refusal), response)
        }
        Effect::Answer(status, body) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (CallOutcome::Intercepted, reply(status, "text/html", Bytes::from_static(body.as_bytes())))
        }
        Effect::BreakBefore => (CallOutcome::Intercepted, broken()),
    };
    shared.change(|state| {
        let now = shared.now();
        let (method, chat) = (call.method, call.chat);
        let impatient = chat.is_some_and(|chat| is_rate_limited(method) && state.flood.is_closed(chat, now));
        if let (CallOutcome::Refused(refusal), Some(chat)) = (&outcome, chat)
            && let Some(wait) = refusal.retry_after()
        {
            state.flood.close(chat, now + wait);
        }
        state.calls.push(CallRecord { method, chat, came, at: now, fault: name, outcome, impatient });
    });
    Err(response)
}

/// Whether the rate limits count a method.
fn is_rate_limited(method: Method) -> bool {
    matches!(
        method,
        Method::SendMessage
            | Method::SendDocument
            | Method::EditMessageText
            | Method::EditMessageMedia
            | Method::EditMessageCaption
            | Method::EditMessageReplyMarkup
    )
}

fn record(
    shared: &Shared,
    state: &mut State,
    call: &Call<'_>,
    result: &Result<Value, Refused>,
    received: &ReceivedCall,
) {
    let (outcome, impatient) = match (result, &received.effect) {
        (Ok(_), Effect::BreakAfter | Effect::Mute(_) | Effect::Cut(_) | Effect::Short(_)) => {
            (CallOutcome::AcceptedResponseLost, false)
        }
        (Ok(_), _) => (CallOutcome::Accepted, false),
        (Err(refused), _) => (CallOutcome::Refused(refused.refusal.clone()), refused.impatient),
    };
    let (came, at, fault) = (received.came, shared.now(), received.effect.name());
    state.calls.push(CallRecord { method: call.method, chat: call.chat, came, at, fault, outcome, impatient });
}

/// Applies the fault to the response.
async fn alter_response(response: Response<Body>, effect: Effect) -> Response<Body> {
    match effect {
        Effect::Pass | Effect::Refuse(_) | Effect::Answer(..) | Effect::BreakBefore | Effect::Expire => response,
        Effect::BreakAfter => broken(),
        Effect::Mute(wait) => {
            tokio::time::sleep(wait).await;
            broken()
        }
        Effect::Short(length) => with_body(response, |bytes| bytes.truncate(length)).await,
        Effect::Longer(more) => with_body(response, |bytes| bytes.resize(bytes.len() + more, 0)).await,
        Effect::Swap(other) => with_body(response, |bytes| *bytes = other.into()).await,
        Effect::Slow { piece, pause } => {
            let (mut parts, body) = response.into_parts();
            parts.headers.remove(header::CONTENT_LENGTH);
            let pieces = body.into_data_stream().flat_map(move |bytes| {
                let mut bytes = bytes.unwrap_or_default();
                let count = bytes.len().div_ceil(piece.max(1));
                let pieces: Vec<_> = (0..count).map(|_| bytes.split_to(piece.max(1).min(bytes.len()))).collect();
                stream::iter(pieces)
            });
            let paced = pieces.then(move |bytes| async move {
                tokio::time::sleep(pause).await;
                Ok::<_, Infallible>(bytes)
            });
            Response::from_parts(parts, Body::from_stream(paced))
        }
        Effect::Cut(length) => {
            let (mut parts, body) = response.into_parts();
            parts.headers.remove(header::CONTENT_LENGTH);
            let head = body.into_data_stream().scan(length, |left, bytes| {
                let bytes = bytes.unwrap_or_default();
                let kept = bytes.slice(..bytes.len().min(*left));
                *left -= kept.len();
                std::future::ready((!kept.is_empty()).then_some(Ok(kept)))
            });
            let cut = head.chain(stream::once(async {
                // While the body is pending, the bytes written so far are sent.
                tokio::task::yield_now().await;
                Err(std::io::Error::other("cut on purpose"))
            }));
            Response::from_parts(parts, Body::from_stream(cut))
        }
    }
}

/// The response with a changed body.
async fn with_body(response: Response<Body>, change: impl FnOnce(&mut Vec<u8>)) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    let mut bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default().to_vec();
    change(&mut bytes);
    Response::from_parts(parts, Body::from(bytes))
}

/// `getUpdates`: confirms the updates before the offset, then waits for updates to deliver.
async fn poll(
    shared: &Shared,
    stopping: &CancellationToken,
    params: &Params,
    received: &ReceivedCall,
) -> Result<Value, Refused> {
    let timeout = Duration::from_secs(params.integer("timeout").unwrap_or(0).max(0).cast_unsigned());
    let deadline = Instant::now() + timeout.min(MAX_POLL);
    let limit = params.integer("limit").unwrap_or(100).clamp(1, 100).cast_unsigned() as usize;
    let offset = params.integer("offset").unwrap_or(0);

    let mut changes = shared.changed.subscribe();
    let mine = shared.change(|state| {
        state.poll += 1;
        state.allow(params);
        if state.webhook.is_none() {
            confirm(state, offset, shared.now());
        }
        state.poll
    });
    loop {
        changes.borrow_and_update();
        let over = Instant::now() >= deadline || stopping.is_cancelled();
        let found = shared.read(|state| state.poll != mine || state.webhook.is_some() || !state.pending.is_empty());
        if found || over {
            let call = Call { method: Method::GetUpdates, chat: None, text: "" };
            return shared.change(|state| {
                let result = if state.webhook.is_some() {
                    Err(Refusal::WebhookActive.into())
                } else if state.poll == mine {
                    Ok(deliver(state, limit, shared.now()))
                } else {
                    Err(Refusal::Conflict.into())
                };
                record(shared, state, &call, &result, received);
                result
            });
        }
        tokio::select! {
            _ = changes.changed() => {}
            () = tokio::time::sleep_until(deadline) => {}
            () = stopping.cancelled() => {}
        }
    }
}

fn confirm(state: &mut State, offset: i64, now: Duration) {
    let keep_last = usize::try_from(-offset).ok().filter(|_| offset < 0);
    while state.pending.front().is_some_and(|update| match keep_last {
        Some(count) => state.pending.len() > count,
        None => update.id < offset,
    }) {
        if let Some(mut update) = state.pending.pop_front() {
            update.confirmed = Some(now);
            state.confirmed.push(update);
        }
    }
}

fn deliver(state: &mut State, limit: usize, now: Duration) -> Value {
    let updates = state.pending.iter_mut().take(limit).map(|update| {
        update.delivered.push(now);
        let mut json = update.content.clone();
        json["update_id"] = json!(update.id);
        json
    });
    updates.collect()
}

fn answer(result: Result<Value, &Refusal>) -> Response<Body> {
    let (status, body) = match result {
        Ok(result) => (StatusCode::OK, json!({ "ok": true, "result": result })),
        Err(refusal) => {
            (StatusCode::from_u16(refusal.code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), refusal.body())
        }
    };
    reply(status, "application/json", Bytes::from(body.to_string()))
}

fn reply(status: StatusCode, kind: &'static str, body: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    response
}

/// A body that fails at once, so that the server closes the connection without a response.
fn broken() -> Response<Body> {
    Response::new(Body::from_stream(stream::once(async {
        Err::<Bytes, _>(std::io::Error::other("broken on purpose"))
    })))
}
