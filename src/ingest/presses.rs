//! Pressed buttons. In a group every member can press: what a button does is done only for the owner of the request, and for
//! the group's admins where the owner is a chat (the group itself, a channel), since Telegram names the user who presses
//! and not the chat in whose name they write.
//!
//! The data of a button comes from the user's program, which may send any data under any message of the bot. So a press
//! acts only on the message that such a button belongs to: that of the request which it names, or one that carries the
//! button according to Telegram's server.

mod guest;

use std::time::Duration;

use stenobot_domain::{AnswerForm, MessageId, Origin, RequestId, SpeechLanguage, StateDisplay};
use stenobot_store::{
    Actor, AudioLookup, ButtonPermission, CancelOutcome, IdempotencyKey, IncomingAudio, KeptAudio, StopOutcome,
    StoreError,
};
use stenobot_telegram::{Action, BotMessage, CallbackAnswer, ChatKind, Location, Press, RerunChoice, StatusText};

use crate::commands::{Commands, forget, language};
use crate::pipeline::admit::{Admitter, display, sender};
use crate::pipeline::broadcast::Broadcasts;
use crate::pipeline::cancels::CancelRegistry;
use crate::pipeline::file_names::file_stem;
use crate::pipeline::positions::PositionDisplay;
use crate::pipeline::replies::{Replies, Reply};
use crate::pipeline::worker::Worker;
use crate::request;
use crate::settings::Settings;

/// Presses of admins that wait to be carried out.
pub(crate) const MAX_ADMIN_PRESSES: usize = 64;

/// Carries out presses of buttons.
pub(crate) struct Presses {
    pub(crate) worker: Worker,
    pub(crate) settings: Settings,
    pub(crate) replies: Replies,
    pub(crate) cancels: CancelRegistry,
    pub(crate) broadcasts: Broadcasts,
    pub(crate) commands: Commands,
    pub(crate) positions: PositionDisplay,
}

/// A press with a known button under a known message.
struct KnownPress<'a> {
    press: &'a Press,
    actor: Actor,
    action: &'a Action,
    location: Location,
    message: MessageId,
    /// IETF language tag of the user.
    locale: Option<&'a str>,
}

impl Presses {
    /// Carries out a press. Where only an admin of the group may press, the user's rank is looked up first, beside the polling:
    /// an admin's press comes back to [`Presses::handle_as_admin`].
    pub(super) async fn handle(&self, admitter: &mut Admitter, press: &Press) -> Result<(), StoreError> {
        self.handle_as(admitter, press, false).await
    }

    /// Carries out the press of an admin of the group. Telegram has forgotten the update by now: after a failure of the store
    /// the user is asked to press again.
    pub(super) async fn handle_as_admin(&self, admitter: &mut Admitter, press: &Press) {
        if let Err(error) = self.handle_as(admitter, press, true).await {
            self.worker.failures.report("carry out a press", &error);
            self.answer(press, Some(CallbackAnswer::Failed));
        }
    }

    /// Informs a user who presses too many buttons when the next press counts.
    pub(super) fn refuse(&self, press: &Press, retry: Duration) {
        tracing::debug!("a press over the user's rate is not carried out");
        let text = StatusText::UserLimit { retry };
        self.acknowledge(press, Some(self.settings.status_text(press.from.language_code.as_deref(), &text)));
    }

    fn answer(&self, press: &Press, answer: Option<CallbackAnswer>) {
        let locale = press.from.language_code.as_deref();
        self.acknowledge(press, answer.map(|answer| self.settings.callback_answer(locale, answer)));
    }

    /// Ends the progress that Telegram shows on a pressed button.
    fn acknowledge(&self, press: &Press, words: Option<String>) {
        self.replies.send(Reply::CallbackAnswer { user: press.from.id, callback: press.callback.clone(), words });
    }

    async fn handle_as(&self, admitter: &mut Admitter, press: &Press, is_admin: bool) -> Result<(), StoreError> {
        let answer = match (&press.action, press.location, press.message) {
            (Some(action), None, None) if let Some(message) = &press.inline => {
                self.guest_press(press, action, message).await?
            }
            (Some(action), Some(location), Some(message)) => {
                let (user, group) = (press.from.id, location.chat);
                let actor = match location.kind {
                    ChatKind::Private => Actor::Sender(user),
                    ChatKind::Group | ChatKind::Channel if is_admin => Actor::Admin { user, group },
                    ChatKind::Group | ChatKind::Channel => Actor::Member { user, group },
                };
                let locale = press.from.language_code.as_deref();
                let known = KnownPress { press, actor, action, location, message, locale };
                self.carry_out(admitter, &known).await?
            }
            // A button that this version does not know, or a message that Telegram no longer gives.
            (None, ..) | (_, None, _) | (_, _, None) => Some(CallbackAnswer::Over),
        };
        match (answer, press.location) {
            (Some(CallbackAnswer::AdminsOnly | CallbackAnswer::AdminsOnlyHere), Some(location)) if !is_admin => {
                self.replies.send(Reply::PressIfAdministrator { group: location.chat, press: Box::new(press.clone()) });
            }
            (answer, _) => self.answer(press, answer),
        }
        Ok(())
    }

