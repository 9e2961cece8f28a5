//! `/resume`: ends `/pause` and `/drain`. For operators.

use stenobot_store::{ServiceMode, StoreError};
use stenobot_telegram::{CommandReply, OutgoingMessage};

use super::{Audience, Commands, Definition, Invocation};

pub(super) const COMMAND: Definition = Definition {
    name: "resume",
    audience: Audience::Operators,
    handler: |commands, invocation| Box::pin(handle(commands, invocation)),
};

async fn handle(commands: &Commands, invocation: &Invocation<'_>) -> Result<Option<OutgoingMessage>, StoreError> {
    change_mode(commands, invocation, ServiceMode::Open, &CommandReply::Resumed).await.map(Some)
}

pub(super) async fn change_mode(
    commands: &Commands,
    invocation: &Invocation<'_>,
    mode: ServiceMode,
    reply: &CommandReply,
) -> Result<OutgoingMessage, StoreError> {
    tracing::info!(flow = ?mode, "an administrator changes what the bot does");
    commands.service.set(mode).await?;
    Ok(commands.reply(invocation, reply))
}
