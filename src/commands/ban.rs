//! `/ban ID`: a user, group or channel is not served any more; its requests are cancelled. For operators.

use stenobot_domain::{ChatId, UserId};
use stenobot_store::StoreError;
use stenobot_telegram::{CommandReply, OutgoingMessage};

use super::{Audience, Commands, Definition, Invocation};
use crate::request;

pub(super) const COMMAND: Definition = Definition {
    name: "ban",
    audience: Audience::Operators,
    handler: |commands, invocation| Box::pin(handle(commands, invocation)),
};

async fn handle(commands: &Commands, invocation: &Invocation<'_>) -> Result<Option<OutgoingMessage>, StoreError> {
    let Ok(id) = invocation.argument.parse::<i64>() else {
        return Ok(Some(commands.reply(invocation, &CommandReply::BanHow)));
    };
    let (store, cancels) = (&commands.worker.store, &commands.cancels);
    store.users.ban(UserId(id)).await?;
    cancels.cancel_all(store, UserId(id)).await?;
    for (id, outcome) in request::cancel_all_in(store, ChatId(id)).await? {
        cancels.follow_up(id, outcome);
    }
    Ok(Some(commands.reply(invocation, &CommandReply::Banned(id))))
}
