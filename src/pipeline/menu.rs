//! Registration of the menu of commands, in each language.

use std::time::Duration;

use stenobot_domain::{ChatId, RetryPolicy};
use stenobot_telegram::{Audience, COMMANDS, Disposition, Locale, MenuScope, TelegramError, Unreachable};

use super::Context;

/// Pauses after a failure.
const RETRIES: RetryPolicy = RetryPolicy::endless(Duration::from_secs(1), Duration::from_secs(300));

/// Registers the menu in the background. The commands work without it.
pub(crate) async fn register(context: &Context) {
    let work = async {
        for (scope, audiences) in [
            (MenuScope::Private, &[Audience::People, Audience::All][..]),
            (MenuScope::Groups, &[Audience::Groups, Audience::All][..]),
        ] {
            set_commands(context, scope, audiences).await?;
        }
        for operator in context.config().people.operators.iter() {
            let audiences = [Audience::People, Audience::All, Audience::Operators];
            set_commands(context, MenuScope::Chat(ChatId(operator)), &audiences).await?;
        }
        Ok::<_, TelegramError>(())
    };
    if let Some(Err(error)) = context.shutdown.soft.run_until_cancelled(work).await {
        tracing::debug!(%error, "the menu of commands was not registered");
    }
}

async fn set_commands(context: &Context, scope: MenuScope, audiences: &[Audience]) -> Result<(), TelegramError> {
    let (texts, default) = {
        let live = context.live.borrow();
        (live.texts.clone(), live.default_locale)
    };
    // Without a language: for users whose language is none of the locales.
    let locales = [(default, "")].into_iter().chain(Locale::ALL.iter().map(|locale| (*locale, locale.code())));
    for (locale, language) in locales {
        let commands: Vec<(&str, String)> = COMMANDS
            .iter()
            .filter(|(_, _, audience)| audiences.contains(audience))
            .filter_map(|(_, word, _)| Some((*word, texts.command(locale, word)?)))
            .collect();
        let mut failures = 0;
        while let Err(error) = context.client.set_commands(scope, language, &commands).await {
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
