//! Connections: the way in, long polls, downloads, and the faults between.

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
use super::fault::{Call, Effect, Verdict};
use super::methods::{Refused, carry_out};
use super::params::Params;
use super::refusal::Refusal;
use super::state::{CallRecord, Method, Outcome, State};

/// Longest long poll that Telegram grants.
const LONGEST_POLL: Duration = Duration::from_secs(50);
/// Largest request body: a file of 50 MB with what is around it, so that a larger file is refused as Telegram does.
const BODY_LIMIT: usize = 51 * 1024 * 1024;

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
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(Context { shared, stopping: stopping.clone() });
    let serving = axum::serve(listener, router).with_graceful_shutdown(stopping.clone().cancelled_owned());
    tokio::select! {
        outcome = serving => match outcome {
            Ok(()) => {}
            Err(error) => tracing::warn!(%error, "the simulated Bot API stopped"),
        },
        // A client that keeps an idle connection would hold the graceful end up for ever.
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
    let (method, params) = match name
        .parse::<Method>()
        .and_then(|method| Params::read(query.as_deref(), &headers, &body).map(|params| (method, params)))
    {
        Ok(known) => known,
        Err(refusal) => return answer(Err(&refusal)),
    };
    let call = Call { method, chat: params.chat(), text: params.text("text").unwrap_or_default() };
    let met = match before(&shared, &call).await {
        Ok(met) => met,
        Err(response) => return response,
    };
    let result = match method {
        Method::GetUpdates => poll(&shared, &stopping, &params, &met).await,
        Method::GetMe
        | Method::SendMessage
        | Method::EditMessageText
        | Method::EditMessageReplyMarkup
        | Method::DeleteMessage
        | Method::GetFile
        | Method::SendChatAction
        | Method::SetMyCommands
        | Method::AnswerCallbackQuery
        | Method::SendDocument
        | Method::DeleteWebhook
        | Method::GetWebhookInfo
        | Method::GetChat
        | Method::GetChatMember
        | Method::Download => shared.change(|state| {
            let result = carry_out(&shared, state, method, &params);
            log(&shared, state, &call, &result, &met);
            result
        }),
    };
    let result = match (method, result) {
        (Method::GetFile, Ok(file)) => lay_down(&shared, file).await,
        (_, result) => result,
    };
    let body = match result {
        Ok(result) => answer(Ok(result)),
        Err(refused) => answer(Err(&refused.refusal)),
    };
    after(body, met.effect).await
}

/// Where files are local, puts the one that `getFile` tells of into the folder, and tells its absolute path instead.
async fn lay_down(shared: &Shared, mut file: Value) -> Result<Value, Refused> {
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
    let met = match before(&shared, &call).await {
        Ok(met) => met,
        Err(response) => return response,
    };
    let bytes = shared.change(|state| {
        let now = shared.now();
        if matches!(met.effect, Effect::Expire) {
            state.links.remove(&path);
        }
        let live = state.links.get(&path).filter(|link| now < link.expires && shared.settings.local_files.is_none());
        let bytes = live.and_then(|link| state.files.get(&link.file)).map(|file| file.bytes.clone());
        let result = bytes.as_ref().map(|_| Value::Null).ok_or_else(|| Refusal::NotFound.into());
        log(&shared, state, &call, &result, &met);
        bytes
    });
    match bytes {
        Some(bytes) => after(reply(StatusCode::OK, "application/octet-stream", bytes), met.effect).await,
        None => answer(Err(&Refusal::NotFound)),
    }
}

/// A call that Telegram takes, in spite of what comes after.
struct Met {
    came: Duration,
    effect: Effect,
}

/// Asks the fault, if there is one. An `Err` is the response to a call that Telegram never took.
async fn before(shared: &Shared, call: &Call<'_>) -> Result<Met, Response<Body>> {
    let came = shared.now();
    let Some(fault) = shared.fault() else { return Ok(Met { came, effect: Effect::Pass }) };
    let Verdict { delay, effect } = fault.strike(call);
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
        | Effect::Expire => return Ok(Met { came, effect }),
        Effect::Refuse(refusal) => {
            let response = answer(Err(&refusal));
            (Outcome::Refused(refusal), response)
        }
        Effect::Answer(status, body) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (Outcome::Struck, reply(status, "text/html", Bytes::from_static(body.as_bytes())))
        }
        Effect::BreakBefore => (Outcome::Struck, broken()),
    };
    shared.change(|state| {
        let now = shared.now();
        let (method, chat) = (call.method, call.chat);
        let impatient = chat.is_some_and(|chat| writes(method) && state.flood.is_closed(chat, now));
        if let (Outcome::Refused(refusal), Some(chat)) = (&outcome, chat)
            && let Some(wait) = refusal.pause()
        {
            state.flood.close(chat, now + wait);
        }
        state.calls.push(CallRecord { method, chat, came, at: now, fault: name, outcome, impatient });
    });
    Err(response)
}

