//! A request takes its place in the queue, and its sender is told which, and how long it will take: the audio
//! ahead of it times what this machine has lately needed for a second of audio.

use std::collections::HashMap;
use std::time::Duration;

use stenobot_domain::{ChatId, MessageId, RequestId, StageName};
use stenobot_store::{IncomingAudio, StoreError};
use stenobot_telegram::{OutgoingMessage, StatusText, TelegramError, ThreadId};
use tokio::sync::watch;
use tokio::time::Instant;

use super::chats::Unreachable;
use super::estimate::real_time_factor;
use super::{Context, Flow};
use crate::request::{Downloaded, Queued, Request, Stage};

/// Positions are looked at this often at most: changes come in bursts.
const SETTLE: Duration = Duration::from_millis(500);
/// When something could not be shown yet.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Puts a downloaded request into the queue.
pub(super) async fn one(context: &Context, request: Request<Downloaded>) -> Result<(), StoreError> {
    let queued = request.advance(&context.store, Queued::default()).await?;
    tracing::debug!(request = queued.id().0, "queued");
    Ok(())
}

/// Sends the message that shows a request's state, unless there is one; gives its chat, which is another one than the
/// request's if that has moved. The state is optional, the answer is not: a failure matters only if it says that there
/// can be no answer.
pub(super) async fn ensure_status<S: Stage>(
    context: &Context,
    request: &Request<S>,
    note: &OutgoingMessage,
) -> Result<Option<(ChatId, MessageId)>, Unreachable> {
    let (chat, thread) = (request.chat(), request.thread().map(ThreadId));
    if context.is_closed(chat, thread, request.received_at()) {
        return Err(Unreachable::WriteForbidden);
    }
    if request.status_message().is_some() {
        return Ok(None);
    }
    let sent = match context.client.send(chat, thread, request.reply_to(), note).await {
        // In the store before anything is sent there: the message would belong to no chat after a crash.
        Err(TelegramError::ChatMoved(to)) if context.follow_move(chat, to).await.is_ok() => {
            context.client.send(to, None, None, note).await.map(|message| (to, message))
        }
        sent => sent.map(|message| (chat, message)),
    };
    match sent {
        Ok(sent) => Ok(Some(sent)),
        Err(error) => match Unreachable::of(&error) {
            Some(why) => Err(why),
            None => {
                tracing::debug!(request = request.id().0, %error, "the state is not shown");
                Ok(None)
            }
        },
    }
}

/// Tells the sender of a request that gets its text from another where it stands: it is never downloaded, so that no
/// other message of its own would. Beside the admission, which does not wait for Telegram.
pub(super) fn set_coalesced_status_message(context: &Context, id: RequestId, to: RequestId, arrival: &IncomingAudio) {
    let (own, arrival) = (context.clone(), arrival.clone());
    let greet = async move {
        let places = places(&own).await?;
        let Some(place) = places.iter().find(|place| place.request.id == to) else { return Ok(()) };
        let text = position(place.position, place.wait, is_paused(&own));
        let note = own.state(id, arrival.locale.as_deref(), &text);
        let thread = arrival.thread.map(ThreadId);
        if let Ok(message) = own.client.send(arrival.chat, thread, arrival.reply_to, &note).await {
            own.store.queue.set_coalesced_status_message(id, arrival.chat, message).await?;
        }
        Ok(())
    };
    context.spawn(tracing::info_span!("request", id = id.0), "greet whoever asks for the same", greet);
}

/// Whether an operator has paused the engine.
fn is_paused(context: &Context) -> bool {
    *context.flow.borrow() == Flow::Paused
}

/// Where a request stands. While the bot is paused, nothing can be said of the time.
fn position(position: u32, wait: Duration, paused: bool) -> StatusText {
    if paused { StatusText::Paused { position } } else { StatusText::Queued { position, wait: Some(wait) } }
}

