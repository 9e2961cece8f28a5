//! `/unban ID`: ends a ban. For operators.

use stenobot_domain::UserId;
use stenobot_store::StoreError;
use stenobot_telegram::{CommandReply, OutgoingMessage};

use super::{Audience, Commands, Definition, Invocation};

pub(super) const COMMAND: Definition = Definition {
    name: "unban",
    audience: Audience::Operators,
    handler: |commands, invocation| Box::pin(handle(commands, invocation)),
};

async fn handle(commands: &Commands, invocation: &Invocation<'_>) -> Result<Option<OutgoingMessage>, StoreError> {
    let Ok(id) = invocation.argument.parse::<i64>() else {
        return Ok(Some(commands.reply(invocation, &CommandReply::BanHow)));
    };
    commands.worker.store.users.unban(UserId(id)).await?;
    Ok(Some(commands.reply(invocation, &CommandReply::Unbanned(id))))
}
