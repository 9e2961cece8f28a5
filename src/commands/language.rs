//! `/language`: the languages spoken in a chat, over the buttons that change them; `/language ru uk` sets several.

use stenobot_domain::{ChatId, LanguageList, SpeechLanguage};
use stenobot_store::{Store, StoreError};
use stenobot_telegram::{ChosenLanguages, CommandReply, LANGUAGES, OutgoingMessage, language_name};

use super::group_setting::{self, GroupSetting};
use super::{Audience, Commands, Definition, Invocation};

pub(super) const COMMAND: Definition = Definition {
    name: "language",
    audience: Audience::Everywhere,
    handler: |commands, invocation| Box::pin(handle(commands, invocation)),
};

async fn handle(commands: &Commands, invocation: &Invocation<'_>) -> Result<Option<OutgoingMessage>, StoreError> {
    if invocation.argument.is_empty() {
        return menu(commands, invocation.location.chat, invocation.locale, 0).await.map(Some);
    }
    let setting = parse(invocation.argument).map(GroupSetting::Language);
    Ok(group_setting::handle_anywhere(commands, invocation, setting, &CommandReply::LanguageHow).await)
}

/// The languages that are named by their codes or native names: only those that are offered, which every model knows.
fn parse(argument: &str) -> Option<SpeechLanguage> {
    let code_of = |word: &str| {
        let word = word.to_lowercase();
        let known = LANGUAGES.iter().find(|(code, name)| *code == word || name.to_lowercase() == word);
        known.map(|(code, _)| *code)
    };
    if argument.eq_ignore_ascii_case("auto") {
        return Some(SpeechLanguage::Auto);
    }
    let words = argument.split(|c: char| c == ',' || c.is_whitespace()).filter(|word| !word.is_empty());
    let codes: Option<Vec<&str>> = words.map(code_of).collect();
    codes?.join(",").parse().ok()
}

/// The menu of languages, with the current ones in its text.
pub(crate) async fn menu(
    commands: &Commands,
    chat: ChatId,
    locale: Option<&str>,
    page: u8,
) -> Result<OutgoingMessage, StoreError> {
    let current = chosen(commands.worker.store.users.chat_settings(chat).await?.speech_language.as_ref());
    Ok(OutgoingMessage {
        keyboard: commands.settings.language_buttons(locale, page),
        ..commands.settings.command_reply(locale, &CommandReply::Languages { current })
    })
}

/// Sets the speech language of a chat.
pub(crate) async fn set(store: &Store, chat: ChatId, language: &SpeechLanguage) -> Result<CommandReply, StoreError> {
    let set = match language {
        SpeechLanguage::Auto => None,
        SpeechLanguage::Code(_) | SpeechLanguage::Several(_) => Some(language.clone()),
    };
    store.users.set_speech_language(chat, set).await?;
    Ok(CommandReply::LanguageSet(chosen(Some(language))))
}

/// A chat's choice by the languages' native names.
pub(super) fn chosen(language: Option<&SpeechLanguage>) -> ChosenLanguages {
    let name = |code: &str| language_name(code).unwrap_or(code).to_owned();
    match language {
        Some(SpeechLanguage::Code(code)) => ChosenLanguages::One(name(code)),
        Some(SpeechLanguage::Several(list)) => ChosenLanguages::Several(names(list)),
        Some(SpeechLanguage::Auto) | None => ChosenLanguages::None,
    }
}

fn names(list: &LanguageList) -> String {
    list.iter().map(|code| language_name(code).unwrap_or(code)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_given_by_codes_or_native_names_in_any_order() {
        let parsed = |argument| parse(argument).map(|language| language.to_string());
        for argument in ["ru uk", "uk, ru", "UK ru", "Русский українська"] {
            assert_eq!(parsed(argument).as_deref(), Some("ru,uk"), "{argument}");
        }
        assert_eq!(parsed("uk").as_deref(), Some("uk"));
        assert_eq!(parsed("Auto").as_deref(), Some("auto"));
        // `tlh` has the form of a code, but no model knows it.
        for argument in ["klingon", "ru tlh", "ru auto", ",", "ru en uk de fr it es pt pl"] {
            assert_eq!(parsed(argument), None, "{argument}");
        }
    }
}