/// Shows everybody who waits where they stand, whenever that changes, until the soft shutdown.
pub(crate) async fn show_positions(context: &Context) {
    let (mut changes, mut flow) = (context.store.changes(), context.flow.subscribe());
    let mut shown = HashMap::new();
    loop {
        changes.mark_unchanged();
        flow.mark_unchanged();
        let pending = match places(context).await {
            Ok(places) => show(context, places, &mut shown),
            Err(error) => {
                context.store_failed("read the queue", &error);
                false
            }
        };
        tokio::select! {
            () = context.shutdown.soft.cancelled() => return,
            () = settled(&mut changes, &mut flow) => {}
            () = tokio::time::sleep(LOOK_AGAIN), if pending => {}
        }
    }
}

/// Waits for a change that can move somebody, after the time in which changes are put together.
async fn settled(changes: &mut watch::Receiver<u64>, flow: &mut watch::Receiver<Flow>) {
    tokio::time::sleep(SETTLE).await;
    tokio::select! {
        _ = changes.changed() => {}
        _ = flow.changed() => {}
    }
}

/// A place in the queue with what its owner is shown.
struct Place {
    request: stenobot_store::Waiting,
    position: u32,
    wait: Duration,
}

async fn places(context: &Context) -> Result<Vec<Place>, StoreError> {
    let factor = real_time_factor(context).await;
    let now = context.store.clock().now();
    let running: f64 = context
        .store
        .queue
        .running()
        .await?
        .iter()
        .map(|run| {
            (run.length.map_or(0.0, |length| length.duration().as_secs_f64()) * factor
                - now.since(run.started_at).as_secs_f64())
            .max(0.0)
        })
        .sum();
    #[expect(clippy::cast_precision_loss, reason = "a handful of workers")]
    let workers = context.config().engine.workers as f64;
    let mut ahead = running;
    let mut position = 0;
    let waiting = context.store.queue.waiting().await?;
    Ok(waiting
        .into_iter()
        .map(|request| {
            let own = request.length.map_or(0.0, |length| length.duration().as_secs_f64()) * factor;
            // What gets its text from another stands where that one stands, and costs nobody any time.
            let before = if request.coalesced_into.is_some() { (ahead - own).max(0.0) } else { ahead };
            if request.coalesced_into.is_none() {
                position += 1;
                ahead += own;
            }
            let wait = Duration::try_from_secs_f64(before / workers).unwrap_or_default();
            Place { request, position: position.max(1), wait }
        })
        .collect())
}

/// What somebody was last told.
struct Told {
    position: u32,
    wait: Duration,
    paused: bool,
    at: Instant,
}

/// Shows places that differ from what was shown, in each chat not too often. An estimate that merely shrinks as time
/// passes is no news. Tells whether something is still to be shown.
fn show(context: &Context, places: Vec<Place>, shown: &mut HashMap<RequestId, Told>) -> bool {
    let (now, paused) = (Instant::now(), is_paused(context));
    let interval = context.config().timing.progress_interval;
    shown.retain(|id, _| places.iter().any(|place| place.request.id == *id));
    let mut pending = false;
    for Place { request, position: at, wait } in places {
        if request.stage != StageName::Queued && request.coalesced_into.is_none() {
            continue;
        }
        if let Some(told) = shown.get(&request.id) {
            let since = now.saturating_duration_since(told.at);
            let expected = told.wait.saturating_sub(since);
            // By more than a quarter, and by more than anybody would notice.
            let other = !paused && wait.abs_diff(expected) > (expected / 4).max(Duration::from_secs(10));
            if told.position == at && told.paused == paused && !other {
                continue;
            }
            if since < interval {
                pending = true;
                continue;
            }
        }
        shown.insert(request.id, Told { position: at, wait, paused, at: now });
        let text = position(at, wait, paused);
        context.show(request.id, request.chat, request.status_message, request.locale.as_deref(), &text);
    }
    pending
}
