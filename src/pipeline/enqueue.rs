//! A request takes its place in the queue, and its sender is told which, and how long it will take: the audio
//! ahead of it times what this machine has lately needed for a second of audio.

use std::collections::HashMap;
use std::time::Duration;

use super::Context;
use crate::journal::JournalError;
use crate::model::{MessageId, RequestId, StageName};
use crate::request::{Downloaded, Event, Queued, Request, Stage, observe};
use crate::telegram::{TelegramError, Text};

/// A guess, until this machine has measured itself.
pub const FIRST_GUESS: f64 = 0.3;
/// Positions are looked at this often at most: changes come in bursts.
const SETTLE: Duration = Duration::from_millis(500);

/// Puts a downloaded request into the queue.
pub(super) async fn one(context: &Context, request: Request<Downloaded>) -> Result<(), JournalError> {
    let queued = request.advance(&context.journal, Queued::default()).await?;
    tracing::debug!(request = queued.id.0, "queued");
    Ok(())
}

/// Nobody is there to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NobodyThere;

/// Sends the message that shows a request's state, unless there is one. Any trouble but one is passed over: the
/// state is a courtesy, the answer is not.
pub(super) async fn ensure_status<S: Stage>(
    context: &Context,
    request: &Request<S>,
    text: &str,
) -> Result<Option<MessageId>, NobodyThere> {
    if request.status_message().is_some() {
        return Ok(None);
    }
    match context.client.send(request.chat(), None, Some(request.reply_to()), text).await {
        Ok(message) => Ok(Some(message)),
        Err(TelegramError::ChatGone) => Err(NobodyThere),
        Err(error) => {
            tracing::debug!(request = request.id().0, %error, "the state is not shown");
            Ok(None)
        }
    }
}

/// Processing time for a second of audio, as lately measured.
pub(super) async fn real_time_factor(context: &Context) -> f64 {
    match context.journal.recent_real_time_factor(&context.model).await {
        Ok(measured) => measured.unwrap_or(FIRST_GUESS),
        Err(error) => {
            observe(&Event::JournalFailed { what: "read the real-time factor", error: &error });
            FIRST_GUESS
        }
    }
}

/// Shows everybody who waits where they stand, whenever that changes, until the soft shutdown.
pub async fn show_positions(context: &Context) {
    let mut changes = context.journal.changes();
    let mut shown = HashMap::new();
    loop {
        changes.mark_unchanged();
        match places(context).await {
            Ok(places) => show(context, places, &mut shown),
            Err(error) => observe(&Event::JournalFailed { what: "read the queue", error: &error }),
        }
        tokio::select! {
            () = context.shutdown.soft.cancelled() => return,
            () = async { tokio::time::sleep(SETTLE).await; let _ = changes.changed().await; } => {}
        }
    }
}

/// A place in the queue with what its owner is shown.
struct Place {
    request: crate::journal::Waiting,
    position: u32,
    wait: Duration,
}

async fn places(context: &Context) -> Result<Vec<Place>, JournalError> {
    let factor = real_time_factor(context).await;
    let now = context.journal.clock().now();
    let running: f64 = context
        .journal
        .running()
        .await?
        .iter()
        .map(|run| (run.length.as_secs_f64() * factor - now.since(run.started_at).as_secs_f64()).max(0.0))
        .sum();
    #[expect(clippy::cast_precision_loss, reason = "a handful of workers")]
    let workers = context.config().engine.workers as f64;
    let mut ahead = running;
    let waiting = context.journal.waiting().await?;
    Ok(waiting
        .into_iter()
        .zip(1..)
        .map(|(request, position)| {
            let wait = Duration::try_from_secs_f64(ahead / workers).unwrap_or_default();
            ahead += request.length.as_secs_f64() * factor;
            Place { request, position, wait }
        })
        .collect())
}

/// Shows places that differ from what was shown. An estimate that merely shrinks as time passes is no news.
fn show(context: &Context, places: Vec<Place>, shown: &mut HashMap<RequestId, u32>) {
    shown.retain(|id, _| places.iter().any(|place| place.request.id == *id));
    for Place { request, position, wait } in places {
        if request.stage != StageName::Queued || shown.insert(request.id, position) == Some(position) {
            continue;
        }
        let text = Text::Queued { position, wait: Some(wait) };
        context.show(request.id, request.chat, request.status_message, request.locale.as_deref(), &text);
    }
}
