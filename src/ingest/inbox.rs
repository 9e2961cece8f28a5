//! Carries out updates in their order.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt;
use metrics::counter;
use stenobot_domain::{ChatId, MessageId, UserId};
use stenobot_store::{CommentPlace, Store, StoreError};
use stenobot_telegram::{
    Access, ChatKind, Client, Content, Discussion, GuestQuery, Ignored, Incoming, Location, Membership,
    OptionalUpdates, Press, Sender, StatusText,
};

use super::business::{BusinessAccounts, IngestError};
use super::delay::Delays;
use super::presses::Presses;
use super::recent::RecentUpdates;
use crate::commands::Commands;
use crate::layers::OverQuota;
use crate::lifecycle::Heartbeats;
use crate::metrics as names;
use crate::pipeline::admit::Admitter;
use crate::pipeline::bans::is_banned;
use crate::pipeline::chats::Chats;
use crate::pipeline::download::DownloadSpace;
use crate::pipeline::replies::{Replies, Reply};
use crate::pipeline::worker::Worker;
use crate::settings::Settings;

/// Of one update: beyond it the loop counts as stuck.
pub(super) const UPDATE_TIMEOUT: Duration = Duration::from_secs(120);

/// Parameters of [`Inbox::new`].
pub(crate) struct InboxParts {
    pub(crate) worker: Worker,
    pub(crate) settings: Settings,
    pub(crate) client: Client,
    pub(crate) chats: Chats,
    pub(crate) replies: Replies,
    pub(crate) admitter: Admitter,
    pub(crate) commands: Commands,
    pub(crate) presses: Presses,
    pub(crate) business: BusinessAccounts,
    pub(crate) download_space: DownloadSpace,
    pub(crate) heartbeats: Heartbeats,
}

/// Takes updates in.
pub(crate) struct Inbox {
    parts: InboxParts,
    delays: Delays,
    /// Updates that were counted against their senders' quotas.
    counted: RecentUpdates,
}

impl Inbox {
    pub(crate) fn new(parts: InboxParts) -> Self {
        let delays = Delays::new(parts.settings.clone(), parts.replies.clone());
        Self { parts, delays, counted: RecentUpdates::default() }
    }

    /// Has the client ask for the kinds of updates that the settings need.
    pub(super) fn follow_update_kinds(&self) {
        follow_update_kinds(&self.parts.settings, &self.parts.client);
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.parts.settings
    }

    /// Where what updates ask for is recorded.
    pub(super) fn store(&self) -> &Store {
        &self.parts.worker.store
    }

    /// Takes updates in, in order, and returns how many of them are ingested: fewer than all when the store failed.
    pub(crate) async fn ingest(&mut self, updates: &[Incoming]) -> usize {
        self.ingest_while(updates, || true).await
    }

    /// As [`Inbox::ingest`], as long as `may_continue`.
    pub(super) async fn ingest_while(&mut self, updates: &[Incoming], may_continue: impl Fn() -> bool) -> usize {
        self.parts.admitter.follow_settings();
        for (index, Incoming { update_id, content }) in updates.iter().enumerate() {
            if !may_continue() {
                return index;
            }
            self.parts.heartbeats.poll.due_within(UPDATE_TIMEOUT);
            counter!(names::UPDATES, "kind" => content.kind().as_str()).increment(1);
            // A panic over one update costs that update, not the bot.
            match AssertUnwindSafe(self.ingest_one(*update_id, content)).catch_unwind().await {
                Ok(Ok(())) => {}
                Ok(Err(IngestError::Telegram(error))) => {
                    tracing::warn!(%error, update = update_id, "an update waits: Telegram cannot be asked about it now");
                    return index;
                }
                Ok(Err(IngestError::Store(error))) => {
                    self.parts.worker.failures.report("take an update", &error);
                    self.delays.inform_all(&self.parts.admitter, &updates[index..]).await;
                    return index;
                }
                Err(_panic) => {
                    tracing::warn!(update = update_id, "an update is given up after a panic");
                    if let Some((location, reply_to, locale)) = sender_of(content) {
                        let content = self.parts.settings.status_text(locale, &StatusText::Failed).into();
                        self.parts.replies.send(Reply::Send { location, reply_to: Some(reply_to), content });
                    }
                }
            }
        }
        updates.len()
    }

