//! Command menus by scope and language.

use serde_json::Value;
use stenobot_domain::ChatId;

use super::params::Params;
use super::refusal::Refusal;
use super::state::State;

/// Maximum number of commands of a menu.
const MAX_COMMANDS: usize = 100;
/// Maximum length of a command in bytes.
const MAX_NAME: usize = 32;
/// Maximum length of a description in characters.
const MAX_DESCRIPTION: usize = 256;

/// A command of a menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MenuEntry {
    /// Without the slash.
    pub command: String,
    /// What it does.
    pub description: String,
}

impl State {
    /// The menu shown in a private chat, or in a group to its administrators, to a user with the app language `language`: of
    /// the narrowest scope, and in it of the language before the menu for all languages.
    pub fn menu(&self, chat: ChatId, language: &str) -> &[MenuEntry] {
        let language = language.split('-').next().unwrap_or_default();
        let own = format!("chat:{chat}");
        let scopes: &[&str] = if chat.0 < 0 {
            &[&own, "all_chat_administrators", "all_group_chats", "default"]
        } else {
            &[&own, "all_private_chats", "default"]
        };
        for scope in scopes {
            for language in [language, ""] {
                if let Some(menu) = self.menus.get(&((*scope).to_owned(), language.to_owned())) {
                    return menu;
                }
            }
        }
        &[]
    }

    /// `setMyCommands`; an empty list removes the menu.
    pub(super) fn set_menu(&mut self, params: &Params) -> Result<(), Refusal> {
        let scope = scope(params.json("scope"))?;
        let language = params.text("language_code").unwrap_or_default().to_owned();
        if !(language.is_empty() || language.len() == 2 && language.bytes().all(|b| b.is_ascii_lowercase())) {
            return Err(Refusal::Bad("invalid language code specified"));
        }
        let Some(Value::Array(commands)) = params.json("commands") else {
            return Err(Refusal::Bad("expected an Array of BotCommand"));
        };
        if commands.len() > MAX_COMMANDS {
            return Err(Refusal::Bad("BOT_COMMANDS_TOO_MUCH"));
        }
        let menu = commands.iter().map(entry).collect::<Result<Vec<_>, _>>()?;
        if menu.is_empty() {
            self.menus.remove(&(scope, language));
        } else {
            self.menus.insert((scope, language), menu);
        }
        Ok(())
    }
}

fn entry(entry: &Value) -> Result<MenuEntry, Refusal> {
    let Some(command) = entry["command"].as_str() else {
        return Err(Refusal::Bad("can't parse BotCommand: Can't find field \"command\""));
    };
    let Some(description) = entry["description"].as_str() else {
        return Err(Refusal::Bad("can't parse BotCommand: Can't find field \"description\""));
    };
    let command = command.strip_prefix('/').unwrap_or(command);
    let is_letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    if !(1..=MAX_NAME).contains(&command.len()) || !command.bytes().all(is_letter) {
        return Err(Refusal::Bad("BOT_COMMAND_INVALID"));
    }
    let description = description.trim();
    if !(1..=MAX_DESCRIPTION).contains(&description.chars().count()) {
        return Err(Refusal::Bad("BOT_COMMAND_DESCRIPTION_INVALID"));
    }
    Ok(MenuEntry { command: command.to_owned(), description: description.to_owned() })
}

/// The scope as a key, such as `default` or `chat:ID`.
fn scope(given: Option<Value>) -> Result<String, Refusal> {
    let Some(scope) = given else { return Ok("default".to_owned()) };
    let id = |field: &str| scope[field].as_i64().ok_or(Refusal::CHAT_NOT_FOUND);
    match scope["type"].as_str().unwrap_or_default() {
        kind @ ("default" | "all_private_chats" | "all_group_chats" | "all_chat_administrators") => Ok(kind.to_owned()),
        kind @ ("chat" | "chat_administrators") => Ok(format!("{kind}:{}", id("chat_id")?)),
        kind @ "chat_member" => Ok(format!("{kind}:{}:{}", id("chat_id")?, id("user_id")?)),
        _ => Err(Refusal::Bad("unsupported bot command scope type specified")),
    }
}
