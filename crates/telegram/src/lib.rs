//! Telegram's side: updates in, files in, texts out. The only place that knows the Bot API.
//!
//! A [`Client`] makes the calls, [`Incoming`] is what an update means to us, [`Texts`] is everything the bot
//! says, and the [`StatusEditor`] owns the edits of status messages while their requests are under way.

mod action;
mod call;
mod checkup;
mod client;
mod closed;
mod desk;
mod download;
mod error;
mod languages;
mod messages;
mod multipart;
mod note;
mod pauses;
mod progress;
mod ranks;
mod redact;
mod split;
mod texts;
mod update;
mod updates;

pub use action::{Action, Wish};
pub use call::{Call, CallOutcome, Method};
pub use checkup::Reached;
pub use client::{Client, Me};
pub use desk::{Edit, Pace, StatusEditor};
pub use download::DownloadError;
pub use error::{Disposition, Extent, TelegramError};
pub use languages::{LANGUAGES, language_name};
pub use messages::{Document, MenuScope};
pub use note::{Button, Keyboard, OutgoingMessage};
pub use pauses::MAX_PAUSE;
pub use progress::{Percent, bar};
pub use redact::Redactor;
pub use split::split;
pub use texts::{Answer, CallbackAnswer, CommandReply, Label, Locale, MyData, Standing, Stats, StatusText, Texts};
pub use update::{
    Access, AskedBy, Audience, COMMANDS, ChatKind, Command, CommandName, Content, Ignored, Incoming, Location,
    Membership, OtherKind, Press, Sender, ThreadId, UpdateKind, VoiceMessage,
};