    /// Carries out the press of a group admin. A panic over it costs that press, not the bot.
    pub(crate) async fn admin_press(&mut self, press: &Press) {
        self.parts.admitter.follow_settings();
        let InboxParts { presses, admitter, .. } = &mut self.parts;
        let handled = AssertUnwindSafe(presses.handle_as_admin(admitter, press)).catch_unwind().await;
        if handled.is_err() {
            tracing::error!("carrying out a press panicked");
        }
    }

    async fn ingest_one(&mut self, update_id: i64, content: &Content) -> Result<(), IngestError> {
        if self.ignore_banned(content).await? {
            return Ok(());
        }
        match content {
            Content::Voice(voice) => {
                let is_admitted = self.parts.admitter.message(voice).await?;
                if is_admitted
                    && !self.parts.download_space.is_left()
                    && self.parts.admitter.is_told(voice.location).await
                {
                    self.delays.inform(update_id, voice);
                }
                Ok(())
            }
            Content::Command(command) => {
                if self.may_answer(update_id, &command.from, command.location, command.message) {
                    self.parts.commands.run(command).await?;
                }
                Ok(())
            }
            Content::Press(press) => match self.spend(update_id, press.from.id) {
                Ok(()) => {
                    let InboxParts { presses, admitter, .. } = &mut self.parts;
                    Ok(presses.handle(admitter, press).await?)
                }
                Err(OverQuota { retry, .. }) => {
                    if self.parts.admitter.may_answer_callback(press.from.id) {
                        self.parts.presses.refuse(press, retry);
                    }
                    Ok(())
                }
            },
            Content::Membership(membership) => Ok(self.membership(membership).await?),
            Content::Discussion(Discussion { channel, post, group, message }) => {
                let place = CommentPlace { group: *group, message: *message };
                Ok(self.parts.worker.store.queue.set_comment_place(*channel, *post, place).await?)
            }
            Content::Moved { from, to } => Ok(self.parts.chats.record_move(*from, *to).await?),
            Content::BusinessConnection(connection) => match self.spend(update_id, connection.user.id) {
                Ok(()) => Ok(self.parts.business.connection(connection).await?),
                // Whether it stands must be known all the same.
                Err(OverQuota { .. }) => Ok(self.parts.business.record(connection).await?),
            },
            Content::BusinessAudio(audio) => {
                let InboxParts { business, admitter, .. } = &mut self.parts;
                business.audio(admitter, audio).await
            }
            Content::BusinessDeletion(deletion) => Ok(self.parts.business.deletion(deletion).await?),
            Content::Guest(call) => Ok(self.guest_call(update_id, call).await?),
            Content::Other(other) => {
                if self.may_answer(update_id, &other.from, other.location, other.message) {
                    let text = if other.file { StatusText::Unreadable } else { StatusText::Unsupported };
                    let content = self.parts.settings.status_text(other.from.language_code.as_deref(), &text).into();
                    self.parts.replies.send(Reply::Send {
                        location: other.location,
                        reply_to: Some(other.message),
                        content,
                    });
                }
                Ok(())
            }
            Content::Ignored(Ignored::Unreadable) => {
                tracing::warn!(update = update_id, "an update that cannot be read is passed over");
                Ok(())
            }
            Content::Ignored(_) => Ok(()),
        }
    }

    /// Ignores what a banned user, group or channel sends; returns whether it did. A press is acknowledged without a text, else
    /// the button would show progress for a minute.
    async fn ignore_banned(&self, content: &Content) -> Result<bool, StoreError> {
        let (from, chat) = match content {
            Content::Voice(voice) => (voice.from.id, voice.location.chat),
            Content::Command(command) => (command.from.id, command.location.chat),
            Content::Other(other) => (other.from.id, other.location.chat),
            Content::Guest(call) => (call.from.id, ChatId(call.from.id.0)),
            Content::Press(press) => {
                (press.from.id, press.location.map_or(ChatId(press.from.id.0), |location| location.chat))
            }
            // Of a connected account, who is banned is known once its user is.
            Content::BusinessConnection(_)
            | Content::BusinessAudio(_)
            | Content::BusinessDeletion(_)
            | Content::Membership(_)
            | Content::Moved { .. }
            | Content::Discussion(_)
            | Content::Ignored(_) => return Ok(false),
        };
        let is_banned = is_banned(&self.parts.worker.store, &self.parts.settings, from, chat).await?;
        if is_banned && let Content::Press(press) = content {
            let callback = press.callback.clone();
            self.parts.replies.send(Reply::CallbackAnswer { user: press.from.id, callback, words: None });
        }
        Ok(is_banned)
    }

