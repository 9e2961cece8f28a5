//! `/help`: what the bot can do. Also the reply to an unknown command in a private chat.

use stenobot_store::StoreError;
use stenobot_telegram::{CommandReply, OutgoingMessage};

use super::{Audience, Commands, Definition, Invocation};

pub(super) const COMMAND: Definition = Definition {
    name: "help",
    audience: Audience::Everywhere,
    handler: |commands, invocation| Box::pin(handle(commands, invocation)),
};

async fn handle(commands: &Commands, invocation: &Invocation<'_>) -> Result<Option<OutgoingMessage>, StoreError> {
    let limits = &commands.settings.config().limits;
    let bot = commands.client.known().map(|me| me.username.clone()).unwrap_or_default();
    let is_owner = commands.is_account_owner(invocation);
    let has_guests = commands.settings.config().people.has_guests;
    let help = CommandReply::Help { duration: limits.voice, size: limits.file_bytes, bot, is_owner, has_guests };
    Ok(Some(commands.reply(invocation, &help)))
}
