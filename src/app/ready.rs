//! The line in the log that says that the bot serves.

use stenobot_engine::PoolStatus;
use tokio::sync::watch;

use super::can_hear;
use crate::pipeline::Context;

/// Logs once that Telegram has given updates and an engine is warm, with the bot's address.
pub(super) async fn announce(context: &Context, mut engines: watch::Receiver<PoolStatus>) {
    let mut polled = context.polled.subscribe();
    let ready = async {
        let has_polled = polled.wait_for(Option::is_some).await.is_ok();
        has_polled && engines.wait_for(|engines| can_hear(engines).is_ok()).await.is_ok()
    };
    if context.shutdown.soft.run_until_cancelled(ready).await != Some(true) {
        return;
    }
    match context.client.known() {
        Some(me) => tracing::info!(bot = me.username, address = format!("https://t.me/{}", me.username), "ready"),
        None => tracing::info!("ready"),
    }
}
