//! The role of a bot: takes updates in, shows states, and answers what needs no engine.

use stenobot_store::Leadership;
use stenobot_telegram::WebhookSecret;
use tokio::sync::{mpsc, watch};

use super::common::{Common, Parts};
use crate::commands::Commands;
use crate::config::{Config, UpdateSource};
use crate::doctor;
use crate::ingest::{
    BusinessAccounts, Contact, Inbox, InboxParts, Intake, MAX_ADMIN_PRESSES, Presses, Transport, Unanswered,
    WebhookListener,
};
use crate::lifecycle::WebhookRecord;
use crate::pipeline::admit::{Admitter, AdmitterParts};
use crate::pipeline::broadcast::Broadcasts;
use crate::pipeline::deletion::Deletions;
use crate::pipeline::erasure::Erasures;
use crate::pipeline::menu::CommandMenu;
use crate::pipeline::notify::Notifier;
use crate::pipeline::replies::{Replies, ReplySender};
use crate::pipeline::retention::Retention;

/// A bot that is ready to run.
pub(super) struct BotRole {
    transport: Transport,
    /// The last contact with Telegram.
    pub(super) contact: watch::Sender<Contact>,
}

impl BotRole {
    /// With a webhook, its listener is bound.
    pub(super) async fn prepare(config: &Config) -> anyhow::Result<Self> {
        let record = WebhookRecord::at(config.storage.webhook_record());
        let transport = match &config.telegram.updates {
            UpdateSource::Polling => Transport::Polling(record),
            UpdateSource::Webhook(webhook) => Transport::Webhook(WebhookListener {
                listener: doctor::Listener::Webhook.bind(webhook.addr).await?,
                url: webhook.url.clone(),
                secret: WebhookSecret::of(doctor::token(config)?.expose(), &webhook.url),
                record,
            }),
        };
        Ok(Self { transport, contact: watch::Sender::default() })
    }

    /// Wires the stages and runs them until the soft shutdown.
    pub(super) async fn run(self, common: &Common, leadership: Leadership) {
        let Common { parts, service, editor, chats, recordings, cancels, estimates, .. } = common;
        let Parts { settings, client, worker, heartbeats } = parts;
        let (replies, erasures) = (Replies::default(), Erasures::default());
        let (admin_presses, waiting_presses) = mpsc::channel(MAX_ADMIN_PRESSES);

        let admitter = Admitter::new(AdmitterParts {
            store: worker.store.clone(),
            settings: settings.clone(),
            client: client.clone(),
            backlog: common.backlog.clone(),
            service: service.clone(),
            positions: common.positions.clone(),
            file_names: common.file_names.clone(),
        });
        let notifier = Notifier {
            worker: worker.clone(),
            settings: settings.clone(),
            client: client.clone(),
            editor: editor.clone(),
            chats: chats.clone(),
            recordings: recordings.clone(),
            deliverer: common.deliverer.clone(),
        };
        let broadcasts = Broadcasts::new(worker.clone(), settings.clone(), client.clone(), replies.clone());
        let retention = Retention {
            worker: worker.clone(),
            settings: settings.clone(),
            recordings: recordings.clone(),
            replies: replies.clone(),
            erasures: erasures.clone(),
        };
        let commands = Commands {
            worker: worker.clone(),
            settings: settings.clone(),
            client: client.clone(),
            replies: replies.clone(),
            cancels: cancels.clone(),
            recordings: recordings.clone(),
            service: service.clone(),
            erasures,
            broadcasts: broadcasts.clone(),
            estimates: estimates.clone(),
        };
        let presses = Presses {
            worker: worker.clone(),
            settings: settings.clone(),
            replies: replies.clone(),
            cancels: cancels.clone(),
            broadcasts,
            commands: commands.clone(),
            positions: common.positions.clone(),
        };
        let business = BusinessAccounts {
            worker: worker.clone(),
            settings: settings.clone(),
            client: client.clone(),
            replies: replies.clone(),
            cancels: cancels.clone(),
            unanswered: Unanswered::default(),
        };
        let deletions = Deletions {
            worker: worker.clone(),
            client: client.clone(),
            editor: editor.clone(),
            recordings: recordings.clone(),
            leadership: leadership.clone(),
        };
        let reply_sender = ReplySender {
            worker: worker.clone(),
            settings: settings.clone(),
            client: client.clone(),
            chats: chats.clone(),
            replies: replies.clone(),
            commands: commands.clone(),
            admin_presses,
        };
        let menu =
            CommandMenu { settings: settings.clone(), client: client.clone(), shutdown: worker.shutdown.clone() };
        let inbox = Inbox::new(InboxParts {
            worker: worker.clone(),
            settings: settings.clone(),
            client: client.clone(),
            chats: chats.clone(),
            replies,
            admitter,
            commands,
            presses,
            business,
            download_space: common.download_space.clone(),
            heartbeats: heartbeats.clone(),
        });
        let intake = Intake {
            client: client.clone(),
            clock: worker.store.clock().clone(),
            inbox,
            admin_presses: waiting_presses,
            contact: self.contact,
            leadership: leadership.clone(),
            shutdown: worker.shutdown.clone(),
            heartbeats: heartbeats.clone(),
        };
        chats.warn_of_old_numbers().await;
        tokio::join!(
            intake.run(self.transport),
            reply_sender.run(),
            menu.register(),
            common.positions.clone().run(leadership),
            notifier.run(),
            retention.run(),
            deletions.run(),
        );
    }
}
