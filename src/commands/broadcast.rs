//! `/broadcast TEXT`: a message to every user, sent after a confirmation. For operators.

use stenobot_store::StoreError;
use stenobot_telegram::OutgoingMessage;

use super::{Audience, Commands, Definition, Invocation};

pub(super) const COMMAND: Definition = Definition {
    name: "broadcast",
    audience: Audience::Operators,
    handler: |commands, invocation| Box::pin(handle(commands, invocation)),
};

async fn handle(commands: &Commands, invocation: &Invocation<'_>) -> Result<Option<OutgoingMessage>, StoreError> {
    let Invocation { from, locale, argument, .. } = *invocation;
    commands.broadcasts.preview(from.id, locale, argument).await.map(Some)
}
