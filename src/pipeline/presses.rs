//! Pressed buttons. In a group anybody can press: what a button does is done only for the owner of the request, and for
//! the group's admins where the owner is a chat (the group itself, a channel), since Telegram names the user who presses
//! and not the chat in whose name they write.
//!
//! The data of a button comes from the user's program, which may send any data under any message of the bot. So a press
//! acts only on the message that such a button belongs to: that of the request which it names, or one that carries the
//! button by the word of Telegram's server.

use std::time::Duration;

use stenobot_domain::{AnswerForm, MessageId, RequestId, SpeechLanguage};
use stenobot_store::{
    Actor, AudioLookup, ButtonPermission, CancelOutcome, IdempotencyKey, IncomingAudio, KeptAudio, StoreError,
};
use stenobot_telegram::{Action, CallbackAnswer, ChatKind, Location, Press, StatusText, Wish};

use super::Context;
use super::admit::Admitting;
use super::broadcast;
use super::commands;
use super::replies::Reply;
use crate::request;

/// Does what a button asks for. Where only an admin of the group may press it, the user's rank is looked up first, beside
/// the polling: an admin's press comes back to [`run_as_admin`].
pub(super) async fn run(context: &Context, admit: &mut Admitting, press: &Press) -> Result<(), StoreError> {
    press_as(context, admit, press, false).await
}

/// Does what a button asks for that an admin of the group has pressed. Telegram has forgotten the update by now: after a
/// failure of the store the user is told to press again.
pub(super) async fn run_as_admin(context: &Context, admit: &mut Admitting, press: &Press) {
    if let Err(error) = press_as(context, admit, press, true).await {
        context.store_failed("carry out a press", &error);
        let words = Some(context.toast(press.from.language_code.as_deref(), CallbackAnswer::Failed));
        toast(context, press, words);
    }
}

/// Ends the little clock on a pressed button.
fn toast(context: &Context, press: &Press, words: Option<String>) {
    context.reply(Reply::CallbackAnswer { user: press.from.id, callback: press.callback.clone(), words });
}

/// Tells a user who presses too many buttons when the next press counts.
pub(super) fn refuse(context: &Context, press: &Press, retry: Duration) {
    tracing::debug!("a press over the user's rate is not carried out");
    toast(context, press, Some(context.say(press.from.language_code.as_deref(), &StatusText::UserLimit { retry })));
}

/// What a user is told who presses a button of administrators.
pub(super) fn admins_only(press: &Press) -> CallbackAnswer {
    match press.action {
        Some(Action::SetLanguage(_)) => CallbackAnswer::AdminsOnlyHere,
        Some(
            Action::Cancel(_)
            | Action::Again { .. }
            | Action::Languages { .. }
            | Action::Back(_)
            | Action::ChatLanguages(_)
            | Action::Forget
            | Action::SendDraft(_)
            | Action::DropDraft(_),
        )
        | None => CallbackAnswer::AdminsOnly,
    }
}

async fn press_as(context: &Context, admit: &mut Admitting, press: &Press, is_admin: bool) -> Result<(), StoreError> {
    let locale = press.from.language_code.as_deref();
    let answer = match (&press.action, press.place, press.message) {
        (Some(action), Some(place), Some(message)) => {
            let (user, group) = (press.from.id, place.chat);
            let actor = match place.kind {
                ChatKind::Private => Actor::Sender(user),
                ChatKind::Group if is_admin => Actor::Admin { user, group },
                ChatKind::Group => Actor::Member { user, group },
            };
            act(context, admit, press, actor, action, place, message).await?
        }
        // A button that this version does not know, or a message that Telegram no longer gives.
        (None, ..) | (_, None, _) | (_, _, None) => Some(CallbackAnswer::Over),
    };
    match (answer, press.place) {
        (Some(CallbackAnswer::AdminsOnly | CallbackAnswer::AdminsOnlyHere), Some(place)) if !is_admin => {
            context.reply(Reply::PressIfAdministrator { group: place.chat, press: Box::new(press.clone()) });
        }
        (answer, _) => toast(context, press, answer.map(|answer| context.toast(locale, answer))),
    }
    Ok(())
}

