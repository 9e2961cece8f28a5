//! `/privacy`: explains which data is stored, and for how long.

use stenobot_store::StoreError;
use stenobot_telegram::{CommandReply, OutgoingMessage};

use super::{Audience, Commands, Definition, Invocation};

pub(super) const COMMAND: Definition = Definition {
    name: "privacy",
    audience: Audience::Everywhere,
    handler: |commands, invocation| Box::pin(handle(commands, invocation)),
};

async fn handle(commands: &Commands, invocation: &Invocation<'_>) -> Result<Option<OutgoingMessage>, StoreError> {
    let retention = commands.settings.config().privacy.audio_retention;
    let is_owner = commands.is_account_owner(invocation);
    let has_guests = commands.settings.config().people.has_guests;
    Ok(Some(commands.reply(invocation, &CommandReply::Privacy { retention, is_owner, has_guests })))
}
