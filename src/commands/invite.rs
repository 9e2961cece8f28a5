//! `/invite`: a link that puts who opens it first on the list of those who are served, beside `allowed_users`. For operators.

use std::time::Duration;

use stenobot_store::{InvitationSecret, StoreError};
use stenobot_telegram::{CommandReply, OutgoingMessage};

use super::{Audience, Commands, Definition, Invocation};

/// A link that was sent to someone is opened soon, or was lost.
const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) const COMMAND: Definition = Definition {
    name: "invite",
    audience: Audience::Operators,
    handler: |commands, invocation| Box::pin(handle(commands, invocation)),
};

async fn handle(commands: &Commands, invocation: &Invocation<'_>) -> Result<Option<OutgoingMessage>, StoreError> {
    if commands.settings.config().people.allowed.is_empty() {
        return Ok(Some(commands.reply(invocation, &CommandReply::InviteNeedless)));
    }
    // Known since the start: the command came after it.
    let Some(me) = commands.client.known() else { return Ok(None) };
    let secret = commands.worker.store.users.invite(LIFETIME).await?;
    let link = format!("https://t.me/{}?start={}", me.username, secret.expose());
    Ok(Some(commands.reply(invocation, &CommandReply::Invitation { link, lifetime: LIFETIME })))
}

/// Accepts the invitation that a link to the bot carries. `None` where the argument is none, or the user is served anyway.
pub(super) async fn accept(
    commands: &Commands,
    invocation: &Invocation<'_>,
) -> Result<Option<CommandReply>, StoreError> {
    let (users, config) = (&commands.worker.store.users, commands.settings.config());
    let Some(secret) = InvitationSecret::parse(invocation.argument) else { return Ok(None) };
    let (people, user) = (&config.people, invocation.from.id);
    let is_listed = people.allowed.is_empty() || people.allowed.contains(&user.0) || people.operators.contains(&user.0);
    if is_listed || users.invited_since(user).await?.is_some() {
        return Ok(None);
    }
    if users.accept_invitation(user, &secret).await? {
        tracing::info!("an invitation was accepted");
        Ok(Some(CommandReply::InvitationAccepted))
    } else {
        tracing::debug!("an invitation that was used before, or has expired, was opened");
        Ok(Some(CommandReply::InvitationInvalid))
    }
}