    /// Does what a button stands for; returns what the user is answered, if anything.
    async fn carry_out(
        &self,
        admitter: &mut Admitter,
        known: &KnownPress<'_>,
    ) -> Result<Option<CallbackAnswer>, StoreError> {
        let KnownPress { press, actor, action, location, message, locale } = *known;
        let chat = location.chat;
        if let Some(answer) = self.check_placement(press, actor, action, location, message).await? {
            tracing::debug!(?answer, "a press is not carried out: its button is not that message's or that user's");
            return Ok(Some(answer));
        }
        match action {
            Action::Cancel(id) => self.cancel(*id, actor).await,
            Action::Stop(id) => self.stop(*id, actor).await,
            // Of calls only, whose messages are in no chat of the bot.
            Action::Refresh(_) => Ok(Some(CallbackAnswer::Over)),
            Action::Languages { of, page } => Ok(match self.kept_audio(*of, actor).await? {
                Kept::Audio(_) => {
                    let keyboard = self.settings.again_buttons(locale, *of, *page);
                    self.replies.send(Reply::Buttons { chat, message, keyboard });
                    None
                }
                Kept::Answer(answer) => Some(answer),
            }),
            Action::Back(of) => Ok(match self.kept_audio(*of, actor).await? {
                Kept::Audio(_) => {
                    let keyboard = self.settings.answer_buttons(locale, *of, true);
                    self.replies.send(Reply::Buttons { chat, message, keyboard });
                    None
                }
                Kept::Answer(answer) => Some(answer),
            }),
            Action::Rerun { of, choice } => Ok(Some(match self.kept_audio(*of, actor).await? {
                Kept::Audio(audio) => {
                    let keyboard = self.settings.answer_buttons(locale, *of, true);
                    self.replies.send(Reply::Buttons { chat, message, keyboard });
                    let stem = press.replied.as_ref();
                    let stem = stem.map(|to| file_stem(to.file_name.as_deref(), audio.source, to.date));
                    let settings = self.worker.store.users.chat_settings(chat).await?;
                    let display = display(location.kind, &settings);
                    let repeated = IncomingAudio { display, ..repeated(*audio, press, choice) };
                    let is_admitted = admitter.kept_audio(repeated, stem).await?;
                    if is_admitted { CallbackAnswer::Rerunning } else { CallbackAnswer::NoRoom }
                }
                Kept::Answer(answer) => answer,
            })),
            Action::ChatLanguages(page) => {
                let content = language::menu(&self.commands, chat, locale, *page).await?;
                self.replies.send(Reply::Edit { message: BotMessage::InChat { chat, message }, content });
                Ok(None)
            }
            Action::SetLanguage(language) => self.set_language(known, language).await,
            Action::Forget if location.kind == ChatKind::Private => {
                forget::erase(&self.commands, press.from.id, chat, message, locale).await?;
                Ok(None)
            }
            Action::Forget => Ok(Some(CallbackAnswer::PrivateOnly)),
            Action::SendDraft(draft) => self.broadcasts.send(location, message, press.from.id, locale, *draft).await,
            Action::DropDraft(draft) => Ok(self.broadcasts.cancel(location, message, press.from.id, locale, *draft)),
        }
    }

    async fn cancel(&self, id: RequestId, actor: Actor) -> Result<Option<CallbackAnswer>, StoreError> {
        let outcome = request::cancel(&self.worker.store, id, actor).await?;
        self.cancels.follow_up(id, outcome);
        Ok(match outcome {
            CancelOutcome::Now { .. } => None,
            CancelOutcome::Running => Some(CallbackAnswer::Cancelling),
            CancelOutcome::Over | CancelOutcome::Unknown => Some(CallbackAnswer::Over),
            CancelOutcome::NotYours => Some(CallbackAnswer::NotYours),
            CancelOutcome::AdminsOnly => Some(CallbackAnswer::AdminsOnly),
        })
    }

