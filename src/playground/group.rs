//! The group in which the last user writes. The bot is an administrator of it, so that it sees every message.

use stenobot_domain::ChatId;
use stenobot_simulator::group::Group;
use stenobot_simulator::server::MemberStatus;
use stenobot_simulator::users::User;
use stenobot_telegram::Locale;

use super::{NAMES, Shared, UserNumber};

/// Telegram's number of the group.
const GROUP: ChatId = ChatId(-1_000_000_700_010);

impl UserNumber {
    /// Owner of the group.
    pub(super) const GROUP_OWNER: Self = Self(NAMES.len());

    /// The chat that this user's page shows, unless it is that with another user's own account.
    pub(super) fn chat(self) -> ChatId {
        match self {
            Self::GROUP_OWNER => GROUP,
            number => ChatId(number.id().0),
        }
    }
}

impl Shared {
    /// The group, which is opened when it is needed first.
    pub(super) fn group(&self) -> &Group {
        self.group.get_or_init(|| {
            let group = Group::new(&self.api, GROUP, "Friends");
            group.set_bot_status(MemberStatus::Administrator);
            group
        })
    }

    /// A user, in the chat of their page.
    pub(super) fn user(&self, number: UserNumber, language: Locale) -> User {
        let user = User::new(&self.api, number.id(), number.name(), language.code());
        match number {
            UserNumber::GROUP_OWNER => self.group().add_member_as(&user, MemberStatus::Owner),
            _ => user,
        }
    }
}
