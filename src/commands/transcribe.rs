//! `/transcribe`: transcribes the recording that it replies to, or whose caption it is. Those are no commands any more when
//! they come here; without a recording the reply explains the command.

use stenobot_store::StoreError;
use stenobot_telegram::{CommandReply, OutgoingMessage, TRANSCRIBE};

use super::{Audience, Commands, Definition, Invocation};

pub(super) const COMMAND: Definition = Definition {
    name: TRANSCRIBE,
    audience: Audience::Groups,
    handler: |commands, invocation| Box::pin(handle(commands, invocation)),
};

async fn handle(commands: &Commands, invocation: &Invocation<'_>) -> Result<Option<OutgoingMessage>, StoreError> {
    Ok(Some(commands.reply(invocation, &CommandReply::TranscribeHow)))
}
