//! Who may act on a request: the user or the chat that made it, and the admins of a group for what was asked for there
//! in the name of a chat.

use stenobot_domain::{ChatId, MessageId, RequestId, UserId};

use super::{Queue, StoreError, sql};

/// Who acts on a request: presses a button under it, or cancels it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// A user, or a chat in whose name a message was sent. Acts on its own requests only.
    Sender(UserId),
    /// A user in a group whose rank there was not looked up.
    Member {
        /// The user.
        user: UserId,
        /// The group.
        group: ChatId,
    },
    /// A user who is known to be an admin of a group. Acts on their own requests, and on those made in this group in the
    /// name of a chat: the group itself (anonymous admins) or a channel.
    Admin {
        /// The user.
        user: UserId,
        /// The group.
        group: ChatId,
    },
}

impl From<UserId> for Actor {
    fn from(sender: UserId) -> Self {
        Self::Sender(sender)
    }
}

/// Whether an actor may act on a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Right {
    Granted,
    /// Admins of the group may.
    AdminsOnly,
    Denied,
}

impl Actor {
    /// The right to a request of `owner` whose answer goes to `chat`. Telegram gives chats negative ids and users
    /// positive ones.
    pub(super) fn right(self, owner: UserId, chat: ChatId) -> Right {
        let of_a_chat = |group| owner.0 < 0 && chat == group;
        match self {
            Self::Sender(user) | Self::Member { user, .. } | Self::Admin { user, .. } if user == owner => {
                Right::Granted
            }
            Self::Member { group, .. } if of_a_chat(group) => Right::AdminsOnly,
            Self::Admin { group, .. } if of_a_chat(group) => Right::Granted,
            Self::Sender(_) | Self::Member { .. } | Self::Admin { .. } => Right::Denied,
        }
    }
}

/// Whether a press is made under the message of the request that it names, by a user who may use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum ButtonPermission {
    /// It is.
    Allowed,
    /// It is under another message, or there is no such request.
    Elsewhere,
    /// It is another user's.
    NotYours,
    /// It was made in the name of a chat: only the group's admins may use it.
    AdminsOnly,
}

impl Queue {
    /// Holds a press against the request that it names: what a button claims is the word of the program that sent it. A
    /// status message that was sent a moment ago may not be on record yet; then the chat alone is compared.
    pub async fn pressing(
        &self,
        of: RequestId,
        by: Actor,
        chat: ChatId,
        message: MessageId,
    ) -> Result<ButtonPermission, StoreError> {
        let row: Option<Located> = sqlx::query_as(sql::MESSAGE_OF).bind(of.0).fetch_optional(&self.0.reader).await?;
        let Some((Some(owner), Some(own_chat), first_chat, own_message)) = row else {
            return Ok(ButtonPermission::Elsewhere);
        };
        let is_here =
            (chat.0 == own_chat || Some(chat.0) == first_chat) && own_message.is_none_or(|own| own == message.0);
        Ok(match by.right(UserId(owner), ChatId(own_chat)) {
            Right::Denied => ButtonPermission::NotYours,
            Right::Granted | Right::AdminsOnly if !is_here => ButtonPermission::Elsewhere,
            Right::AdminsOnly => ButtonPermission::AdminsOnly,
            Right::Granted => ButtonPermission::Allowed,
        })
    }
}

/// Telegram's id of the owner, the chat as it is now and as it was, the status message.
type Located = (Option<i64>, Option<i64>, Option<i64>, Option<i32>);

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: ChatId = ChatId(-100_200);
    const OTHER_GROUP: ChatId = ChatId(-100_201);
    const CHANNEL: UserId = UserId(-100_777);
    const ANNA: UserId = UserId(5);
    const BORIS: UserId = UserId(6);

    #[test]
    fn an_admin_acts_for_the_chats_that_asked_in_the_group_and_for_no_user() {
        let member = |user| Actor::Member { user, group: GROUP };
        let admin = |user| Actor::Admin { user, group: GROUP };
        for owner in [UserId(GROUP.0), CHANNEL] {
            assert_eq!(admin(ANNA).right(owner, GROUP), Right::Granted);
            assert_eq!(member(ANNA).right(owner, GROUP), Right::AdminsOnly);
            assert_eq!(Actor::Sender(owner).right(owner, GROUP), Right::Granted);
            assert_eq!(Actor::Sender(ANNA).right(owner, GROUP), Right::Denied);
            for actor in [admin(ANNA), member(ANNA)] {
                assert_eq!(actor.right(owner, OTHER_GROUP), Right::Denied, "made in another group");
            }
        }
        for actor in [Actor::Sender(ANNA), member(ANNA), admin(ANNA)] {
            assert_eq!(actor.right(ANNA, GROUP), Right::Granted);
            assert_eq!(actor.right(BORIS, GROUP), Right::Denied);
            assert_eq!(actor.right(UserId(0), GROUP), Right::Denied, "an erased user's");
        }
    }
}
