//! Commands in channels, where only administrators can post: `/auto on` and `/auto off`. Nothing is posted for an answer, since all
//! subscribers would read it: a reaction on the command says that it was carried out, where reactions are allowed.

use stenobot_store::StoreError;
use stenobot_telegram::{Command, Reaction};

use super::group_setting::switch;
use super::{Commands, auto};
use crate::pipeline::replies::Reply;

/// Carries out a command that was posted in a channel.
pub(super) async fn run(commands: &Commands, command: &Command) -> Result<(), StoreError> {
    let Command { location, message, name, argument, .. } = command;
    let setting = switch(argument).filter(|_| *name == Some(auto::COMMAND.name));
    let Some(on) = setting else {
        tracing::debug!("a command in a channel is ignored");
        return Ok(());
    };
    commands.worker.store.users.set_auto(location.chat, on).await?;
    commands.replies.send(Reply::React { chat: location.chat, message: *message, reaction: Reaction::Done });
    Ok(())
}
