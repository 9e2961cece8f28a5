//! `/auto on` and `/auto off`: whether a group's voice messages are all transcribed. For group admins.

use stenobot_domain::SpeechLanguage;
use stenobot_store::StoreError;
use stenobot_telegram::{ChatKind, CommandReply, Location, OutgoingMessage, StatusText};

use super::{Audience, Commands, Definition, Invocation};
use crate::pipeline::replies::Reply;

pub(super) const COMMAND: Definition = Definition {
    name: "auto",
    audience: Audience::Groups,
    handler: |commands, invocation| Box::pin(handle(commands, invocation)),
};

/// A setting of a group, for its admins only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GroupSetting {
    /// Whether every recording in the group is transcribed.
    Auto(bool),
    /// The languages of its recordings.
    Language(SpeechLanguage),
}

async fn handle(commands: &Commands, invocation: &Invocation<'_>) -> Result<Option<OutgoingMessage>, StoreError> {
    let Invocation { location, message, from, argument, locale } = *invocation;
    if location.kind == ChatKind::Private {
        return Ok(Some(commands.reply(invocation, &CommandReply::GroupsOnly)));
    }
    let setting = match argument.to_ascii_lowercase().as_str() {
        "on" => GroupSetting::Auto(true),
        "off" => GroupSetting::Auto(false),
        _ => return Ok(Some(commands.reply(invocation, &CommandReply::AutoHow))),
    };
    if from.anonymous_admin {
        return Ok(Some(set_in_group(commands, location, &setting, true, locale).await));
    }
    commands.replies.send(Reply::IfAdministrator {
        location,
        user: from.id,
        message,
        setting,
        locale: from.language_code.clone(),
    });
    Ok(None)
}

/// Changes a setting of a group if `is_admin`; gives the reply.
pub(crate) async fn set_in_group(
    commands: &Commands,
    location: Location,
    setting: &GroupSetting,
    is_admin: bool,
    locale: Option<&str>,
) -> OutgoingMessage {
    if !is_admin {
        return commands.settings.command_reply(locale, &CommandReply::AdminsOnly);
    }
    let set = match setting {
        GroupSetting::Auto(on) => {
            let set = commands.worker.store.users.set_auto(location.chat, *on).await;
            set.map(|()| CommandReply::Auto(*on))
        }
        GroupSetting::Language(language) => super::language::set(&commands.worker.store, location.chat, language).await,
    };
    match set {
        Ok(reply) => commands.settings.command_reply(locale, &reply),
        Err(error) => {
            commands.worker.failures.report("change a group's settings", &error);
            commands.settings.status_text(locale, &StatusText::Failed).into()
        }
    }
}
