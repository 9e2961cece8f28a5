//! `/language`: the language spoken in a chat, over the buttons that change it.

use stenobot_domain::{ChatId, SpeechLanguage};
use stenobot_store::{Store, StoreError};
use stenobot_telegram::{CommandReply, OutgoingMessage, language_name};

use super::{Audience, Commands, Definition, Invocation};

pub(super) const COMMAND: Definition = Definition {
    name: "language",
    audience: Audience::Everywhere,
    handler: |commands, invocation| Box::pin(handle(commands, invocation)),
};

async fn handle(commands: &Commands, invocation: &Invocation<'_>) -> Result<Option<OutgoingMessage>, StoreError> {
    menu(commands, invocation.location.chat, invocation.locale, 0).await.map(Some)
}

/// The menu of languages, with the current one in its text.
pub(crate) async fn menu(
    commands: &Commands,
    chat: ChatId,
    locale: Option<&str>,
    page: u8,
) -> Result<OutgoingMessage, StoreError> {
    let current = match commands.worker.store.users.chat_settings(chat).await?.speech_language {
        Some(SpeechLanguage::Code(code)) => language_name(&code),
        Some(SpeechLanguage::Auto) | None => None,
    };
    Ok(OutgoingMessage {
        keyboard: commands.settings.language_buttons(locale, page),
        ..commands.settings.command_reply(locale, &CommandReply::Languages { current })
    })
}

/// Sets the speech language of a chat.
pub(crate) async fn set(store: &Store, chat: ChatId, language: &SpeechLanguage) -> Result<CommandReply, StoreError> {
    let (set, name) = match language {
        SpeechLanguage::Auto => (None, None),
        SpeechLanguage::Code(code) => (Some(language.clone()), language_name(code)),
    };
    store.users.set_speech_language(chat, set).await?;
    Ok(CommandReply::LanguageSet(name))
}
