//! `/start`: the greeting. Telegram sends it when a user first opens the chat, also with the argument of a link to the bot.

use stenobot_store::StoreError;
use stenobot_telegram::{Audience, ChatKind, CommandName, CommandReply, OutgoingMessage};

use super::{Commands, Definition, Invocation, forget, mydata};

pub(super) const COMMAND: Definition = Definition {
    name: CommandName::Start,
    audience: Audience::Nobody,
    handler: |commands, invocation| Box::pin(handle(commands, invocation)),
};

async fn handle(commands: &Commands, invocation: &Invocation<'_>) -> Result<Option<OutgoingMessage>, StoreError> {
    let limits = &commands.settings.config().limits;
    let greeting = CommandReply::Greeting { duration: limits.voice, size: limits.file_bytes };
    Ok(Some(commands.reply(invocation, &greeting)))
}

/// The command that a user means, given as such or by a link of [`Commands::private_only`].
pub(super) fn resolve_link(name: CommandName, argument: &str, kind: ChatKind) -> CommandName {
    match (name, kind, argument) {
        (CommandName::Start, ChatKind::Private, mydata::LINK) => CommandName::MyData,
        (CommandName::Start, ChatKind::Private, forget::LINK) => CommandName::Forget,
        (name, ChatKind::Private | ChatKind::Group, _) => name,
    }
}
