//! The examples of `.env` and `stenobot.toml`, generated from the table of settings.

use super::{ENV_PREFIX, Raw, Reload, SETTINGS, Setting, TOKEN_FILE_VARIABLE, TOKEN_VARIABLES};

/// Longest line of a comment.
const WIDTH: usize = 118;

/// `.env.example`: the variables of the token and the proxy, and every setting with its default.
pub fn dotenv_example() -> String {
    let [token, _] = TOKEN_VARIABLES;
    let mut text = format!(
        "# Variables for the bot. Copy it so that only you can read it: install -m 0600 .env.example .env\n\
         # Generated from the table of settings; lines without `#` are read, the others show the defaults.\n\
         \n\
         # From @BotFather, as 123456789:AAE...\n\
         {token}=\n\
         # Or, in place of it, a file that holds the token and nothing else, which `docker inspect` does not show.\n\
         # {TOKEN_FILE_VARIABLE}=/run/secrets/telegram_bot_token\n\
         \n\
         # Proxy for the way to Telegram and to the models.\n\
         # HTTPS_PROXY=socks5h://USER:PASSWORD@HOST:PORT\n\
         # NO_PROXY=bot-api.lan\n"
    );
    for setting in SETTINGS {
        let default = match &default(setting) {
            serde_json::Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        text += &format!("\n{}# {ENV_PREFIX}{}={default}\n", comment(setting), setting.key.to_ascii_uppercase());
    }
    text
}

/// `stenobot.toml.example`: every setting with its default.
pub fn toml_example() -> String {
    let mut text = String::from(
        "# Settings of the bot. Copy it to stenobot.toml in the working directory, or name the file with --config.\n\
         # Generated from the table of settings; all lines show the defaults.\n",
    );
    for setting in SETTINGS {
        // JSON's strings and numbers are TOML's too.
        text += &format!("\n{}# {} = {}\n", comment(setting), setting.key, default(setting));
    }
    text
}

fn default(setting: &Setting) -> serde_json::Value {
    serde_json::to_value(Raw::default()).unwrap_or_default()[setting.key].take()
}

/// Meaning, allowed values and whether a running bot applies another value.
fn comment(setting: &Setting) -> String {
    let reload = match setting.reload {
        Reload::live => "at SIGHUP",
        Reload::fixed => "with a restart",
    };
    let text = format!("{} Allowed: {}. Changes {reload}.", setting.help, setting.allowed);
    let mut lines = vec![String::from("#")];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.len() + word.len() < WIDTH => *line += &format!(" {word}"),
            Some(_) | None => lines.push(format!("# {word}")),
        }
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::super::tests::assemble;
    use super::super::{Sources, environment};
    use super::*;

    /// Whether a line, without `# `, sets a value. Sentences have no `=` behind their first word.
    fn uncommented(text: &str, between: &str) -> String {
        let is_setting = |line: &&str| line.split_once(between).is_some_and(|(name, _)| !name.contains(' '));
        text.lines().filter_map(|line| line.strip_prefix("# ")).filter(is_setting).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_examples_show_every_default() {
        let folder = tempfile::tempdir().unwrap();
        let wanted = assemble(&Sources::default(), &[], &[]).unwrap().values();

        let file = folder.path().join("stenobot.toml");
        let settings = uncommented(&toml_example(), " = ");
        assert_eq!(settings.lines().count(), SETTINGS.len());
        std::fs::write(&file, settings).unwrap();
        let config = assemble(&Sources { file: Some(file), ..Sources::default() }, &[], &[]).unwrap();
        assert_eq!(config.values(), wanted);

        let file = folder.path().join("env");
        let variables = uncommented(&dotenv_example(), "=");
        let settings: Vec<&str> = variables.lines().filter(|line| line.starts_with(ENV_PREFIX)).collect();
        assert_eq!(settings.len(), SETTINGS.len());
        std::fs::write(&file, settings.join("\n")).unwrap();
        let dotenv = environment::of_file(&file).unwrap();
        assert_eq!(dotenv.len(), SETTINGS.len());
        assert_eq!(assemble(&Sources::default(), &dotenv, &[]).unwrap().values(), wanted);
    }

    #[test]
    fn the_example_of_dotenv_as_it_is_names_no_token() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("env");
        std::fs::write(&file, dotenv_example()).unwrap();
        let dotenv = environment::of_file(&file).unwrap();
        assert!(assemble(&Sources::default(), &dotenv, &[]).unwrap().telegram.token.is_none());
    }
}
