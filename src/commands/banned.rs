//! `/banned`: the banned users, groups and channels, newest first. For operators.

use stenobot_store::{Ban, StoreError};
use stenobot_telegram::{BanEntry, CommandReply, OutgoingMessage};

use super::{Audience, Commands, Definition, Invocation};

pub(super) const COMMAND: Definition = Definition {
    name: "banned",
    audience: Audience::Operators,
    handler: |commands, invocation| Box::pin(handle(commands, invocation)),
};

/// More do not fit one message.
pub(super) const MAX_ENTRIES: u32 = 100;

async fn handle(commands: &Commands, invocation: &Invocation<'_>) -> Result<Option<OutgoingMessage>, StoreError> {
    let (bans, total) = commands.worker.store.users.bans(MAX_ENTRIES).await?;
    let entries = bans.into_iter().map(entry).collect();
    Ok(Some(commands.reply(invocation, &CommandReply::BanList { entries, total: u64::from(total) })))
}

pub(super) fn entry(Ban { id, since, username, first_name, last_name }: Ban) -> BanEntry {
    let username = username.map(|name| format!("@{name}"));
    let names: Vec<String> = [first_name, last_name, username].into_iter().flatten().collect();
    BanEntry { id, name: names.join(" "), since: since.day() }
}
