//! Nothing is taken from banned users, groups and channels, and they get no answer.

use stenobot_domain::{ChatId, UserId};
use stenobot_store::StoreError;
use stenobot_telegram::Content;

use super::Context;
use super::replies::Reply;

impl Context {
    /// Whether nothing is taken from this sender in this chat: the user is banned, or the channel or group in whose name
    /// they write, or the chat. The operators are not, so that a slip of theirs can be undone.
    pub(super) async fn is_banned(&self, from: UserId, chat: ChatId) -> Result<bool, StoreError> {
        let config = self.config();
        let mut ids = vec![from.0];
        if chat.0 != from.0 {
            ids.push(chat.0);
        }
        for id in ids {
            if !config.people.operators.contains(&id) && self.store.users.is_banned(UserId(id)).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Leaves alone what a banned user, group or channel sends; tells whether it did. A press is acknowledged without a
    /// word, else the button would turn for a minute.
    pub(super) async fn leave_alone(&self, content: &Content) -> Result<bool, StoreError> {
        let (from, chat) = match content {
            Content::Voice(voice) => (voice.from.id, voice.place.chat),
            Content::Command(command) => (command.from.id, command.place.chat),
            Content::Other(other) => (other.from.id, other.place.chat),
            Content::Press(press) => (press.from.id, press.place.map_or(ChatId(press.from.id.0), |place| place.chat)),
            Content::Membership(_) | Content::Moved { .. } | Content::Ignored(_) => return Ok(false),
        };
        let is_banned = self.is_banned(from, chat).await?;
        if is_banned && let Content::Press(press) = content {
            self.reply(Reply::CallbackAnswer { user: press.from.id, callback: press.callback.clone(), words: None });
        }
        Ok(is_banned)
    }
}
