//! Whoever's message cannot be taken or fetched for now is told so, once: it is safe, and need not be sent again.

use std::time::Duration;

use stenobot_telegram::{Content, Incoming, Pushed, StatusText, VoiceMessage};

use super::Context;
use super::admit::Admitting;
use super::replies::Reply;

/// Longest time spent on telling people. Whoever is left is told after the next poll.
const AT_MOST: Duration = Duration::from_secs(2);

/// Who has been told: the senders of updates up to this one. A restart forgets it.
#[derive(Debug, Default)]
pub(super) struct Delays {
    told: Option<i64>,
}

impl Delays {
    /// Tells the senders of those recordings that the bot will serve. Who they are may cost reading the store.
    pub(super) async fn tell_all(&mut self, context: &Context, admit: &Admitting, updates: &[Incoming]) {
        let telling = async {
            for Incoming { update_id, content } in updates {
                match content {
                    Content::Voice(voice) if self.is_news(*update_id) => {
                        if admit.would_take(context, voice).await && !self.tell(context, *update_id, voice) {
                            return;
                        }
                    }
                    Content::Voice(_)
                    | Content::Command(_)
                    | Content::Press(_)
                    | Content::Membership(_)
                    | Content::Moved { .. }
                    | Content::Other(_)
                    | Content::Ignored(_) => {}
                }
            }
        };
        let _ = tokio::time::timeout(AT_MOST, telling).await;
    }

    /// Tells the sender of one recording, unless they know. False when too many others are to be told before.
    pub(super) fn tell(&mut self, context: &Context, update_id: i64, voice: &VoiceMessage) -> bool {
        if !self.is_news(update_id) {
            return true;
        }
        let note = context.say(voice.from.language_code.as_deref(), &StatusText::Delayed).into();
        match context.reply(Reply::Send { place: voice.place, reply_to: Some(voice.message), note }) {
            // Where so many wait for one chat, those say the same.
            Pushed::Taken | Pushed::LaneFull => {
                self.told = Some(update_id);
                true
            }
            Pushed::Full => false,
        }
    }

    fn is_news(&self, update_id: i64) -> bool {
        self.told.is_none_or(|told| told < update_id)
    }
}
