//! Commands. Each is one file with its name, its audience and its handler, and one line in [`COMMANDS`].

mod auto;
mod ban;
mod banned;
mod broadcast;
mod cancel;
mod channel;
mod drain;
pub(crate) mod forget;
mod group_setting;
mod help;
mod invite;
pub(crate) mod language;
mod mydata;
mod pause;
mod privacy;
mod queue;
mod quiet;
mod resume;
mod start;
mod stats;
mod status;
mod times;
mod transcribe;
mod unban;
mod uninvite;

use futures::future::BoxFuture;
use stenobot_domain::MessageId;
use stenobot_store::StoreError;
use stenobot_telegram::{ChatKind, Client, Command, CommandReply, Location, OutgoingMessage, Sender};

use crate::pipeline::admit::sender;
use crate::pipeline::broadcast::Broadcasts;
use crate::pipeline::cancels::CancelRegistry;
use crate::pipeline::erasure::Erasures;
use crate::pipeline::estimate::Estimates;
use crate::pipeline::recordings::Recordings;
use crate::pipeline::replies::{Replies, Reply};
use crate::pipeline::service_mode::ServiceControl;
use crate::pipeline::worker::Worker;
use crate::settings::Settings;

pub(crate) use group_setting::{GroupSetting, set_in_group};

/// Every command, in the order of Telegram's menu.
pub(crate) static COMMANDS: &[Definition] = &[
    start::COMMAND,
    help::COMMAND,
    language::COMMAND,
    times::COMMAND,
    queue::COMMAND,
    cancel::COMMAND,
    privacy::COMMAND,
    mydata::COMMAND,
    forget::COMMAND,
    transcribe::COMMAND,
    auto::COMMAND,
    status::COMMAND,
    quiet::COMMAND,
    stats::COMMAND,
    pause::COMMAND,
    resume::COMMAND,
    drain::COMMAND,
    invite::COMMAND,
    uninvite::COMMAND,
    ban::COMMAND,
    unban::COMMAND,
    banned::COMMAND,
    broadcast::COMMAND,
];

/// One command. Its description in Telegram's menu is the text `command-NAME` of the locales.
pub(crate) struct Definition {
    /// Lower case and without `/`.
    pub(crate) name: &'static str,
    pub(crate) audience: Audience,
    handler: Handler,
}

/// The menu of Telegram that lists a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// In no menu: Telegram has a button of its own for it.
    Hidden,
    /// Users, in private chats.
    Private,
    /// Users, in private chats and groups.
    Everywhere,
    /// Members of groups.
    Groups,
    /// Operators, in private chats. For other users it is an unknown command.
    Operators,
}

/// Gives the reply, if there is one.
type Handler = for<'a> fn(&'a Commands, &'a Invocation<'a>) -> HandlerFuture<'a>;
type HandlerFuture<'a> = BoxFuture<'a, Result<Option<OutgoingMessage>, StoreError>>;

/// A command as a user gave it.
pub(crate) struct Invocation<'a> {
    location: Location,
    message: MessageId,
    from: &'a Sender,
    /// Text after the command, trimmed.
    argument: &'a str,
    /// IETF language tag of the user.
    locale: Option<&'a str>,
}

/// State of the handlers. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Commands {
    pub(crate) worker: Worker,
    pub(crate) settings: Settings,
    pub(crate) client: Client,
    pub(crate) replies: Replies,
    pub(crate) cancels: CancelRegistry,
    pub(crate) recordings: Recordings,
    pub(crate) service: ServiceControl,
    pub(crate) erasures: Erasures,
    pub(crate) broadcasts: Broadcasts,
    pub(crate) estimates: Estimates,
}

impl Commands {
    /// Carries out a command. Its effects on the store are committed when this returns, before Telegram is asked for the next
    /// updates; only the reply is still under way.
    pub(crate) async fn run(&self, command: &Command) -> Result<(), StoreError> {
        let Command { location, message, from, name, argument } = command;
        let locale = from.language_code.as_deref();
        if location.kind == ChatKind::Channel {
            return channel::run(self, command).await;
        }
        let is_private = location.kind == ChatKind::Private;
        if is_private {
            self.worker.store.users.upsert(&sender(from)).await?;
        }
        let is_operator = is_private && self.settings.config().people.operators.contains(&from.id.0);
        let name = name.map(|name| start::resolve_link(name, argument, location.kind));
        let definition = COMMANDS.iter().find(|definition| Some(definition.name) == name);
        let handler = match definition {
            Some(definition) if definition.audience != Audience::Operators || is_operator => definition.handler,
            // For other users these are no commands.
            Some(_) if !is_private => return Ok(()),
            Some(_) | None => help::COMMAND.handler,
        };
        let invocation = Invocation { location: *location, message: *message, from, argument, locale };
        if let Some(content) = handler(self, &invocation).await? {
            self.replies.send(Reply::Send { location: *location, reply_to: Some(*message), content });
        }
        Ok(())
    }

    fn reply(&self, invocation: &Invocation<'_>, reply: &CommandReply) -> OutgoingMessage {
        self.settings.command_reply(invocation.locale, reply)
    }

    /// Whether the user may connect the bot to their own account, and asks in private.
    fn is_account_owner(&self, invocation: &Invocation<'_>) -> bool {
        let owners = &self.settings.config().people.owners;
        invocation.location.kind == ChatKind::Private && owners.contains(&invocation.from.id.0)
    }

    /// The reply in a group to a command about a member's data, with a link that gives the command in the private chat.
    fn private_only(&self, invocation: &Invocation<'_>, command: &str) -> OutgoingMessage {
        let mut message = self.reply(invocation, &CommandReply::PrivateOnly);
        if let Some(me) = self.client.known() {
            message.text += &format!("\nhttps://t.me/{}?start={command}", me.username);
        }
        message
    }
}

#[cfg(test)]
mod tests {
    use stenobot_telegram::{Locale, Texts};

    use super::*;

    #[test]
    fn every_command_is_described_in_every_locale() {
        let texts = Texts::default();
        for Definition { name, audience, .. } in COMMANDS {
            let described: Vec<String> = Locale::ALL.iter().map(|locale| texts.command(*locale, name)).collect();
            for text in &described {
                assert!(!text.contains("Unknown localization"), "{name}: {text}");
                assert!((3..=100).contains(&text.chars().count()), "{audience:?}: {text}");
            }
            let mut distinct = described.clone();
            distinct.sort_unstable();
            distinct.dedup();
            assert!(distinct.len() > Locale::ALL.len() / 2, "{name} is not translated: {described:?}");
        }
    }

    #[test]
    fn names_are_unique_and_valid_in_telegram() {
        for (at, Definition { name, .. }) in COMMANDS.iter().enumerate() {
            assert!(name.len() <= 32 && name.bytes().all(|byte| byte.is_ascii_lowercase()), "{name}");
            assert!(COMMANDS[..at].iter().all(|other| other.name != *name), "{name} is there twice");
        }
    }
}
