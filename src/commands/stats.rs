//! `/stats`: statistics of the last 24 hours. For operators.

use std::time::Duration;

use stenobot_store::StoreError;
use stenobot_telegram::{CommandReply, OutgoingMessage, Stats};

use super::{Audience, Commands, Definition, Invocation};
use crate::stats::Statistics;

pub(super) const COMMAND: Definition = Definition {
    name: "stats",
    audience: Audience::Operators,
    handler: |commands, invocation| Box::pin(handle(commands, invocation)),
};

const PERIOD: Duration = Duration::from_secs(86_400);

async fn handle(commands: &Commands, invocation: &Invocation<'_>) -> Result<Option<OutgoingMessage>, StoreError> {
    let config = commands.settings.config();
    let store = &commands.worker.store;
    let since = store.now().before(PERIOD);
    let facts = store.statistics.request_records(Some(since)).await?;
    let total = Statistics::of(&facts).total;
    let stats = Stats {
        waiting: u64::from(store.queue.depth().await?),
        limit: u64::from(config.limits.queue),
        requests: total.requests,
        answered: total.answered,
        stopped: total.stopped,
        no_speech: total.no_speech,
        failed: total.failed,
        rejected: total.rejected,
        people: total.people,
        audio: Duration::try_from_secs_f64(total.audio_seconds).unwrap_or_default(),
        median_wait: total.wait_seconds.and_then(|wait| Duration::try_from_secs_f64(wait.p50).ok()),
        real_time_factor: store.statistics.recent_real_time_factor(&commands.estimates.model).await?,
    };
    let mut message = commands.reply(invocation, &CommandReply::Stats(stats));
    if let Some(dashboard) = &config.telemetry.dashboard {
        message.text += &format!("\n📈 {dashboard}");
    }
    Ok(Some(message))
}
