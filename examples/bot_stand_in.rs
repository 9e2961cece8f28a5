//! A stand-in for `stenobot run`, for the tests of the simulator: polls the Bot API and answers every voice message with a fixed
//! text. `STENOBOT_STAND_IN`, or else the end of its program name (a link `bot_stand_in_twice`), selects the behaviour:
//! `answer` (default), `twice` (two final answers), `silent` (polls only), `stuck` (stops at the first message, which it never
//! confirms), `crash` (exits with status 3 at the first message), `unresponsive` (ends before it polls). `STENOBOT_STAND_IN_TEXT` is the
//! text of every answer. SIGTERM ends it with status 0.

use anyhow::Context;
use teloxide::prelude::*;
use teloxide::types::{ReplyParameters, UpdateKind};
use tokio::signal::unix::{SignalKind, signal};

fn main() -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let mut terminated = signal(SignalKind::terminate())?;
        tokio::select! {
            _ = terminated.recv() => Ok(()),
            ended = serve() => ended,
        }
    })
}

async fn serve() -> anyhow::Result<()> {
    let variable = |name: &'static str| std::env::var(name).with_context(|| format!("{name} is not set"));
    let called = std::env::args().next().unwrap_or_default();
    let by_name = called.rsplit_once("bot_stand_in_").map_or("answer", |(_, behaviour)| behaviour);
    let behaviour = std::env::var("STENOBOT_STAND_IN").unwrap_or_else(|_| by_name.into());
    let text = std::env::var("STENOBOT_STAND_IN_TEXT").unwrap_or_else(|_| "Hello.".into());
    anyhow::ensure!(behaviour != "unresponsive", "a sentence in the log");
    let bot = Bot::new(variable("TELEGRAM_BOT_TOKEN")?).set_api_url(variable("STENOBOT_TELEGRAM_API_URL")?.parse()?);
    let mut offset = 0;
    loop {
        for update in bot.get_updates().offset(offset).timeout(10).await? {
            offset = update.id.as_offset();
            let UpdateKind::Message(message) = update.kind else { continue };
            if message.voice().is_none() {
                continue;
            }
            match behaviour.as_str() {
                "silent" => {}
                "stuck" => std::future::pending().await,
                "crash" => std::process::exit(3),
                _ => answer(&bot, &message, &text, behaviour == "twice").await?,
            }
        }
    }
}

async fn answer(bot: &Bot, message: &Message, text: &str, twice: bool) -> anyhow::Result<()> {
    let reply = ReplyParameters::new(message.id);
    let status = bot.send_message(message.chat.id, "📥 Loading the file...").reply_parameters(reply.clone()).await?;
    bot.edit_message_text(message.chat.id, status.id, "⚙️ Starting...").await?;
    let done = format!("✅ Done!\n\n{text}");
    bot.edit_message_text(message.chat.id, status.id, &done).await?;
    if twice {
        bot.send_message(message.chat.id, &done).reply_parameters(reply).await?;
    }
    Ok(())
}
