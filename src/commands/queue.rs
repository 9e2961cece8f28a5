//! `/queue`: a user's requests and their positions. In a group only those of that group.

use stenobot_domain::AudioLength;
use stenobot_store::StoreError;
use stenobot_telegram::{ChatKind, CommandReply, OutgoingMessage, QueueEntry};

use super::{Audience, Commands, Definition, Invocation};

pub(super) const COMMAND: Definition = Definition {
    name: "queue",
    audience: Audience::Private,
    handler: |commands, invocation| Box::pin(handle(commands, invocation)),
};

async fn handle(commands: &Commands, invocation: &Invocation<'_>) -> Result<Option<OutgoingMessage>, StoreError> {
    let Invocation { location, from, .. } = invocation;
    let mut own = commands.worker.store.queue.statuses_of(from.id).await?;
    own.retain(|request| location.kind == ChatKind::Private || request.chat == location.chat);
    let positions = own
        .iter()
        .map(|own| QueueEntry {
            position: own.position,
            length: own.length.map(AudioLength::duration).unwrap_or_default(),
        })
        .collect();
    Ok(Some(commands.reply(invocation, &CommandReply::QueueEntries(positions))))
}
