//! Commands: from people, from groups, from the bot's own administrators.

use std::time::Duration;

use stenobot_domain::{ChatId, MessageId, SpeechLanguage, StageName, UserId};
use stenobot_store::{MyData, StoreError};
use stenobot_telegram::{
    self, Action, ChatKind, Command, CommandName, CommandReply, Keyboard, Label, Location, OutgoingMessage, Standing,
    Stats, language_name,
};

use super::replies::Reply;
use super::{Context, Flow, broadcast};
use crate::request;
use crate::stats::Statistics;

/// What only a group's administrators may set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GroupWish {
    /// Whether everything is transcribed unasked.
    Auto(bool),
}

/// Does what a command asks for. Whatever concerns the store is done when this returns, before Telegram is told that
/// the command was taken; only words are left to be sent.
pub(super) async fn run(context: &Context, command: &Command) -> Result<(), StoreError> {
    let Command { place, message, from, name, argument } = command;
    let locale = from.language_code.as_deref();
    let private = place.kind == ChatKind::Private;
    let operator = private && context.config().people.operators.contains(&from.id.0);
    if private {
        context.store.users.upsert(&super::admit::sender(from)).await?;
    }
    let note = match named(*name, argument, place.kind) {
        CommandName::Start => Some(context.talk(locale, &greeting(context))),
        CommandName::Help => Some(context.talk(locale, &help(context))),
        CommandName::Unknown => Some(context.talk(locale, &help(context))),
        CommandName::Language => Some(languages(context, place.chat, locale, 0).await?),
        CommandName::Queue => Some(context.talk(locale, &standings(context, from.id, *place).await?)),
        CommandName::Cancel => {
            Some(context.talk(locale, &CommandReply::Cancelled(cancel_all(context, from.id).await?)))
        }
        CommandName::Privacy => {
            let retention = context.config().privacy.audio_retention;
            Some(context.talk(locale, &CommandReply::Privacy { retention }))
        }
        CommandName::MyData if !private => Some(private_only(context, locale, MY_DATA)),
        CommandName::Forget if !private => Some(private_only(context, locale, FORGET)),
        CommandName::MyData => Some(context.talk(locale, &my_data(context.store.users.my_data(from.id).await?))),
        CommandName::Forget => Some(OutgoingMessage {
            keyboard: Keyboard::one(context.label(locale, Label::Erase), Action::Forget),
            ..context.talk(locale, &CommandReply::ForgetAsk)
        }),
        // One that answers a recording is no command any more when it comes here.
        CommandName::Transcribe => Some(context.talk(locale, &CommandReply::TranscribeHow)),
        CommandName::Auto => auto(context, command).await?,
        CommandName::Stats if operator => Some(context.talk(locale, &CommandReply::Stats(stats(context).await?))),
        CommandName::Pause if operator => Some(flow(context, locale, Flow::Paused, &CommandReply::Paused)),
        CommandName::Resume if operator => Some(flow(context, locale, Flow::Open, &CommandReply::Resumed)),
        CommandName::Drain if operator => Some(flow(context, locale, Flow::Draining, &CommandReply::Draining)),
        CommandName::Ban if operator => Some(context.talk(locale, &ban(context, argument, true).await?)),
        CommandName::Unban if operator => Some(context.talk(locale, &ban(context, argument, false).await?)),
        CommandName::Broadcast if operator => Some(broadcast::preview(context, from.id, locale, argument).await?),
        // To everybody else, these are no commands.
        CommandName::Stats
        | CommandName::Pause
        | CommandName::Resume
        | CommandName::Drain
        | CommandName::Ban
        | CommandName::Unban
        | CommandName::Broadcast => private.then(|| context.talk(locale, &help(context))),
    };
    if let Some(note) = note {
        context.reply(Reply::Say { place: *place, reply_to: Some(*message), note });
    }
    Ok(())
}

fn greeting(context: &Context) -> CommandReply {
    let config = context.config();
    CommandReply::Greeting { duration: config.limits.voice, size: config.limits.file_bytes }
}

fn help(context: &Context) -> CommandReply {
    let config = context.config();
    let bot = context.client.known().map(|me| me.username.clone()).unwrap_or_default();
    CommandReply::Help { duration: config.limits.voice, size: config.limits.file_bytes, bot }
}

