//! Telegram's side: updates in, files in, texts out. The only place that knows the Bot API.
//!
//! [`Client`] makes the calls, [`Incoming`] is a parsed update, [`Texts`] are the bot's texts, [`Outbox`] orders and paces
//! everything that goes out, and [`StatusEditor`] owns the edits of status messages while their requests are under way.

mod action;
mod administrators;
mod business;
mod call;
mod channels;
mod checkup;
mod client;
mod download;
mod entities;
mod error;
mod guests;
mod languages;
mod messages;
mod outgoing;
mod progress;
mod reactions;
mod redact;
mod split;
mod texts;
mod update;
mod updates;
mod webhook;
mod write_permissions;

pub use stenobot_domain::ThreadId;

pub use action::{Action, RerunChoice};
pub use call::{Call, CallOutcome, Method};
pub use channels::CAPTION_UNITS;
pub use checkup::Reached;
pub use client::{Client, Me};
pub use download::DownloadError;
pub use error::{Disposition, Extent, TelegramError, Unreachable};
pub use languages::{LANGUAGES, language_name};
pub use messages::{Document, MenuScope};
pub use outgoing::{
    BotMessage, Button, DEFAULT_RATE, Edit, EditGuard, Effect, Keyboard, Lanes, LearnedPause, Limits, LocalTime,
    MAX_PAUSE, MayEdit, Outbox, OutgoingMessage, Priority, Pushed, Share, StatusEditor, TextPart,
};
pub use progress::{Percent, bar};
pub use reactions::Reaction;
pub use redact::Redactor;
pub use split::split;
pub use texts::{
    Answer, AnswerLayout, AnswerText, BanEntry, CallbackAnswer, ChosenLanguages, CommandReply, Continuation, Label,
    Locale, MyData, QueueEntry, QueuePosition, Stats, StatusText, Texts, body,
};
pub use update::{
    Access, AskedBy, BusinessAudio, BusinessConnection, BusinessDeletion, ChatKind, Command, Content, Discussion,
    GuestQuery, Identity, Ignored, Incoming, Location, Membership, OtherKind, Press, Replied, Sender, TRANSCRIBE,
    UpdateKind, VoiceMessage,
};
pub use updates::OptionalUpdates;
pub use webhook::{MAX_WEBHOOK_CONNECTIONS, WebhookError, WebhookInfo, WebhookSecret};
