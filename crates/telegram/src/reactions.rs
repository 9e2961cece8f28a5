//! Reactions of the bot on messages of others.

use stenobot_domain::{ChatId, MessageId};
use teloxide::payloads;
use teloxide::types::ReactionType;

use super::call::Method;
use super::client::Client;
use super::error::TelegramError;

/// A reaction of the bot; all are among those that Telegram lets bots set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reaction {
    /// The recording waits, or is being transcribed.
    Pending,
    /// No speech was found.
    NoSpeech,
    /// There is no text: the request was refused, or has failed.
    NoText,
    /// A command was carried out.
    Done,
}

impl Reaction {
    /// As Telegram names it.
    pub const fn emoji(self) -> &'static str {
        match self {
            Self::Pending => "👀",
            Self::NoSpeech => "🤷",
            Self::NoText => "🙈",
            Self::Done => "👌",
        }
    }
}

impl Client {
    /// Sets the bot's reaction on a message in place of an earlier one, or removes it. A repetition changes nothing.
    ///
    /// # Errors
    /// Any [`TelegramError`]; `Refused` where the chat does not allow the reaction.
    pub async fn react(
        &self,
        chat: ChatId,
        message: MessageId,
        reaction: Option<Reaction>,
    ) -> Result<(), TelegramError> {
        let mut set =
            payloads::SetMessageReaction::new(teloxide::types::ChatId(chat.0), teloxide::types::MessageId(message.0));
        let emoji = |reaction: Reaction| ReactionType::Emoji { emoji: reaction.emoji().to_owned() };
        // An empty list removes it.
        set.reaction = Some(reaction.into_iter().map(emoji).collect());
        let reacted = self.write::<_, bool>(chat, Method::SetMessageReaction, &set).await;
        match reacted {
            Err(error) if error.is_not_modified() => Ok(()),
            Err(error) => {
                self.write_permissions().record_error(chat, &error);
                Err(error)
            }
            Ok(_) => Ok(()),
        }
    }
}
