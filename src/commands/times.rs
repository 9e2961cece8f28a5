//! `/times on` and `/times off`: whether the paragraphs of a chat's long texts begin with their times. In groups for their admins.

use stenobot_store::StoreError;
use stenobot_telegram::{ChatKind, CommandReply, OutgoingMessage};

use super::{Audience, Commands, Definition, GroupSetting, Invocation, set_in_group};
use crate::pipeline::replies::Reply;

pub(super) const COMMAND: Definition = Definition {
    name: "times",
    audience: Audience::Everywhere,
    handler: |commands, invocation| Box::pin(handle(commands, invocation)),
};

async fn handle(commands: &Commands, invocation: &Invocation<'_>) -> Result<Option<OutgoingMessage>, StoreError> {
    let Invocation { location, message, from, argument, locale } = *invocation;
    let setting = match argument.to_ascii_lowercase().as_str() {
        "on" => GroupSetting::Times(true),
        "off" => GroupSetting::Times(false),
        _ => return Ok(Some(commands.reply(invocation, &CommandReply::TimesHow))),
    };
    if location.kind == ChatKind::Private || from.anonymous_admin {
        return Ok(Some(set_in_group(commands, location, &setting, true, locale).await));
    }
    let locale = from.language_code.clone();
    commands.replies.send(Reply::IfAdministrator { location, user: from.id, message, setting, locale });
    Ok(None)
}
