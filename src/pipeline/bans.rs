//! Banned users, groups and channels are not served and get no answer.

use stenobot_domain::{ChatId, UserId};
use stenobot_store::{Store, StoreError};

use crate::settings::Settings;

/// Whether this sender is banned in this chat: the user, the channel or group in whose name they write, or the chat. Operators
/// are exempt, so that a mistaken ban can be undone.
pub(crate) async fn is_banned(
    store: &Store,
    settings: &Settings,
    from: UserId,
    chat: ChatId,
) -> Result<bool, StoreError> {
    let config = settings.config();
    let mut ids = vec![from.0];
    if chat.0 != from.0 {
        ids.push(chat.0);
    }
    for id in ids {
        if !config.people.operators.contains(&id) && store.users.is_banned(UserId(id)).await? {
            return Ok(true);
        }
    }
    Ok(false)
}
