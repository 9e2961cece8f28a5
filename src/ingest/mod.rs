//! Updates of Telegram become durable requests, settings and replies, whatever transport brought them.
//!
//! [`Inbox::ingest`] takes updates in order. An update counts as ingested when everything durable that it asks for is in the
//! store; only replies, which are best effort, may still be under way. An [`Intake`] brings updates to it: `poll` by long polling,
//! `webhook` as Telegram sends them.

mod business;
mod contact;
mod delay;
mod inbox;
mod poll;
mod presses;
mod recent;
mod webhook;

pub(crate) use business::{BusinessAccounts, Unanswered};
pub(crate) use contact::Contact;
pub(crate) use inbox::{Inbox, InboxParts};
pub(crate) use presses::{MAX_ADMIN_PRESSES, Presses, admins_only};
pub(crate) use webhook::WebhookListener;

use stenobot_domain::Clock;
use stenobot_store::Leadership;
use stenobot_telegram::{Client, Press};
use tokio::sync::{mpsc, watch};

use crate::lifecycle::{Heartbeats, Shutdown, WebhookRecord};

/// How updates come in.
pub(crate) enum Transport {
    /// The bot asks for them. The record names the webhook that it may have set before.
    Polling(WebhookRecord),
    /// Telegram sends them.
    Webhook(WebhookListener),
}

/// Brings updates to one inbox.
pub(crate) struct Intake {
    pub(crate) client: Client,
    pub(crate) clock: Clock,
    pub(crate) inbox: Inbox,
    /// Presses that waited until the user was known to be an admin of the group.
    pub(crate) admin_presses: mpsc::Receiver<Press>,
    pub(crate) contact: watch::Sender<Contact>,
    /// One bot polls: the leader.
    pub(crate) leadership: Leadership,
    pub(crate) shutdown: Shutdown,
    pub(crate) heartbeats: Heartbeats,
}

impl Intake {
    /// Takes updates in until the soft shutdown.
    pub(crate) async fn run(self, transport: Transport) {
        match transport {
            Transport::Polling(record) => self.poll_on(record).await,
            Transport::Webhook(listener) => self.serve(listener).await,
        }
    }
}
