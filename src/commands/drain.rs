//! `/drain`: waiting requests are transcribed and no new ones accepted until `/resume`. For operators.

use stenobot_store::{ServiceMode, StoreError};
use stenobot_telegram::{CommandReply, OutgoingMessage};

use super::{Audience, Commands, Definition, Invocation, resume};

pub(super) const COMMAND: Definition = Definition {
    name: "drain",
    audience: Audience::Operators,
    handler: |commands, invocation| Box::pin(handle(commands, invocation)),
};

async fn handle(commands: &Commands, invocation: &Invocation<'_>) -> Result<Option<OutgoingMessage>, StoreError> {
    resume::change_mode(commands, invocation, ServiceMode::Draining, &CommandReply::Draining).await.map(Some)
}
