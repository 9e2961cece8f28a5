//! Settings of a chat; in a group for its admins only.

use stenobot_domain::{SpeechLanguage, StatusStyle};
use stenobot_telegram::{ChatKind, CommandReply, Location, OutgoingMessage, StatusText};

use super::{Commands, Invocation};
use crate::pipeline::replies::Reply;

/// A setting of a chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GroupSetting {
    /// Whether every recording in the group is transcribed.
    Auto(bool),
    /// Whether the paragraphs of long texts begin with their times.
    Times(bool),
    /// How the state of requests is shown.
    Status(StatusStyle),
    /// Whether only texts are sent.
    Quiet(bool),
    /// The languages of its recordings.
    Language(SpeechLanguage),
}

/// The argument of a command that turns something on or off.
pub(super) fn switch(argument: &str) -> Option<bool> {
    match argument.to_ascii_lowercase().as_str() {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    }
}

/// Changes a setting of a group; `usage` answers a command without a setting.
pub(super) async fn handle(
    commands: &Commands,
    invocation: &Invocation<'_>,
    setting: Option<GroupSetting>,
    usage: &CommandReply,
) -> Option<OutgoingMessage> {
    if invocation.location.kind == ChatKind::Private {
        return Some(commands.reply(invocation, &CommandReply::GroupsOnly));
    }
    handle_anywhere(commands, invocation, setting, usage).await
}

/// Changes a setting of any chat: at once in a private one and where the sender is known to be an admin, else after Telegram was
/// asked.
pub(super) async fn handle_anywhere(
    commands: &Commands,
    invocation: &Invocation<'_>,
    setting: Option<GroupSetting>,
    usage: &CommandReply,
) -> Option<OutgoingMessage> {
    let Invocation { location, message, from, locale, .. } = *invocation;
    let Some(setting) = setting else { return Some(commands.reply(invocation, usage)) };
    if location.kind == ChatKind::Private || from.anonymous_admin {
        return Some(set_in_group(commands, location, setting, true, locale).await);
    }
    commands.replies.send(Reply::IfAdministrator {
        location,
        user: from.id,
        message,
        setting,
        locale: from.language_code.clone(),
    });
    None
}

/// Changes a setting of a group if `is_admin`; gives the reply.
pub(crate) async fn set_in_group(
    commands: &Commands,
    location: Location,
    setting: GroupSetting,
    is_admin: bool,
    locale: Option<&str>,
) -> OutgoingMessage {
    if !is_admin {
        return commands.settings.command_reply(locale, &CommandReply::AdminsOnly);
    }
    let (users, chat) = (&commands.worker.store.users, location.chat);
    let set = match setting {
        GroupSetting::Auto(on) => users.set_auto(chat, on).await.map(|()| CommandReply::Auto(on)),
        GroupSetting::Times(on) => users.set_times(chat, on).await.map(|()| CommandReply::Times(on)),
        GroupSetting::Status(style) => users.set_status(chat, style).await.map(|()| CommandReply::Status(style)),
        GroupSetting::Quiet(on) => users.set_quiet(chat, on).await.map(|()| CommandReply::Quiet(on)),
        GroupSetting::Language(language) => super::language::set(&commands.worker.store, chat, &language).await,
    };
    match set {
        Ok(reply) => commands.settings.command_reply(locale, &reply),
        Err(error) => {
            commands.worker.failures.report("change a group's settings", &error);
            commands.settings.status_text(locale, &StatusText::Failed).into()
        }
    }
}