    /// Counts an update against the quota of its sender, once.
    fn spend(&mut self, update_id: i64, user: UserId) -> Result<(), OverQuota> {
        if self.counted.insert(update_id) { self.parts.admitter.spend(user) } else { Ok(()) }
    }

    /// Whether the quota of a sender allows one more answer. A sender who has used it up is informed once.
    fn may_answer(&mut self, update_id: i64, from: &Sender, location: Location, message: MessageId) -> bool {
        match self.spend(update_id, from.id) {
            Ok(()) => true,
            Err(OverQuota { retry, first }) => {
                if first && location.kind != ChatKind::Channel {
                    let text = StatusText::UserLimit { retry };
                    let content = self.parts.settings.status_text(from.language_code.as_deref(), &text).into();
                    self.parts.replies.send_last(Reply::Send { location, reply_to: Some(message), content });
                }
                false
            }
        }
    }

    /// Has the recording transcribed to which the bot was called, or explains how it is called.
    async fn guest_call(&mut self, update_id: i64, call: &GuestQuery) -> Result<(), StoreError> {
        // Sent before the setting changed.
        if !self.parts.settings.config().people.has_guests {
            return Ok(());
        }
        if let Some(voice) = &call.voice {
            return self.parts.admitter.guest_call(&call.query, voice).await.map(drop);
        }
        if self.spend(update_id, call.from.id).is_ok() {
            let bot = self.parts.client.known().map(|me| me.username.clone()).unwrap_or_default();
            let usage = StatusText::GuestUsage { bot };
            let content = self.parts.settings.status_text(call.from.language_code.as_deref(), &usage).into();
            let (caller, query) = (ChatId(call.from.id.0), call.query.clone());
            self.parts.replies.send(Reply::AnswerGuest { caller, query, content });
        }
        Ok(())
    }

    async fn membership(&self, membership: &Membership) -> Result<(), StoreError> {
        let Membership { chat, kind, access } = membership;
        match (kind, access) {
            (ChatKind::Private, Access::Silenced | Access::Gone) => {
                self.parts.worker.store.users.unreachable(UserId(chat.0)).await
            }
            // A group that the bot was removed from sends nothing, and may be about to become a supergroup.
            (ChatKind::Private, Access::Writes) | (ChatKind::Group | ChatKind::Channel, Access::Gone) => Ok(()),
            (ChatKind::Group | ChatKind::Channel, Access::Writes | Access::Silenced) => {
                self.parts.client.set_writable(*chat, *access == Access::Writes);
                Ok(())
            }
        }
    }
}

/// Messages of connected accounts are asked for only if one is served, and calls only if they are answered.
pub(super) fn follow_update_kinds(settings: &Settings, client: &Client) {
    let people = &settings.config().people;
    client.set_optional_updates(OptionalUpdates { business: !people.owners.is_empty(), guests: people.has_guests });
}

/// Where an update's sender can be answered, and in which language. Nothing is said in a channel.
fn sender_of(content: &Content) -> Option<(Location, MessageId, Option<&str>)> {
    match content {
        Content::Voice(voice) if voice.location.kind == ChatKind::Channel => None,
        Content::Command(command) if command.location.kind == ChatKind::Channel => None,
        Content::Voice(voice) => Some((voice.location, voice.message, voice.from.language_code.as_deref())),
        Content::Command(command) => Some((command.location, command.message, command.from.language_code.as_deref())),
        Content::Other(other) => Some((other.location, other.message, other.from.language_code.as_deref())),
        Content::Press(_)
        | Content::BusinessConnection(_)
        | Content::BusinessAudio(_)
        | Content::BusinessDeletion(_)
        | Content::Guest(_)
        | Content::Membership(_)
        | Content::Moved { .. }
        | Content::Discussion(_)
        | Content::Ignored(_) => None,
    }
}
