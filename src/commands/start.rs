//! `/start`: the greeting. Telegram sends it when a user first opens the chat, also with the argument of a link to the bot.

use stenobot_store::StoreError;
use stenobot_telegram::{ChatKind, CommandReply, OutgoingMessage};

use super::{Audience, Commands, Definition, Invocation, forget, mydata};

pub(super) const COMMAND: Definition = Definition {
    name: "start",
    audience: Audience::Hidden,
    handler: |commands, invocation| Box::pin(handle(commands, invocation)),
};

async fn handle(commands: &Commands, invocation: &Invocation<'_>) -> Result<Option<OutgoingMessage>, StoreError> {
    let limits = &commands.settings.config().limits;
    let greeting = CommandReply::Greeting { duration: limits.voice, size: limits.file_bytes };
    Ok(Some(commands.reply(invocation, &greeting)))
}

/// The command that a user means, given as such or by a link of [`Commands::private_only`].
pub(super) fn resolve_link(name: &'static str, argument: &str, kind: ChatKind) -> &'static str {
    let is_link = name == COMMAND.name && kind == ChatKind::Private;
    let linked = [mydata::NAME, forget::NAME].into_iter().find(|linked| is_link && *linked == argument);
    linked.unwrap_or(name)
}