/// Methods that the flood limits count.
fn writes(method: Method) -> bool {
    matches!(
        method,
        Method::SendMessage | Method::SendDocument | Method::EditMessageText | Method::EditMessageReplyMarkup
    )
}

fn log(shared: &Shared, state: &mut State, call: &Call<'_>, result: &Result<Value, Refused>, met: &Met) {
    let (outcome, impatient) = match (result, &met.effect) {
        (Ok(_), Effect::BreakAfter | Effect::Mute(_) | Effect::Cut(_) | Effect::Short(_)) => {
            (Outcome::TakenUnheard, false)
        }
        (Ok(_), _) => (Outcome::Taken, false),
        (Err(refused), _) => (Outcome::Refused(refused.refusal.clone()), refused.impatient),
    };
    let (came, at, fault) = (met.came, shared.now(), met.effect.name());
    state.calls.push(CallRecord { method: call.method, chat: call.chat, came, at, fault, outcome, impatient });
}

/// Applies what a fault does to a ready answer.
async fn after(response: Response<Body>, effect: Effect) -> Response<Body> {
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
                // While the body is pending, what was written so far is sent.
                tokio::task::yield_now().await;
                Err(std::io::Error::other("cut on purpose"))
            }));
            Response::from_parts(parts, Body::from_stream(cut))
        }
    }
}

/// The same response with a body that was changed.
async fn with_body(response: Response<Body>, change: impl FnOnce(&mut Vec<u8>)) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    let mut bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default().to_vec();
    change(&mut bytes);
    Response::from_parts(parts, Body::from(bytes))
}

/// `getUpdates`: confirms what lies before the offset, then waits for something to hand out.
async fn poll(shared: &Shared, stopping: &CancellationToken, params: &Params, met: &Met) -> Result<Value, Refused> {
    let timeout = Duration::from_secs(params.integer("timeout").unwrap_or(0).max(0).cast_unsigned());
    let deadline = Instant::now() + timeout.min(LONGEST_POLL);
    let limit = params.integer("limit").unwrap_or(100).clamp(1, 100).cast_unsigned() as usize;
    let offset = params.integer("offset").unwrap_or(0);
    let allowed = params.json("allowed_updates").and_then(|kinds| kinds.as_array().cloned());

    let mut changes = shared.changed.subscribe();
    let mine = shared.change(|state| {
        state.poll += 1;
        if let Some(kinds) = allowed {
            let kinds = kinds.iter().filter_map(Value::as_str).map(str::to_owned).collect();
            state.allowed_updates = Some(kinds).filter(|kinds: &std::collections::HashSet<_>| !kinds.is_empty());
        }
        confirm(state, offset, shared.now());
        state.poll
    });
    loop {
        changes.borrow_and_update();
        let over = Instant::now() >= deadline || stopping.is_cancelled();
        let found = shared.read(|state| state.poll != mine || !state.pending.is_empty());
        if found || over {
            let call = Call { method: Method::GetUpdates, chat: None, text: "" };
            return shared.change(|state| {
                let result = if state.poll == mine {
                    Ok(hand_out(state, limit, shared.now()))
                } else {
                    Err(Refusal::Conflict.into())
                };
                log(shared, state, &call, &result, met);
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
    while state.pending.front().is_some_and(|offer| match keep_last {
        Some(count) => state.pending.len() > count,
        None => offer.id < offset,
    }) {
        if let Some(mut offer) = state.pending.pop_front() {
            offer.confirmed = Some(now);
            state.confirmed.push(offer);
        }
    }
}

fn hand_out(state: &mut State, limit: usize, now: Duration) -> Value {
    let updates = state.pending.iter_mut().take(limit).map(|offer| {
        offer.offered.push(now);
        let mut update = offer.update.clone();
        update["update_id"] = json!(offer.id);
        update
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

/// A body that fails at once: the server closes the connection before it has written a word.
fn broken() -> Response<Body> {
    Response::new(Body::from_stream(stream::once(async {
        Err::<Bytes, _>(std::io::Error::other("broken on purpose"))
    })))
}