    async fn stop(&self, id: RequestId, actor: Actor) -> Result<Option<CallbackAnswer>, StoreError> {
        Ok(match self.worker.store.queue.stop(id, actor).await? {
            StopOutcome::Stopping => {
                self.cancels.stop_registered(id);
                Some(CallbackAnswer::Cancelling)
            }
            StopOutcome::Waiting => Some(CallbackAnswer::NoTextYet),
            StopOutcome::Over | StopOutcome::Unknown => Some(CallbackAnswer::Over),
            StopOutcome::NotYours => Some(CallbackAnswer::NotYours),
            StopOutcome::AdminsOnly => Some(CallbackAnswer::AdminsOnly),
        })
    }

    /// The answer to the user where a button does not belong to the message under which it is pressed, or to the user.
    async fn check_placement(
        &self,
        press: &Press,
        actor: Actor,
        action: &Action,
        location: Location,
        message: MessageId,
    ) -> Result<Option<CallbackAnswer>, StoreError> {
        let (of, elsewhere) = match action {
            Action::Cancel(of) | Action::Stop(of) | Action::Refresh(of) => (*of, CallbackAnswer::Over),
            Action::Rerun { of, .. } | Action::Languages { of, .. } | Action::Back(of) => {
                (*of, CallbackAnswer::AudioGone)
            }
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
        Ok(match self.worker.store.queue.button_permission(of, actor, location.chat, message).await? {
            ButtonPermission::Allowed => None,
            ButtonPermission::Elsewhere => Some(elsewhere),
            ButtonPermission::NotYours => Some(CallbackAnswer::NotYours),
            ButtonPermission::AdminsOnly => Some(CallbackAnswer::AdminsOnly),
        })
    }

    /// The recording behind an answer, while it is kept and if this actor may use it.
    async fn kept_audio(&self, of: RequestId, actor: Actor) -> Result<Kept, StoreError> {
        Ok(match self.worker.store.audio.kept_audio(of, actor).await? {
            AudioLookup::Here(audio) => Kept::Audio(audio),
            AudioLookup::NotYours => Kept::Answer(CallbackAnswer::NotYours),
            AudioLookup::AdminsOnly => Kept::Answer(CallbackAnswer::AdminsOnly),
            AudioLookup::Gone => Kept::Answer(CallbackAnswer::AudioGone),
        })
    }

    /// Sets the speech language of a chat; in a group only for its admins.
    async fn set_language(
        &self,
        known: &KnownPress<'_>,
        language: &SpeechLanguage,
    ) -> Result<Option<CallbackAnswer>, StoreError> {
        let KnownPress { actor, location, message, locale, .. } = *known;
        if let Actor::Member { .. } = actor {
            return Ok(Some(CallbackAnswer::AdminsOnlyHere));
        }
        let reply = language::set(&self.worker.store, location.chat, language).await?;
        let content = self.settings.command_reply(locale, &reply);
        self.replies.send(Reply::Edit { message: BotMessage::InChat { chat: location.chat, message }, content });
        Ok(None)
    }
}

/// A recording for a repeated request, or what the user is answered instead.
enum Kept {
    Audio(Box<KeptAudio>),
    Answer(CallbackAnswer),
}

/// The answer to a user who presses a button that only admins may press.
pub(crate) fn admins_only(press: &Press) -> CallbackAnswer {
    match press.action {
        Some(Action::SetLanguage(_)) => CallbackAnswer::AdminsOnlyHere,
        Some(
            Action::Cancel(_)
            | Action::Stop(_)
            | Action::Refresh(_)
            | Action::Rerun { .. }
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

/// A request for a kept recording, with another language or form. What was requested in the name of a chat stays that chat's,
/// so that the other admins can use the buttons of the new answer too.
fn repeated(audio: KeptAudio, press: &Press, choice: &RerunChoice) -> IncomingAudio {
    let (speech_language, form) = match choice {
        RerunChoice::Language(language) => (Some(language.clone()), AnswerForm::Message),
        RerunChoice::File(form) => (audio.speech_language, *form),
    };
    // The recording itself is in another chat: the new text replies to the first, which says who sent it.
    let (reply_to, origin) = match audio.origin {
        Origin::Chat => (audio.reply_to, Origin::Chat),
        Origin::Business(_) => (audio.status_message, audio.origin),
        // The call was answered: a further text is one of the private chat.
        Origin::Guest(_) => (None, Origin::Chat),
    };
    IncomingAudio {
        chat: audio.chat,
        thread: audio.thread,
        key: IdempotencyKey::Button { callback_id: press.callback.clone() },
        reply_to,
        origin,
        display: StateDisplay::Message,
        from: if audio.owner.id == press.from.id { sender(&press.from) } else { audio.owner },
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
