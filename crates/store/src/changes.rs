//! Notifications of changes, for loops that wait for them.

use stenobot_domain::StageName;
use tokio::sync::watch;

use crate::WorkSource;

/// What a loop waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// Requests to claim.
    Work(WorkSource),
    /// The mode of the service.
    Mode,
    /// Pauses that Telegram demands.
    Pauses,
}

/// Senders of the notifications. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Changes {
    any: watch::Sender<u64>,
    downloads: watch::Sender<u64>,
    transcriptions: watch::Sender<u64>,
    mode: watch::Sender<u64>,
    pauses: watch::Sender<u64>,
}

impl Changes {
    /// Notified of all changes.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.any.subscribe()
    }

    /// Notified at least of all changes of this topic.
    pub(crate) fn subscribe_to(&self, topic: Topic) -> watch::Receiver<u64> {
        self.sender(topic).subscribe()
    }

    /// A change of these topics, or of none.
    pub(crate) fn notify(&self, topics: &[Topic]) {
        increment(&self.any);
        for topic in topics {
            self.notify_only(*topic);
        }
    }

    /// Notifies those that wait for this topic of a change of which the others know.
    pub(crate) fn notify_only(&self, topic: Topic) {
        increment(self.sender(topic));
    }

    fn sender(&self, topic: Topic) -> &watch::Sender<u64> {
        match topic {
            Topic::Work(WorkSource::Downloads) => &self.downloads,
            Topic::Work(WorkSource::Transcriptions) => &self.transcriptions,
            Topic::Mode => &self.mode,
            Topic::Pauses => &self.pauses,
        }
    }
}

impl Topic {
    pub(crate) const ALL: &[Self] =
        &[Self::Work(WorkSource::Downloads), Self::Work(WorkSource::Transcriptions), Self::Mode, Self::Pauses];

    /// What a write to the queue may concern.
    pub(crate) const WORK: &[Self] = &[Self::Work(WorkSource::Downloads), Self::Work(WorkSource::Transcriptions)];

    /// Topics of a notification by the triggers of the database. One of an older version says nothing.
    pub(crate) fn of_notification(payload: &str) -> &'static [Self] {
        match payload {
            "mode" => return &[Self::Mode],
            "pause" => return &[Self::Pauses],
            _ => {}
        }
        match StageName::parse(payload) {
            Some(StageName::Received) => &[Self::Work(WorkSource::Downloads)],
            Some(StageName::Queued) => &[Self::Work(WorkSource::Transcriptions)],
            // Without its text, those that are coalesced into it are downloaded.
            Some(StageName::Rejected | StageName::Failed | StageName::Cancelled) => {
                &[Self::Work(WorkSource::Downloads)]
            }
            Some(StageName::Downloaded | StageName::Transcribing | StageName::Transcribed | StageName::Done) => &[],
            None => Self::ALL,
        }
    }
}

fn increment(sender: &watch::Sender<u64>) {
    sender.send_modify(|version| *version = version.wrapping_add(1));
}
