//! Registration of the menu of commands, in each language.

use std::time::Duration;

use stenobot_domain::{ChatId, RetryPolicy};
use stenobot_telegram::{Client, Disposition, Locale, MenuScope, TelegramError, Unreachable};

use crate::commands::{Audience, COMMANDS};
use crate::lifecycle::Shutdown;
use crate::settings::Settings;

/// Pauses after a failure.
const RETRIES: RetryPolicy = RetryPolicy::endless(Duration::from_secs(1), Duration::from_secs(300));

/// The menu that Telegram shows.
pub(crate) struct CommandMenu {
    pub(crate) settings: Settings,
    pub(crate) client: Client,
    pub(crate) shutdown: Shutdown,
}

impl CommandMenu {
    /// Registers the menu in the background. The commands work without it.
    pub(crate) async fn register(self) {
        let work = async {
            for (scope, audiences) in [
                (MenuScope::Private, &[Audience::Private, Audience::Everywhere][..]),
                (MenuScope::Groups, &[Audience::Groups, Audience::Everywhere][..]),
            ] {
                self.set_commands(scope, audiences).await?;
            }
            for operator in self.settings.config().people.operators.iter() {
                let audiences = [Audience::Private, Audience::Everywhere, Audience::Operators];
                self.set_commands(MenuScope::Chat(ChatId(operator)), &audiences).await?;
            }
            Ok::<_, TelegramError>(())
        };
        if let Some(Err(error)) = self.shutdown.soft.run_until_cancelled(work).await {
            tracing::debug!(%error, "the menu of commands was not registered");
        }
    }

    async fn set_commands(&self, scope: MenuScope, audiences: &[Audience]) -> Result<(), TelegramError> {
        let (texts, default) = (self.settings.texts(), self.settings.default_locale());
        // Without a language: for users whose language is none of the locales.
        let locales = [(default, "")].into_iter().chain(Locale::ALL.iter().map(|locale| (*locale, locale.code())));
        for (locale, language) in locales {
            let commands: Vec<(&str, String)> = COMMANDS
                .iter()
                .filter(|command| audiences.contains(&command.audience))
                .map(|command| (command.name, texts.command(locale, command.name)))
                .collect();
            let mut failures = 0;
            while let Err(error) = self.client.set_commands(scope, language, &commands).await {
                failures += 1;
                match error.disposition() {
                    Disposition::ServerRequested(after)
                    | Disposition::Retry { after }
                    | Disposition::OperatorNeeded { after } => {
                        tokio::time::sleep(after.max(RETRIES.pause_after(failures))).await;
                    }
                    // A chat that the operator has not opened yet.
                    Disposition::ChatUnreachable(Unreachable::ChatGone) => return Ok(()),
                    Disposition::ChatUnreachable(Unreachable::WriteForbidden(_))
                    | Disposition::ChatMoved(_)
                    | Disposition::MessageGone
                    | Disposition::Final => return Err(error),
                }
            }
        }
        Ok(())
    }
}
