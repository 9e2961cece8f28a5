//! Recordings are kept for a short while after their answer, if the operator wants that, and then removed. The same beat
//! looks for times that lie ahead because the clock was set back, drops the limits of erased users once their day is over,
//! and empties the store's log of what was erased.

use std::time::Duration;

use stenobot_domain::Timestamp;
use stenobot_telegram::Keyboard;

use super::Context;
use super::erasure::LogCleaning;
use super::replies::Reply;

/// Between two looks.
const BEAT: Duration = Duration::from_secs(5);

/// Removes what is due, until the soft shutdown.
pub(crate) async fn run(context: &Context) {
    let mut beat = tokio::time::interval(BEAT);
    let mut log = LogCleaning::default();
    while context.shutdown.soft.run_until_cancelled(beat.tick()).await.is_some() {
        let retention = context.config().privacy.audio_retention;
        let due = async {
            let ahead = context.store.queue.clamp_times().await?;
            if ahead > 0 {
                tracing::warn!(
                    requests = ahead,
                    "the clock was set back: times of open requests are brought back to it"
                );
            }
            context.store.queue.drop_other_days().await?;
            context.store.audio.take_due(retention).await
        };
        match due.await {
            Ok(due) => {
                for audio in due {
                    context.discard_audio(audio.id).await;
                    // Buttons that can do nothing any more go with the recording.
                    if let Some(message) = audio.status_message {
                        context.reply(Reply::Buttons { chat: audio.chat, message, keyboard: Keyboard::default() });
                    }
                }
            }
            Err(error) => context.store_failed("look for audio to remove", &error),
        }
        log.look(context).await;
    }
}

/// Until when the recording of an answer that arrives now is kept; `None` when it goes at once.
pub(super) fn until(context: &Context) -> Option<Timestamp> {
    let retention = context.config().privacy.audio_retention;
    (!retention.is_zero()).then(|| context.store.clock().now().after(retention))
}
