//! The chat of one user with the first one on the first one's own account, to which the bot is connected.

use stenobot_domain::{MessageId, UserId};
use stenobot_simulator::server::{Chat, ChatKind, Content, State, UserInfo};
use stenobot_telegram::Locale;

use super::{NAMES, Shared, UserNumber};

/// Telegram's id of the user to whose account the bot is connected, for `owner_accounts`.
pub(crate) const OWNER: UserId = UserId(700_001);

impl UserNumber {
    /// Whose own account has the bot.
    pub(super) const OWNER: Self = Self(1);
    /// Writes to that user.
    pub(super) const PARTNER: Self = Self(NAMES.len() - 1);

    fn info(self, language: Locale) -> UserInfo {
        UserInfo { id: self.id(), name: self.name().to_owned(), language_code: Some(language.code().to_owned()) }
    }
}

impl Shared {
    /// The connection, which is made when it is needed first.
    pub(super) fn connection(&self, language: Locale) -> &str {
        self.connection.get_or_init(|| {
            let owner = UserNumber::OWNER;
            // The bot can write to users who have a chat with it.
            self.api.open_chat(owner.chat(), ChatKind::Private, owner.name());
            self.api.connect_account(&owner.info(language))
        })
    }

    /// The chat that a user's page shows.
    pub(super) fn chat_of<'a>(&self, state: &'a State, number: UserNumber) -> Option<&'a Chat> {
        match number {
            UserNumber::PARTNER => state.accounts.get(self.connection.get()?)?.chats.get(&number.chat()),
            number => state.chats.get(&number.chat()),
        }
    }

    /// Sends a message from that user to the first.
    pub(super) fn send_to_owner(&self, language: Locale, content: Content) {
        let partner = UserNumber::PARTNER.info(language);
        self.api.receive_on_account(self.connection(language), &partner, &partner, content);
    }

    /// Deletes one of these messages for both.
    pub(super) fn delete_for_owner(&self, message: MessageId) {
        if let Some(connection) = self.connection.get() {
            self.api.delete_on_account(connection, UserNumber::PARTNER.chat(), &[message]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_is_the_first_user() {
        assert_eq!(UserNumber::OWNER.id(), OWNER);
    }
}
