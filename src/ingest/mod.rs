//! Updates of Telegram become durable requests, settings and replies, whatever transport brought them.
//!
//! [`Inbox::ingest`] takes updates in order. An update counts as ingested when everything durable that it asks for is in the
//! store; only replies, which are best effort, may still be under way. [`poll`] brings updates by long polling.

mod delay;
mod inbox;
pub(crate) mod poll;
mod presses;
mod recent;

pub(crate) use inbox::{Inbox, InboxParts};
pub(crate) use presses::{MAX_ADMIN_PRESSES, Presses, admins_only};
