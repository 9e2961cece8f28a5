//! Who may act on a request: the user or the chat that made it, and the admins of a group for requests that were made
//! there in the name of a chat.

use stenobot_domain::{ChatId, MessageId, RequestId, UserId};

use super::Queue;
use crate::StoreError;

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
pub(crate) enum Right {
    Granted,
    /// Admins of the group may.
    AdminsOnly,
    Denied,
}

impl Actor {
    /// The right to a request of `owner` whose answer goes to `chat`. Telegram gives chats negative ids and users
    /// positive ones.
    pub(crate) fn right(self, owner: UserId, chat: ChatId) -> Right {
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

/// Whether a pressed button is under the message of the request that it names, and its presser may use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum ButtonPermission {
    /// Both.
    Allowed,
    /// It is under another message, or there is no such request.
    Elsewhere,
    /// It is another user's.
    NotYours,
    /// It was made in the name of a chat: only the group's admins may use it.
    AdminsOnly,
}

/// Owner of a request and the message that shows its state.
pub(crate) struct RequestLocation {
    pub(crate) owner: UserId,
    /// Where it is answered.
    pub(crate) chat: ChatId,
    /// Where it was made: another id than `chat` when the group has become a supergroup.
    pub(crate) first_chat: Option<ChatId>,
    pub(crate) status_message: Option<MessageId>,
}

impl Queue {
    /// Checks a press against the request that the button names: callback data is chosen by the sender's program. A status
    /// message that was sent a moment ago may not be recorded yet; then the chat alone is compared.
    pub async fn button_permission(
        &self,
        of: RequestId,
        by: Actor,
        chat: ChatId,
        message: MessageId,
    ) -> Result<ButtonPermission, StoreError> {
        let Some(request) = self.0.connections.read().await?.sql().request_location(of).await? else {
            return Ok(ButtonPermission::Elsewhere);
        };
        let is_here = (chat == request.chat || Some(chat) == request.first_chat)
            && request.status_message.is_none_or(|own| own == message);
        Ok(match by.right(request.owner, request.chat) {
            Right::Denied => ButtonPermission::NotYours,
            Right::Granted | Right::AdminsOnly if !is_here => ButtonPermission::Elsewhere,
            Right::AdminsOnly => ButtonPermission::AdminsOnly,
            Right::Granted => ButtonPermission::Allowed,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: ChatId = ChatId(-100_200);
    const OTHER_GROUP: ChatId = ChatId(-100_201);
    const CHANNEL: UserId = UserId(-100_777);
    const ANNA: UserId = UserId(5);
    const BORIS: UserId = UserId(6);

    #[test]
    fn an_admin_acts_on_requests_of_chats_in_the_own_group_and_on_no_user_s() {
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
