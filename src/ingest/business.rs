//! Recordings that users receive on their own accounts. A user connects the bot to their account at Telegram; a recording that
//! anybody sends to them there becomes a request of that user, and its text goes to their private chat with the bot. The bot sends
//! nothing to the other side, and needs no right there.
//!
//! Whom a connection belongs to is in the store, so that every machine knows it; of a connection that is not recorded, as after a
//! restored backup, Telegram is asked.

use std::time::Duration;

use stenobot_domain::{BusinessKey, ChatId, UserId};
use stenobot_store as store;
use stenobot_store::StoreError;
use stenobot_telegram::{
    BusinessAudio, BusinessConnection, BusinessDeletion, ChatKind, Client, CommandReply, Disposition, Location,
    TelegramError,
};
use tokio::time::Instant;

use crate::pipeline::admit::{Admitter, OwnAccount, sender};
use crate::pipeline::bans::is_banned;
use crate::pipeline::cancels::CancelRegistry;
use crate::pipeline::replies::{Replies, Reply};
use crate::pipeline::worker::Worker;
use crate::request;
use crate::settings::Settings;

/// Takes in what concerns users' own accounts.
pub(crate) struct BusinessAccounts {
    pub(crate) worker: Worker,
    pub(crate) settings: Settings,
    pub(crate) client: Client,
    pub(crate) replies: Replies,
    pub(crate) cancels: CancelRegistry,
    pub(crate) unanswered: Unanswered,
}

/// A connection that Telegram is asked about without success, and since when.
#[derive(Debug, Default)]
pub(crate) struct Unanswered(Option<(String, Instant)>);

/// How long updates wait for the answer about one connection. Then its message is passed over: no connection may keep those of all
/// others from being served.
const MAX_LOOK_UP_TIME: Duration = Duration::from_secs(60);

/// Why an update is not ingested yet. It comes again.
#[derive(Debug, thiserror::Error)]
pub(super) enum IngestError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Whose a connection is could not be asked for now.
    #[error("{0}")]
    Telegram(TelegramError),
}

impl BusinessAccounts {
    /// Records the state of a connection. Its user is informed once: that the connection works, or that the bot does not serve
    /// them.
    pub(super) async fn connection(&self, connection: &BusinessConnection) -> Result<(), StoreError> {
        let business = &self.worker.store.business;
        let before = business.connection(&connection.id).await?;
        let now = stored(connection);
        if self.is_owner(now.user) && connection.is_enabled {
            // By these names the user is known from now on, also before they write to the bot.
            self.worker.store.users.upsert(&sender(&connection.user)).await?;
        }
        business.record(&now).await?;
        let began = connection.is_enabled && before.is_none_or(|before| !before.is_enabled);
        match (began, self.is_owner(now.user)) {
            (true, true) if !is_banned(&self.worker.store, &self.settings, now.user, now.chat).await? => {
                self.reply(&now, &CommandReply::BusinessConnected);
            }
            (true, false) => self.refuse(&now).await?,
            (true, true) | (false, _) => {}
        }
        Ok(())
    }

    /// Records the state of a connection without a message.
    pub(super) async fn record(&self, connection: &BusinessConnection) -> Result<(), StoreError> {
        self.worker.store.business.record(&stored(connection)).await
    }

    /// Has a recording that the user of an account received transcribed for them.
    pub(super) async fn audio(&mut self, admitter: &mut Admitter, audio: &BusinessAudio) -> Result<(), IngestError> {
        let Some(connection) = self.look_up(&audio.connection).await? else { return Ok(()) };
        let own = audio.voice.from.id == connection.user;
        if own || !self.may_serve(&connection, audio.voice.from.id).await? {
            return Ok(());
        }
        let user = self.worker.store.business.user(&connection).await?;
        let account = OwnAccount { user, chat: connection.chat, locale: connection.locale };
        admitter.business_audio(account, audio).await?;
        Ok(())
    }

    /// Ends what is under way for messages that were deleted; what the bot has answered is deleted by `pipeline::deletion`. Also of
    /// a connection that has ended, since its requests are finished.
    pub(super) async fn deletion(&self, deletion: &BusinessDeletion) -> Result<(), StoreError> {
        for message in &deletion.messages {
            let source = BusinessKey::of(&deletion.connection, deletion.chat, *message);
            for (id, outcome) in request::delete_source(&self.worker.store, source).await? {
                self.cancels.follow_up(id, outcome);
            }
        }
        Ok(())
    }

    /// Whether recordings of this connection are transcribed; the user of one that the bot does not serve is informed once.
    async fn may_serve(&self, connection: &store::BusinessConnection, author: UserId) -> Result<bool, StoreError> {
        if !connection.is_enabled {
            return Ok(false);
        }
        if !self.is_owner(connection.user) {
            self.refuse(connection).await?;
            return Ok(false);
        }
        let (store, settings) = (&self.worker.store, &self.settings);
        Ok(!is_banned(store, settings, connection.user, connection.chat).await?
            && !is_banned(store, settings, author, ChatId(author.0)).await?)
    }

    fn is_owner(&self, user: UserId) -> bool {
        self.settings.config().people.owners.contains(&user.0)
    }

    /// A connection by its id, as it was recorded last or as Telegram has it; `None` of one that Telegram does not know.
    async fn look_up(&mut self, id: &str) -> Result<Option<store::BusinessConnection>, IngestError> {
        if let Some(known) = self.worker.store.business.connection(id).await? {
            return Ok(Some(known));
        }
        match self.client.business_connection(id).await {
            Ok(connection) => {
                self.unanswered.0 = None;
                let connection = stored(&connection);
                self.worker.store.business.record(&connection).await?;
                Ok(Some(connection))
            }
            Err(error) => match error.disposition() {
                Disposition::ServerRequested(_) | Disposition::Retry { .. } | Disposition::OperatorNeeded { .. } => {
                    let since = match self.unanswered.0.take() {
                        Some((unanswered, since)) if unanswered == id => since,
                        Some(_) | None => Instant::now(),
                    };
                    if since.elapsed() >= MAX_LOOK_UP_TIME {
                        tracing::warn!(%error, "a message is passed over: Telegram does not say whose connection it is of");
                        return Ok(None);
                    }
                    self.unanswered.0 = Some((id.to_owned(), since));
                    Err(IngestError::Telegram(error))
                }
                Disposition::ChatMoved(_)
                | Disposition::ChatUnreachable(_)
                | Disposition::MessageGone
                | Disposition::Final => {
                    tracing::info!(%error, "a message of an unknown connection is passed over");
                    Ok(None)
                }
            },
        }
    }

    /// Informs a user whom the bot does not serve, once for each connection.
    async fn refuse(&self, connection: &store::BusinessConnection) -> Result<(), StoreError> {
        let is_banned = is_banned(&self.worker.store, &self.settings, connection.user, connection.chat).await?;
        if self.worker.store.business.refuse(&connection.id).await? && !is_banned {
            self.reply(connection, &CommandReply::BusinessRefused);
        }
        Ok(())
    }

    fn reply(&self, connection: &store::BusinessConnection, reply: &CommandReply) {
        let location = Location { chat: connection.chat, kind: ChatKind::Private, thread: None };
        let content = self.settings.command_reply(connection.locale.as_deref(), reply);
        self.replies.send(Reply::Send { location, reply_to: None, content });
    }
}

fn stored(connection: &BusinessConnection) -> store::BusinessConnection {
    store::BusinessConnection {
        id: connection.id.clone(),
        user: connection.user.id,
        chat: connection.chat,
        locale: connection.user.language_code.clone(),
        is_enabled: connection.is_enabled,
    }
}
