//! `/pause`: requests are accepted and not transcribed until `/resume`. For operators.

use stenobot_store::{ServiceMode, StoreError};
use stenobot_telegram::{CommandReply, OutgoingMessage};

use super::{Audience, Commands, Definition, Invocation, resume};

pub(super) const COMMAND: Definition = Definition {
    name: "pause",
    audience: Audience::Operators,
    handler: |commands, invocation| Box::pin(handle(commands, invocation)),
};

async fn handle(commands: &Commands, invocation: &Invocation<'_>) -> Result<Option<OutgoingMessage>, StoreError> {
    resume::change_mode(commands, invocation, ServiceMode::Paused, &CommandReply::Paused).await.map(Some)
}
