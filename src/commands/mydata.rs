//! `/mydata`: shows the stored data of a user, in the private chat only.

use stenobot_domain::StageName;
use stenobot_store::{MyData, StoreError};
use stenobot_telegram::{ChatKind, CommandReply, OutgoingMessage, language_name};

use super::{Audience, Commands, Definition, Invocation, language};

pub(super) const NAME: &str = "mydata";

pub(super) const COMMAND: Definition = Definition {
    name: NAME,
    audience: Audience::Private,
    handler: |commands, invocation| Box::pin(handle(commands, invocation)),
};

async fn handle(commands: &Commands, invocation: &Invocation<'_>) -> Result<Option<OutgoingMessage>, StoreError> {
    if invocation.location.kind != ChatKind::Private {
        return Ok(Some(commands.private_only(invocation, NAME)));
    }
    let data = commands.worker.store.users.my_data(invocation.from.id).await?;
    let is_connected = commands.worker.store.business.is_connected(invocation.from.id).await?;
    Ok(Some(commands.reply(invocation, &data.map_or(CommandReply::NoData, |data| describe(data, is_connected)))))
}

fn describe(data: MyData, is_connected: bool) -> CommandReply {
    let MyData { sender, first_seen, ended, stopped, audio, settings, languages, invited_since, under_way } = data;
    let count = |wanted: &dyn Fn(StageName) -> bool| {
        ended.iter().filter(|(stage, _)| wanted(*stage)).map(|(_, count)| u64::from(*count)).sum::<u64>()
    };
    CommandReply::MyData(stenobot_telegram::MyData {
        name: [sender.first_name, sender.last_name].into_iter().flatten().collect::<Vec<_>>().join(" "),
        username: sender.username.map(|name| format!("@{name}")),
        id: sender.id.0,
        since: first_seen.day(),
        requests: count(&|_| true) + under_way.len() as u64,
        answered: count(&|stage| stage == StageName::Done).saturating_sub(stopped.into()),
        stopped: stopped.into(),
        audio,
        invited: invited_since.map(|since| since.day()),
        language: language::chosen(settings.speech_language.as_ref()),
        recognised: languages
            .into_iter()
            .map(|(code, recordings)| (language_name(&code).unwrap_or(&code).to_owned(), recordings))
            .collect(),
        is_connected,
    })
}
