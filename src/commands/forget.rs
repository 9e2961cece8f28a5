//! `/forget`: erases the data of a user, after a confirmation in the private chat.

use stenobot_domain::{ChatId, MessageId, UserId};
use stenobot_store::StoreError;
use stenobot_telegram::{Action, BotMessage, ChatKind, CommandReply, Keyboard, Label, OutgoingMessage};

use super::{Audience, Commands, Definition, Invocation};
use crate::pipeline::replies::Reply;

pub(super) const NAME: &str = "forget";

pub(super) const COMMAND: Definition = Definition {
    name: NAME,
    audience: Audience::Private,
    handler: |commands, invocation| Box::pin(handle(commands, invocation)),
};

async fn handle(commands: &Commands, invocation: &Invocation<'_>) -> Result<Option<OutgoingMessage>, StoreError> {
    if invocation.location.kind != ChatKind::Private {
        return Ok(Some(commands.private_only(invocation, NAME)));
    }
    let label = commands.settings.label(invocation.locale, Label::Erase);
    Ok(Some(OutgoingMessage {
        keyboard: Keyboard::single(label, Action::Forget),
        ..commands.reply(invocation, &CommandReply::ForgetAsk)
    }))
}

/// Erases a user's data and cancels their requests; `message`, which has the button, shows how far that has come.
pub(crate) async fn erase(
    commands: &Commands,
    user: UserId,
    chat: ChatId,
    message: MessageId,
    locale: Option<&str>,
) -> Result<(), StoreError> {
    let forgotten = commands.worker.store.users.forget(user).await?;
    for id in forgotten.stopped {
        commands.cancels.cancel(id);
    }
    for id in forgotten.audio {
        commands.recordings.discard(id).await;
    }
    let reply = if forgotten.log_emptied {
        CommandReply::Forgotten
    } else {
        commands.erasures.follow(chat, message, locale);
        CommandReply::ForgottenSoon
    };
    commands.replies.send(Reply::Edit {
        message: BotMessage::InChat { chat, message },
        content: commands.settings.command_reply(locale, &reply),
    });
    Ok(())
}