async fn act(
    context: &Context,
    admit: &mut Admitting,
    press: &Press,
    actor: Actor,
    action: &Action,
    place: Location,
    message: MessageId,
) -> Result<Option<CallbackAnswer>, StoreError> {
    let locale = press.from.language_code.as_deref();
    let chat = place.chat;
    if let Some(toast) = misplaced(context, press, actor, action, place, message).await? {
        tracing::debug!(?toast, "a press is not carried out: its button is not that message's or that user's");
        return Ok(Some(toast));
    }
    match action {
        Action::Cancel(id) => {
            let outcome = request::cancel(&context.store, *id, actor).await?;
            context.follow_up(*id, outcome);
            Ok(match outcome {
                CancelOutcome::Now { .. } => None,
                CancelOutcome::Running => Some(CallbackAnswer::Cancelling),
                CancelOutcome::Over | CancelOutcome::Unknown => Some(CallbackAnswer::Over),
                CancelOutcome::NotYours => Some(CallbackAnswer::NotYours),
                CancelOutcome::AdminsOnly => Some(CallbackAnswer::AdminsOnly),
            })
        }
        Action::Languages { of, page } => Ok(match kept(context, actor, *of).await? {
            Ok(_) => {
                let keyboard = context.again_buttons(locale, *of, *page);
                context.reply(Reply::Buttons { chat, message, keyboard });
                None
            }
            Err(toast) => Some(toast),
        }),
        Action::Back(of) => Ok(match kept(context, actor, *of).await? {
            Ok(_) => {
                let keyboard = context.answer_buttons(locale, *of, true);
                context.reply(Reply::Buttons { chat, message, keyboard });
                None
            }
            Err(toast) => Some(toast),
        }),
        Action::Again { of, wish } => Ok(Some(match kept(context, actor, *of).await? {
            Ok(audio) => {
                let keyboard = context.answer_buttons(locale, *of, true);
                context.reply(Reply::Buttons { chat, message, keyboard });
                let taken = admit.take(context, again(*audio, press, wish)).await?;
                if taken { CallbackAnswer::Again } else { CallbackAnswer::NoRoom }
            }
            Err(toast) => toast,
        })),
        Action::ChatLanguages(page) => {
            let note = commands::languages(context, chat, locale, *page).await?;
            context.reply(Reply::Edit { chat, message, note });
            Ok(None)
        }
        Action::SetLanguage(language) => set_language(context, actor, place, message, language, locale).await,
        Action::Forget if place.kind == ChatKind::Private => {
            commands::forget(context, press.from.id, chat, message, locale).await?;
            Ok(None)
        }
        Action::Forget => Ok(Some(CallbackAnswer::PrivateOnly)),
        Action::SendDraft(draft) => broadcast::send(context, place, message, press.from.id, locale, *draft).await,
        Action::DropDraft(draft) => Ok(broadcast::cancel(context, place, message, press.from.id, locale, *draft)),
    }
}

/// What to tell the user where a button does not belong to the message under which it is pressed.
async fn misplaced(
    context: &Context,
    press: &Press,
    actor: Actor,
    action: &Action,
    place: Location,
    message: MessageId,
) -> Result<Option<CallbackAnswer>, StoreError> {
    let (of, elsewhere) = match action {
        Action::Cancel(of) => (*of, CallbackAnswer::Over),
        Action::Again { of, .. } | Action::Languages { of, .. } | Action::Back(of) => (*of, CallbackAnswer::AudioGone),
        // Every page of the menu has such buttons, and no other message has.
        Action::SetLanguage(_) | Action::ChatLanguages(_) => {
            let is_menu = press.buttons.iter().any(|button| matches!(button, Action::SetLanguage(_)));
            return Ok((!is_menu).then_some(CallbackAnswer::Over));
        }
        Action::Forget => return Ok((!press.buttons.contains(action)).then_some(CallbackAnswer::Over)),
        Action::SendDraft(_) | Action::DropDraft(_) => {
            return Ok((!press.buttons.contains(action)).then_some(CallbackAnswer::DraftGone));
        }
    };
    Ok(match context.store.queue.button_permission(of, actor, place.chat, message).await? {
        ButtonPermission::Allowed => None,
        ButtonPermission::Elsewhere => Some(elsewhere),
        ButtonPermission::NotYours => Some(CallbackAnswer::NotYours),
        ButtonPermission::AdminsOnly => Some(CallbackAnswer::AdminsOnly),
    })
}

/// The recording behind an answer, while it is kept and if this actor may use it; else what to tell the user.
async fn kept(
    context: &Context,
    actor: Actor,
    of: RequestId,
) -> Result<Result<Box<KeptAudio>, CallbackAnswer>, StoreError> {
    Ok(match context.store.audio.kept_audio(of, actor).await? {
        AudioLookup::Here(audio) => Ok(audio),
        AudioLookup::NotYours => Err(CallbackAnswer::NotYours),
        AudioLookup::AdminsOnly => Err(CallbackAnswer::AdminsOnly),
        AudioLookup::Gone => Err(CallbackAnswer::AudioGone),
    })
}

/// The same recording, requested once more and in another way. What was asked for in the name of a chat stays that chat's,
/// so that the other admins can use the buttons of the new answer too.
fn again(audio: KeptAudio, press: &Press, wish: &Wish) -> IncomingAudio {
    let (speech_language, form) = match wish {
        Wish::Language(language) => (Some(language.clone()), AnswerForm::Message),
        Wish::File(form) => (audio.speech_language, *form),
    };
    IncomingAudio {
        chat: audio.chat,
        thread: audio.thread,
        key: IdempotencyKey::Button { callback_id: press.callback.clone() },
        reply_to: audio.reply_to,
        from: if audio.owner.id == press.from.id { super::admit::sender(&press.from) } else { audio.owner },
        source: audio.source,
        file_id: audio.file_id,
        file_unique_id: audio.file_unique_id,
        claimed: audio.claimed,
        locale: press.from.language_code.clone(),
        speech_language,
        form,
        parent: Some(audio.audio),
    }
}

/// Sets what is spoken in a chat; in a group only for its admins.
async fn set_language(
    context: &Context,
    actor: Actor,
    place: Location,
    message: MessageId,
    language: &SpeechLanguage,
    locale: Option<&str>,
) -> Result<Option<CallbackAnswer>, StoreError> {
    if let Actor::Member { .. } = actor {
        return Ok(Some(CallbackAnswer::AdminsOnlyHere));
    }
    let (set, talk) = commands::set_language(context, place.chat, language).await;
    set?;
    context.reply(Reply::Edit { chat: place.chat, message, note: context.talk(locale, &talk) });
    Ok(None)
}
