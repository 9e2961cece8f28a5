//! The menu of commands that Telegram shows, in each language.

use std::time::Duration;

use stenobot_domain::ChatId;
use stenobot_telegram::{Audience, COMMANDS, Disposition, Locale, MenuScope, TelegramError};

use super::Context;

/// Pauses after a failure.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Registers the menu in the background; without it the commands work all the same.
pub(crate) async fn register(context: &Context) {
    let work = async {
        for (scope, audiences) in [
            (MenuScope::Private, &[Audience::People, Audience::All][..]),
            (MenuScope::Groups, &[Audience::Groups, Audience::All][..]),
        ] {
            set(context, scope, audiences).await?;
        }
        for operator in context.config().people.operators.iter() {
            let audiences = [Audience::People, Audience::All, Audience::Operators];
            set(context, MenuScope::Chat(ChatId(operator)), &audiences).await?;
        }
        Ok::<_, TelegramError>(())
    };
    if let Some(Err(error)) = context.shutdown.soft.run_until_cancelled(work).await {
        tracing::debug!(%error, "the menu of commands was not registered");
    }
}

async fn set(context: &Context, scope: MenuScope, audiences: &[Audience]) -> Result<(), TelegramError> {
    let (texts, default) = {
        let live = context.live.borrow();
        (live.texts.clone(), live.default_locale)
    };
    // Without a language, for everybody whose language the bot does not speak.
    let locales = [(default, "")].into_iter().chain(Locale::ALL.iter().map(|locale| (*locale, locale.code())));
    for (locale, language) in locales {
        let commands: Vec<(&str, String)> = COMMANDS
            .iter()
            .filter(|(_, _, audience)| audiences.contains(audience))
            .filter_map(|(_, word, _)| Some((*word, texts.command(locale, word)?)))
            .collect();
        let mut pause = FIRST_PAUSE;
        while let Err(error) = context.client.set_commands(scope, language, &commands).await {
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