/// What is spoken in a chat, over the buttons that change it.
pub(super) async fn languages(
    context: &Context,
    chat: ChatId,
    locale: Option<&str>,
    page: u8,
) -> Result<OutgoingMessage, StoreError> {
    let current = match context.store.users.chat_settings(chat).await?.speech_language {
        Some(SpeechLanguage::Code(code)) => language_name(&code),
        Some(SpeechLanguage::Auto) | None => None,
    };
    Ok(OutgoingMessage {
        keyboard: context.language_buttons(locale, page),
        ..context.talk(locale, &CommandReply::Languages { current })
    })
}

/// What a link to the bot carries behind `start`.
const MY_DATA: &str = "mydata";
const FORGET: &str = "forget";

/// The command that a user means, by itself or by the link in [`private_only`].
fn named(name: CommandName, argument: &str, kind: ChatKind) -> CommandName {
    match (name, kind, argument) {
        (CommandName::Start, ChatKind::Private, MY_DATA) => CommandName::MyData,
        (CommandName::Start, ChatKind::Private, FORGET) => CommandName::Forget,
        (name, ChatKind::Private | ChatKind::Group, _) => name,
    }
}

/// What a group gets in place of one member's data, with a link to where it is given.
fn private_only(context: &Context, locale: Option<&str>, command: &str) -> OutgoingMessage {
    let mut note = context.talk(locale, &CommandReply::PrivateOnly);
    if let Some(me) = context.client.known() {
        note.text += &format!("\nhttps://t.me/{}?start={command}", me.username);
    }
    note
}

/// A group is shown what waits in it, not what its members send elsewhere.
async fn standings(context: &Context, user: UserId, place: Location) -> Result<CommandReply, StoreError> {
    let mut own = context.store.queue.statuses_of(user).await?;
    own.retain(|standing| place.kind == ChatKind::Private || standing.chat == place.chat);
    Ok(CommandReply::Standings(
        own.iter()
            .map(|own| Standing {
                position: own.position,
                length: own.length.map(stenobot_domain::AudioLength::duration).unwrap_or_default(),
            })
            .collect(),
    ))
}

/// Stops everything of somebody's; tells how much that is.
async fn cancel_all(context: &Context, user: UserId) -> Result<u64, StoreError> {
    let mut stopped = 0;
    for (id, outcome) in request::cancel_all(&context.store, user).await? {
        stopped += u64::from(context.follow_up(id, outcome));
    }
    Ok(stopped)
}

fn my_data(data: Option<MyData>) -> CommandReply {
    let Some(MyData { sender, first_seen, ended, audio, settings, under_way }) = data else {
        return CommandReply::NoData;
    };
    let count = |wanted: &dyn Fn(StageName) -> bool| {
        ended.iter().filter(|(stage, _)| wanted(*stage)).map(|(_, count)| u64::from(*count)).sum::<u64>()
    };
    CommandReply::MyData(stenobot_telegram::MyData {
        name: [sender.first_name, sender.last_name].into_iter().flatten().collect::<Vec<_>>().join(" "),
        username: sender.username.map(|name| format!("@{name}")),
        id: sender.id.0,
        since: first_seen.day(),
        requests: count(&|_| true) + under_way.len() as u64,
        answered: count(&|stage| stage == StageName::Done),
        audio,
        language: match settings.speech_language {
            Some(SpeechLanguage::Code(code)) => language_name(&code),
            Some(SpeechLanguage::Auto) | None => None,
        },
    })
}

/// Erases a user's data and stops their work; the message with the button says how far that has come.
pub(super) async fn forget(
    context: &Context,
    user: UserId,
    chat: ChatId,
    message: MessageId,
    locale: Option<&str>,
) -> Result<(), StoreError> {
    let forgotten = context.store.users.forget(user).await?;
    for id in forgotten.stopped {
        context.cancels.stop(id);
    }
    for id in forgotten.audio {
        context.discard_audio(id).await;
    }
    let talk = if forgotten.log_emptied {
        CommandReply::Forgotten
    } else {
        context.erasures.follow(chat, message, locale);
        CommandReply::ForgottenSoon
    };
    context.reply(Reply::Edit { chat, message, note: context.talk(locale, &talk) });
    Ok(())
}

