//! `/start`: the greeting. Telegram sends it when a user first opens the chat, also with the argument of a link to the bot.

use stenobot_store::StoreError;
use stenobot_telegram::{ChatKind, CommandReply, OutgoingMessage};

use super::{Audience, Commands, Definition, Invocation, forget, invite, mydata};

pub(super) const COMMAND: Definition = Definition {
    name: "start",
    audience: Audience::Hidden,
    handler: |commands, invocation| Box::pin(handle(commands, invocation)),
};

async fn handle(commands: &Commands, invocation: &Invocation<'_>) -> Result<Option<OutgoingMessage>, StoreError> {
    let limits = &commands.settings.config().limits;
    let greeting = CommandReply::Greeting { duration: limits.voice, size: limits.file_bytes };
    let greeting = commands.reply(invocation, &greeting);
    if invocation.location.kind != ChatKind::Private {
        return Ok(Some(greeting));
    }
    Ok(Some(match invite::accept(commands, invocation).await? {
        None => greeting,
        Some(reply @ CommandReply::InvitationAccepted) => {
            let accepted = commands.reply(invocation, &reply);
            OutgoingMessage { text: accepted.text + "\n\n" + &greeting.text, ..greeting }
        }
        Some(refusal) => commands.reply(invocation, &refusal),
    }))
}

/// The command that a user means, given as such or by a link of [`Commands::private_only`].
pub(super) fn resolve_link(name: &'static str, argument: &str, kind: ChatKind) -> &'static str {
    let is_link = name == COMMAND.name && kind == ChatKind::Private;
    let linked = [mydata::NAME, forget::NAME].into_iter().find(|linked| is_link && *linked == argument);
    linked.unwrap_or(name)
}
