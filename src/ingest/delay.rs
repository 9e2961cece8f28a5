//! Senders whose recordings cannot be accepted or downloaded for now are informed once that the recordings are safe.

use std::time::Duration;

use stenobot_telegram::{Content, Incoming, Pushed, StatusText, VoiceMessage};

use super::recent::RecentUpdates;
use crate::pipeline::admit::Admitter;
use crate::pipeline::replies::{Replies, Reply};
use crate::settings::Settings;

/// Time spent on informing senders. The rest are informed when their updates come again.
const MAX_TIME: Duration = Duration::from_secs(2);

/// Which senders have been informed. A restart forgets it.
pub(super) struct Delays {
    settings: Settings,
    replies: Replies,
    /// Updates whose senders have been informed.
    informed: RecentUpdates,
}

impl Delays {
    pub(super) fn new(settings: Settings, replies: Replies) -> Self {
        Self { settings, replies, informed: RecentUpdates::default() }
    }

    /// Informs the senders of those recordings that the bot would serve, which may take reading the store.
    pub(super) async fn inform_all(&mut self, admitter: &Admitter, updates: &[Incoming]) {
        let inform = async {
            for Incoming { update_id, content } in updates {
                match content {
                    Content::Voice(voice) if !self.informed.contains(*update_id) => {
                        if admitter.would_admit(voice).await && !self.inform(*update_id, voice) {
                            return;
                        }
                    }
                    Content::Voice(_)
                    | Content::Command(_)
                    | Content::Press(_)
                    | Content::Membership(_)
                    | Content::Moved { .. }
                    | Content::BusinessConnection(_)
                    | Content::BusinessAudio(_)
                    | Content::BusinessDeletion(_)
                    | Content::Guest(_)
                    | Content::Discussion(_)
                    | Content::Other(_)
                    | Content::Ignored(_) => {}
                }
            }
        };
        let _ = tokio::time::timeout(MAX_TIME, inform).await;
    }

    /// Informs the sender of one recording, once. False when too many other replies wait.
    pub(super) fn inform(&mut self, update_id: i64, voice: &VoiceMessage) -> bool {
        if self.informed.contains(update_id) {
            return true;
        }
        let content = self.settings.status_text(voice.from.language_code.as_deref(), &StatusText::Delayed).into();
        match self.replies.send(Reply::Send { location: voice.location, reply_to: Some(voice.message), content }) {
            // The replies that wait for this chat already inform its senders.
            Pushed::Taken | Pushed::LaneFull => {
                self.informed.insert(update_id);
                true
            }
            Pushed::Full => false,
        }
    }
}