async fn auto(context: &Context, command: &Command) -> Result<Option<OutgoingMessage>, StoreError> {
    let Command { place, message, from, argument, .. } = command;
    let locale = from.language_code.as_deref();
    if place.kind == ChatKind::Private {
        return Ok(Some(context.talk(locale, &CommandReply::GroupsOnly)));
    }
    let wish = match argument.to_ascii_lowercase().as_str() {
        "on" => GroupWish::Auto(true),
        "off" => GroupWish::Auto(false),
        _ => return Ok(Some(context.talk(locale, &CommandReply::AutoHow))),
    };
    if from.anonymous_admin {
        return Ok(Some(of_a_group(context, *place, &wish, true, locale).await));
    }
    context.reply(Reply::IfAdministrator {
        place: *place,
        user: from.id,
        message: *message,
        wish,
        locale: from.language_code.clone(),
    });
    Ok(None)
}

/// Sets what an administrator wants, if it is one; gives the words for it.
pub(super) async fn of_a_group(
    context: &Context,
    place: Location,
    wish: &GroupWish,
    allowed: bool,
    locale: Option<&str>,
) -> OutgoingMessage {
    if !allowed {
        return context.talk(locale, &CommandReply::AdminsOnly);
    }
    let (set, talk) = match wish {
        GroupWish::Auto(on) => (context.store.users.set_auto(place.chat, *on).await, CommandReply::Auto(*on)),
    };
    match set {
        Ok(()) => context.talk(locale, &talk),
        Err(error) => {
            context.store_failed("change a group's settings", &error);
            context.say(locale, &stenobot_telegram::StatusText::Failed).into()
        }
    }
}

/// Sets what is spoken in a chat.
pub(super) async fn set_language(
    context: &Context,
    chat: ChatId,
    language: &SpeechLanguage,
) -> (Result<(), StoreError>, CommandReply) {
    let (set, name) = match language {
        SpeechLanguage::Auto => (None, None),
        SpeechLanguage::Code(code) => (Some(language.clone()), language_name(code)),
    };
    (context.store.users.set_speech_language(chat, set).await, CommandReply::LanguageSet(name))
}

// === For the bot's own administrators ===

fn flow(context: &Context, locale: Option<&str>, flow: Flow, talk: &CommandReply) -> OutgoingMessage {
    tracing::info!(flow = ?flow, "an administrator changes what the bot does");
    context.flow.send_replace(flow);
    context.talk(locale, talk)
}

async fn ban(context: &Context, argument: &str, banned: bool) -> Result<CommandReply, StoreError> {
    let Ok(id) = argument.parse::<i64>() else { return Ok(CommandReply::BanHow) };
    if banned {
        context.store.users.ban(UserId(id)).await?;
        cancel_all(context, UserId(id)).await?;
        for (id, outcome) in request::cancel_all_in(&context.store, ChatId(id)).await? {
            context.follow_up(id, outcome);
        }
        Ok(CommandReply::Banned(id))
    } else {
        context.store.users.unban(UserId(id)).await?;
        Ok(CommandReply::Unbanned(id))
    }
}

/// Statistics look so far back.
const A_DAY: Duration = Duration::from_secs(86_400);

async fn stats(context: &Context) -> Result<Stats, StoreError> {
    let config = context.config();
    let since = context.store.clock().now().before(A_DAY);
    let facts = context.store.statistics.request_records(Some(since)).await?;
    let total = Statistics::of(&facts).total;
    Ok(Stats {
        waiting: u64::from(context.store.queue.depth().await?),
        limit: u64::from(config.limits.queue),
        requests: total.requests,
        answered: total.answered,
        no_speech: total.no_speech,
        failed: total.failed,
        rejected: total.rejected,
        people: total.people,
        audio: Duration::try_from_secs_f64(total.audio_seconds).unwrap_or_default(),
        median_wait: total.wait_seconds.and_then(|wait| Duration::try_from_secs_f64(wait.p50).ok()),
        real_time_factor: context.store.statistics.recent_real_time_factor(&context.model).await?,
    })
}
