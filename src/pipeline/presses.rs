//! Pressed buttons. In a group anybody can press: what a button does is done only for the owner of the request.

use super::Context;
use super::admit::Admitting;
use super::broadcast;
use super::commands::{self, GroupWish};
use super::replies::Reply;
use crate::journal::{Arrival, Asked, Cancelling, JournalError, Kept, KeptAudio};
use crate::model::{AnswerForm, MessageId, RequestId, SpeechLanguage};
use crate::request;
use crate::telegram::{Action, ChatKind, Place, Press, Toast, Wish};

/// Does what a button asks for.
pub(super) async fn run(context: &Context, admit: &mut Admitting, press: &Press) -> Result<(), JournalError> {
    let locale = press.from.language_code.as_deref();
    let toast = match (&press.action, press.place, press.message) {
        (Some(action), Some(place), Some(message)) => {
            act(context, admit, press, action, place, message, locale).await?
        }
        // A button that this version does not know, or a message that Telegram no longer gives.
        (None, ..) | (_, None, _) | (_, _, None) => Some(Toast::Over),
    };
    let words = toast.map(|toast| context.toast(locale, toast));
    context.reply(Reply::Toast { callback: press.callback.clone(), words });
    Ok(())
}

async fn act(
    context: &Context,
    admit: &mut Admitting,
    press: &Press,
    action: &Action,
    place: Place,
    message: MessageId,
    locale: Option<&str>,
) -> Result<Option<Toast>, JournalError> {
    let user = press.from.id;
    let chat = place.chat;
    match action {
        Action::Cancel(id) => {
            let outcome = request::cancel(&context.journal, *id, user).await?;
            context.follow_up(*id, outcome);
            Ok(match outcome {
                Cancelling::Now { .. } => None,
                Cancelling::Running => Some(Toast::Cancelling),
                Cancelling::Over | Cancelling::Unknown => Some(Toast::Over),
                Cancelling::NotYours => Some(Toast::NotYours),
            })
        }
        Action::Languages { of, page } => Ok(match kept(context, press, *of).await? {
            Ok(_) => {
                let keyboard = context.again_buttons(locale, *of, *page);
                context.reply(Reply::Buttons { chat, message, keyboard });
                None
            }
            Err(toast) => Some(toast),
        }),
        Action::Back(of) => Ok(match kept(context, press, *of).await? {
            Ok(_) => {
                let keyboard = context.answer_buttons(locale, *of, true);
                context.reply(Reply::Buttons { chat, message, keyboard });
                None
            }
            Err(toast) => Some(toast),
        }),
        Action::Again { of, wish } => Ok(Some(match kept(context, press, *of).await? {
            Ok(audio) => {
                let keyboard = context.answer_buttons(locale, *of, true);
                context.reply(Reply::Buttons { chat, message, keyboard });
                let taken = admit.take(context, again(*audio, press, wish)).await?;
                if taken { Toast::Again } else { Toast::NoRoom }
            }
            Err(toast) => toast,
        })),
        Action::ChatLanguages(page) => {
            let note = commands::languages(context, chat, locale, *page).await?;
            context.reply(Reply::Edit { chat, message, note });
            Ok(None)
        }
        Action::SetLanguage(language) => set_language(context, press, place, message, language, locale).await,
        Action::Forget if place.kind == ChatKind::Private => {
            let note = commands::forget(context, user, locale).await?;
            context.reply(Reply::Edit { chat, message, note });
            Ok(None)
        }
        Action::Forget => Ok(Some(Toast::Over)),
        Action::SendDraft(draft) => broadcast::send(context, place, message, user, locale, *draft).await,
        Action::DropDraft(draft) => Ok(broadcast::cancel(context, place, message, user, locale, *draft)),
    }
}

/// The recording behind an answer, while it is kept and for its owner; else what to tell whoever pressed.
async fn kept(context: &Context, press: &Press, of: RequestId) -> Result<Result<Box<KeptAudio>, Toast>, JournalError> {
    Ok(match context.journal.kept_audio(of, press.from.id).await? {
        Kept::Here(audio) => Ok(audio),
        Kept::NotYours => Err(Toast::NotYours),
        Kept::Gone => Err(Toast::AudioGone),
    })
}

/// The same recording, wanted once more and in another way.
fn again(audio: KeptAudio, press: &Press, wish: &Wish) -> Arrival {
    let (speech_language, form) = match wish {
        Wish::Language(language) => (Some(language.clone()), AnswerForm::Message),
        Wish::File(form) => (audio.speech_language, *form),
    };
    Arrival {
        chat: audio.chat,
        thread: audio.thread,
        asked: Asked::Button { callback_id: press.callback.clone() },
        reply_to: audio.reply_to,
        from: super::admit::sender(&press.from),
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

async fn set_language(
    context: &Context,
    press: &Press,
    place: Place,
    message: MessageId,
    language: &SpeechLanguage,
    locale: Option<&str>,
) -> Result<Option<Toast>, JournalError> {
    match place.kind {
        ChatKind::Private => {
            let (set, talk) = commands::set_language(context, place.chat, language).await;
            set?;
            context.reply(Reply::Edit { chat: place.chat, message, note: context.talk(locale, &talk) })
        }
        ChatKind::Group => context.reply(Reply::IfAdministrator {
            place,
            user: press.from.id,
            message,
            wish: GroupWish::Language(language.clone()),
            locale: press.from.language_code.clone(),
        }),
    };
    Ok(None)
}
