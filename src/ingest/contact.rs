//! The latest contact with Telegram, whatever the transport.

use stenobot_domain::Timestamp;

/// For readiness.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Contact {
    /// When Telegram last answered a poll, sent an update that was recorded, or said that its deliveries to the webhook succeed.
    pub(crate) last: Option<Timestamp>,
    /// Why Telegram's deliveries to the webhook fail.
    pub(crate) delivery_failure: Option<String>,
}

impl Contact {
    pub(super) fn at(now: Timestamp) -> Self {
        Self { last: Some(now), delivery_failure: None }
    }
}
