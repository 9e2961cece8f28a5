//! Counts and recovery times over many requests.

use std::time::Duration;

use stenobot_simulator::answers::{BotText, read};
use stenobot_simulator::server::BotApi;
use stenobot_simulator::users::SentMessage;

use super::figures::spread;
use crate::scene::Scene;

/// Counts over all rounds of a row.
#[derive(Default)]
pub(crate) struct Score {
    requests: usize,
    lost: usize,
    duplicated: usize,
    /// Status messages that stay for ever: Telegram accepted them, and the bot never got their id.
    stray: usize,
    /// Times from the restart to the answer.
    recovery: Vec<Duration>,
}

impl Score {
    /// Counts these messages, once no more answers follow.
    pub(crate) fn count(&mut self, scene: &Scene, sent: &[SentMessage]) {
        for sent in sent {
            let trail = sent.trail();
            self.requests += 1;
            self.lost += usize::from(trail.is_lost());
            self.duplicated += usize::from(trail.is_duplicated());
            self.stray += stray_count(scene.api(), sent);
            assert!(!trail.is_lost() && !trail.is_duplicated(), "{}", sent.history());
        }
    }

    pub(crate) fn recovered(&mut self, after: Duration) {
        self.recovery.push(after);
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.stray += other.stray;
        self.recovery.extend(other.recovery);
    }

    pub(crate) fn slowest_recovery(&self) -> Duration {
        self.recovery.iter().max().copied().unwrap_or_default()
    }

    /// The text for the table.
    pub(crate) fn to_text(&self) -> String {
        let Self { requests, lost, duplicated, stray, recovery } = self;
        format!(
            "{requests} requests: {lost} lost, {duplicated} answered twice; {} kills, recovery {}; {stray} stray states",
            recovery.len(),
            spread(recovery)
        )
    }
}

/// Status messages that stay for ever: Telegram accepted them, and the bot never got their id.
pub(crate) fn stray_count(api: &BotApi, sent: &SentMessage) -> usize {
    api.read(|state| {
        let replies = state.replies(sent.chat(), sent.id());
        replies.filter_map(|reply| reply.content.text()).filter(|text| is_status(text)).count()
    })
}

/// Whether another text is to replace this one.
fn is_status(text: &str) -> bool {
    match read(text) {
        BotText::Received | BotText::Queued { .. } | BotText::Started | BotText::Progress { .. } => true,
        BotText::Part(text) => text == "…",
        BotText::Final(_) | BotText::Delayed => false,
    }
}
