//! `/uninvite ID`: takes back what an invitation gave. Without an ID, lists who came by one. For operators.

use stenobot_domain::UserId;
use stenobot_store::StoreError;
use stenobot_telegram::{CommandReply, OutgoingMessage};

use super::banned::{MAX_ENTRIES, entry};
use super::{Audience, Commands, Definition, Invocation};

pub(super) const COMMAND: Definition = Definition {
    name: "uninvite",
    audience: Audience::Operators,
    handler: |commands, invocation| Box::pin(handle(commands, invocation)),
};

async fn handle(commands: &Commands, invocation: &Invocation<'_>) -> Result<Option<OutgoingMessage>, StoreError> {
    let users = &commands.worker.store.users;
    let reply = match invocation.argument.parse::<i64>() {
        Ok(id) => {
            users.uninvite(UserId(id)).await?;
            CommandReply::Uninvited(id)
        }
        Err(_) => {
            let (invited, total) = users.invited(MAX_ENTRIES).await?;
            CommandReply::InvitedList { entries: invited.into_iter().map(entry).collect(), total: u64::from(total) }
        }
    };
    Ok(Some(commands.reply(invocation, &reply)))
}
