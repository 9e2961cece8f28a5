//! `/cancel`: cancels all requests of a user.

use stenobot_store::StoreError;
use stenobot_telegram::{CommandReply, OutgoingMessage};

use super::{Audience, Commands, Definition, Invocation};

pub(super) const COMMAND: Definition = Definition {
    name: "cancel",
    audience: Audience::Private,
    handler: |commands, invocation| Box::pin(handle(commands, invocation)),
};

async fn handle(commands: &Commands, invocation: &Invocation<'_>) -> Result<Option<OutgoingMessage>, StoreError> {
    let cancelled = commands.cancels.cancel_all(&commands.worker.store, invocation.from.id).await?;
    Ok(Some(commands.reply(invocation, &CommandReply::Cancelled(cancelled))))
}
