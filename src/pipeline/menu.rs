//! The menu of commands that Telegram shows, in each language.

use std::time::Duration;

use stenobot_domain::ChatId;
use stenobot_telegram::{Client, Disposition, Locale, MenuScope, TelegramError};

use crate::commands::{Audience, COMMANDS};
use crate::lifecycle::Shutdown;
use crate::settings::Settings;

/// Pauses after a failure.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// The menu that Telegram shows.
pub(crate) struct CommandMenu {
    pub(crate) settings: Settings,
    pub(crate) client: Client,
    pub(crate) shutdown: Shutdown,
}

impl CommandMenu {
    /// Registers the menu in the background; without it the commands work all the same.
    pub(crate) async fn register(self) {
        let work = async {
            for (scope, audiences) in [
                (MenuScope::Private, &[Audience::Private, Audience::Everywhere][..]),
                (MenuScope::Groups, &[Audience::Groups, Audience::Everywhere][..]),
            ] {
                self.set(scope, audiences).await?;
            }
            for operator in self.settings.config().people.operators.iter() {
                let audiences = [Audience::Private, Audience::Everywhere, Audience::Operators];
                self.set(MenuScope::Chat(ChatId(operator)), &audiences).await?;
            }
            Ok::<_, TelegramError>(())
        };
        if let Some(Err(error)) = self.shutdown.soft.run_until_cancelled(work).await {
            tracing::debug!(%error, "the menu of commands was not registered");
        }
    }

    async fn set(&self, scope: MenuScope, audiences: &[Audience]) -> Result<(), TelegramError> {
        let (texts, default) = (self.settings.texts(), self.settings.default_locale());
        // Without a language, for everybody whose language the bot does not speak.
        let locales = [(default, "")].into_iter().chain(Locale::ALL.iter().map(|locale| (*locale, locale.code())));
        for (locale, language) in locales {
            let commands: Vec<(&str, String)> = COMMANDS
                .iter()
                .filter(|command| audiences.contains(&command.audience))
                .map(|command| (command.name, texts.command(locale, command.name)))
                .collect();
            let mut pause = FIRST_PAUSE;
            while let Err(error) = self.client.set_commands(scope, language, &commands).await {
                match error.disposition() {
                    Disposition::Retry { after } => tokio::time::sleep(after.max(pause)).await,
                    // A chat that the administrator has not opened yet.
                    Disposition::Final if error == TelegramError::ChatGone => return Ok(()),
                    Disposition::Final => return Err(error),
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
        Ok(())
    }
}
