//! Texts of replies to commands, of answers to pressed buttons, and of labels.

mod mydata;

use std::time::Duration;

use stenobot_domain::StatusStyle;

use super::user_list::{BanEntry, user_list};
use super::{Renderer, Texts, number};
use crate::split::{MESSAGE_UNITS, split};
use crate::{LANGUAGES, Locale};
pub use mydata::{ChosenLanguages, MyData};

/// An answer to a command.
#[derive(Debug, Clone, PartialEq)]
pub enum CommandReply {
    /// To /start.
    Greeting {
        /// The longest message that is accepted.
        duration: Duration,
        /// The largest file that is accepted, in bytes.
        size: u64,
    },
    /// To /help.
    Help {
        /// The longest message that is accepted.
        duration: Duration,
        /// The largest file that is accepted, in bytes.
        size: u64,
        /// The bot's name without `@`, which groups use to ask it.
        bot: String,
        /// Whether the user may connect the bot to their own account.
        is_owner: bool,
        /// Whether the bot can be called in chats that it is not in.
        has_guests: bool,
    },
    /// To /language, over the buttons.
    Languages {
        /// Those set for the chat.
        current: ChosenLanguages,
    },
    /// Languages were set.
    LanguageSet(ChosenLanguages),
    /// To /language with something that names no language.
    LanguageHow,
    /// To /queue.
    QueueEntries(Vec<QueueEntry>),
    /// To /cancel: number of requests cancelled.
    Cancelled(u64),
    /// To /privacy.
    Privacy {
        /// How long recordings are kept after their text was delivered.
        retention: Duration,
        /// Whether the user may connect the bot to their own account.
        is_owner: bool,
        /// Whether the bot can be called in chats that it is not in.
        has_guests: bool,
    },
    /// The bot was connected to the user's own account, which it serves.
    BusinessConnected,
    /// The bot was connected to an account that it does not serve.
    BusinessRefused,
    /// To /mydata of a user without stored data.
    NoData,
    /// To /mydata.
    MyData(MyData),
    /// To /forget, above the button that confirms it.
    ForgetAsk,
    /// All data of a user was erased.
    Forgotten,
    /// All data was erased, but a part may remain in the database's write-ahead log for now.
    ForgottenSoon,
    /// To a command in a group whose answer is private.
    PrivateOnly,
    /// To /transcribe that is not a reply to a recording.
    TranscribeHow,
    /// To /auto, and after it was set.
    Auto(bool),
    /// To /auto with an argument other than on or off.
    AutoHow,
    /// To /times, after it was set.
    Times(bool),
    /// To /times with an argument other than on or off.
    TimesHow,
    /// To /status, after it was set.
    Status(StatusStyle),
    /// To /status with any other argument.
    StatusHow,
    /// To /quiet, after it was set.
    Quiet(bool),
    /// To /quiet with an argument other than on or off.
    QuietHow,
    /// The command is for administrators of the group.
    AdminsOnly,
    /// The command is for groups.
    GroupsOnly,
    /// Transcriptions are paused; messages are still accepted.
    Paused,
    /// Nothing new is accepted; waiting requests are processed.
    Draining,
    /// Normal operation again.
    Resumed,
    /// The user or chat with this id is banned.
    Banned(i64),
    /// The ban of this id is lifted.
    Unbanned(i64),
    /// To /ban and /unban without an id: usage.
    BanHow,
    /// To /banned.
    BanList {
        /// The newest first.
        entries: Vec<BanEntry>,
        /// Number of all bans, also of those that are not among the entries.
        total: u64,
    },
    /// To /invite.
    Invitation {
        /// The link.
        link: String,
        /// How long it can be opened.
        lifetime: Duration,
    },
    /// To /invite of a bot that serves everyone.
    InviteNeedless,
    /// An invitation was accepted.
    InvitationAccepted,
    /// An invitation was used before, or has expired.
    InvitationInvalid,
    /// To /uninvite with an id.
    Uninvited(i64),
    /// To /uninvite without an id.
    InvitedList {
        /// The newest first.
        entries: Vec<BanEntry>,
        /// Number of all invited users, also of those that are not among the entries.
        total: u64,
    },
    /// To /broadcast without a text.
    BroadcastHow,
    /// Preview of a broadcast, above the buttons that send or drop it.
    BroadcastPreview {
        /// Number of recipients.
        people: u64,
        /// The message.
        text: String,
    },
    /// The broadcast was dropped.
    BroadcastCancelled,
    /// The broadcast has started.
    BroadcastStarted {
        /// Number of recipients.
        people: u64,
    },
    /// The broadcast has ended.
    BroadcastDone {
        /// Messages delivered.
        sent: u64,
        /// Users that could not be reached.
        missed: u64,
    },
    /// To /stats.
    Stats(Stats),
}

/// A line of /queue: one request of the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueEntry {
    /// From 1, the next one; `None` when it is being worked on.
    pub position: Option<u32>,
    /// Length of the recording.
    pub length: Duration,
}

/// Statistics for operators.
#[derive(Debug, Clone, PartialEq)]
pub struct Stats {
    /// Requests that wait.
    pub waiting: u64,
    /// Limit of waiting requests.
    pub limit: u64,
    /// Requests in the last 24 hours, as all counts below.
    pub requests: u64,
    /// Texts delivered, those of stopped requests not counted.
    pub answered: u64,
    /// Texts of requests that their senders have stopped.
    pub stopped: u64,
    /// Recordings without speech.
    pub no_speech: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Requests refused.
    pub rejected: u64,
    /// Users with a request.
    pub people: u64,
    /// Length of the transcribed recordings.
    pub audio: Duration,
    /// Median time from receipt to the start of the transcription.
    pub median_wait: Option<Duration>,
    /// Recent real-time factor.
    pub real_time_factor: Option<f64>,
}

/// Answer to a pressed button, shown above the chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallbackAnswer {
    /// The request belongs to another user.
    NotYours,
    /// A request in the name of a chat, pressed by a user who is no admin of the group.
    AdminsOnly,
    /// Only administrators of the group may change its settings.
    AdminsOnlyHere,
    /// Something failed; pressing again may help.
    Failed,
    /// The button works in private chats only.
    PrivateOnly,
    /// The request has ended already.
    Over,
    /// The recording is no longer kept.
    AudioGone,
    /// The request is being cancelled, or stopped.
    Cancelling,
    /// The request has no text with which it could end.
    NoTextYet,
    /// The recording is transcribed again.
    Rerunning,
    /// The queue is full, or too many requests of the user wait.
    NoRoom,
    /// The broadcast was sent or dropped already, or drafted before a restart.
    DraftGone,
}

/// Label of a button.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    /// Cancels a request.
    Cancel,
    /// Ends a request with the text that is there.
    Stop,
    /// Shows the state of a request anew.
    Refresh,
    /// Opens the list of languages.
    OtherLanguage,
    /// Copies the text of an answer.
    Copy,
    /// Closes the list of languages.
    Back,
    /// Language detection.
    Automatic,
    /// Gives the text as a file of this form, such as `SRT`.
    File(&'static str),
    /// Confirms /forget.
    Erase,
    /// Confirms /broadcast.
    Send,
}

impl Texts {
    /// The text of a reply to a command.
    pub fn command_reply(&self, locale: Locale, reply: &CommandReply) -> String {
        let renderer = Renderer { overrides: &self.overrides, locale };
        match reply {
            CommandReply::Greeting { duration, size } => {
                renderer.format("greeting", [("duration", renderer.limit(*duration)), ("size", renderer.size(*size))])
            }
            CommandReply::Help { duration, size, bot, is_owner, has_guests } => {
                let (duration, size) = (renderer.limit(*duration), renderer.size(*size));
                let help =
                    renderer.format("help", [("duration", duration), ("size", size), ("bot", bot.clone().into())]);
                let help = help + "\n" + &renderer.text("help-groups") + "\n\n" + &renderer.text("help-doubts");
                let guests = has_guests.then(|| renderer.format("help-guest", [("bot", bot.clone().into())]));
                let help = with_line(help, guests.map(|line| "\n".to_owned() + &line));
                with_line(help, is_owner.then(|| "\n".to_owned() + &renderer.text("help-business")))
            }
            CommandReply::Languages { current: ChosenLanguages::None } => renderer.text("languages-automatic"),
            CommandReply::Languages { current: ChosenLanguages::One(names) | ChosenLanguages::Several(names) } => {
                renderer.format("languages", [("language", names.clone().into())])
            }
            CommandReply::LanguageSet(ChosenLanguages::None) => renderer.text("language-automatic"),
            CommandReply::LanguageSet(ChosenLanguages::One(name)) => {
                renderer.format("language-set", [("language", name.clone().into())])
            }
            CommandReply::LanguageSet(ChosenLanguages::Several(names)) => {
                renderer.format("language-set-several", [("languages", names.clone().into())])
            }
            CommandReply::LanguageHow => {
                let codes = LANGUAGES.iter().map(|(code, _)| *code).collect::<Vec<_>>().join(", ");
                renderer.format("language-how", [("codes", codes.into())])
            }
            CommandReply::QueueEntries(entries) if entries.is_empty() => renderer.text("queue-empty"),
            CommandReply::QueueEntries(entries) => {
                let lines = entries.iter().map(|QueueEntry { position, length }| match position {
                    Some(position) => renderer
                        .format("queue-waits", [("position", number(*position)), ("length", renderer.span(*length))]),
                    None => renderer.format("queue-works", [("length", renderer.span(*length))]),
                });
                [renderer.text("queue-mine")].into_iter().chain(lines).collect::<Vec<_>>().join("\n")
            }
            CommandReply::Cancelled(0) => renderer.text("cancel-nothing"),
            CommandReply::Cancelled(count) => renderer.format("cancel-count", [("count", number(*count))]),
            CommandReply::Privacy { retention, is_owner, has_guests } => {
                let kept = match retention.as_secs() {
                    0 => renderer.text("privacy-audio-at-once"),
                    _ => renderer.format("privacy-audio-kept", [("time", renderer.span(*retention))]),
                };
                let privacy =
                    renderer.format("privacy", [("audio", kept.into())]) + "\n" + &renderer.text("privacy-limits");
                let privacy = with_line(privacy, has_guests.then(|| renderer.text("privacy-guest")));
                with_line(privacy, is_owner.then(|| renderer.text("privacy-business")))
            }
            CommandReply::BusinessConnected => renderer.text("business-connected"),
            CommandReply::BusinessRefused => renderer.text("business-refused"),
            CommandReply::NoData => renderer.text("my-data-none"),
            CommandReply::MyData(data) => mydata::render(&renderer, data),
            CommandReply::ForgetAsk => renderer.text("forget-ask"),
            CommandReply::Forgotten => renderer.text("forgotten"),
            CommandReply::ForgottenSoon => renderer.text("forgotten-soon"),
            CommandReply::PrivateOnly => renderer.text("private-only"),
            CommandReply::TranscribeHow => renderer.text("transcribe-how"),
            CommandReply::Auto(true) => renderer.text("auto-on"),
            CommandReply::Auto(false) => renderer.text("auto-off"),
            CommandReply::AutoHow => renderer.text("auto-how"),
            CommandReply::Times(true) => renderer.text("times-on"),
            CommandReply::Times(false) => renderer.text("times-off"),
            CommandReply::TimesHow => renderer.text("times-how"),
            CommandReply::Status(StatusStyle::Messages) => renderer.text("status-messages"),
            CommandReply::Status(StatusStyle::Reactions) => renderer.text("status-reactions"),
            CommandReply::StatusHow => renderer.text("status-how"),
            CommandReply::Quiet(true) => renderer.text("quiet-on"),
            CommandReply::Quiet(false) => renderer.text("quiet-off"),
            CommandReply::QuietHow => renderer.text("quiet-how"),
            CommandReply::AdminsOnly => renderer.text("admins-only"),
            CommandReply::GroupsOnly => renderer.text("groups-only"),
            CommandReply::Paused => renderer.text("paused"),
            CommandReply::Draining => renderer.text("draining"),
            CommandReply::Resumed => renderer.text("resumed"),
            CommandReply::Banned(id) => renderer.format("banned", [("id", id.to_string().into())]),
            CommandReply::Unbanned(id) => renderer.format("unbanned", [("id", id.to_string().into())]),
            CommandReply::BanHow => [renderer.text("ban-how"), renderer.text("ban-chats")].join("\n\n"),
            CommandReply::BanList { total: 0, .. } => renderer.text("banned-none"),
            CommandReply::BanList { entries, total } => {
                user_list(&renderer, ("banned-list", "banned-hint"), entries, *total)
            }
            CommandReply::Invitation { link, lifetime } => {
                renderer.format("invite", [("time", renderer.span(*lifetime))]) + "\n" + link
            }
            CommandReply::InviteNeedless => renderer.text("invite-needless"),
            CommandReply::InvitationAccepted => renderer.text("invitation-accepted"),
            CommandReply::InvitationInvalid => renderer.text("invitation-invalid"),
            CommandReply::Uninvited(id) => renderer.format("uninvited", [("id", id.to_string().into())]),
            CommandReply::InvitedList { total: 0, .. } => renderer.text("invited-none"),
            CommandReply::InvitedList { entries, total } => {
                user_list(&renderer, ("invited-list", "invited-hint"), entries, *total)
            }
            CommandReply::BroadcastHow => renderer.text("broadcast-how"),
            CommandReply::BroadcastPreview { people, text } => {
                const CUT: &str = " …";
                let heading = renderer.format("broadcast-preview", [("count", number(*people))]) + "\n\n";
                let taken = heading.encode_utf16().count() + CUT.encode_utf16().count();
                let room = MESSAGE_UNITS.saturating_sub(taken);
                let mut parts = split(text, room, MESSAGE_UNITS).into_iter();
                let first = parts.next().unwrap_or_default();
                heading + &first + if parts.next().is_some() { CUT } else { "" }
            }
            CommandReply::BroadcastCancelled => renderer.text("broadcast-cancelled"),
            CommandReply::BroadcastStarted { people } => {
                renderer.format("broadcast-started", [("count", number(*people))])
            }
            CommandReply::BroadcastDone { sent, missed } => {
                renderer.format("broadcast-done", [("sent", number(*sent)), ("missed", number(*missed))])
            }
            CommandReply::Stats(stats) => {
                let unknown = || "–".to_owned();
                let factor = stats.real_time_factor.map_or_else(unknown, |factor| format!("{factor:.2}"));
                let wait = stats.median_wait.map_or_else(|| unknown().into(), |wait| renderer.span(wait));
                renderer.format(
                    "stats",
                    [
                        ("waiting", number(stats.waiting)),
                        ("limit", number(stats.limit)),
                        ("requests", number(stats.requests)),
                        ("answered", number(stats.answered)),
                        ("stopped", number(stats.stopped)),
                        ("nospeech", number(stats.no_speech)),
                        ("failed", number(stats.failed)),
                        ("rejected", number(stats.rejected)),
                        ("people", number(stats.people)),
                        ("audio", renderer.span(stats.audio)),
                        ("wait", wait),
                        ("factor", factor.into()),
                    ],
                )
            }
        }
    }

    /// The text above the chat after a press; at most 200 characters, as Telegram demands.
    pub fn callback_answer(&self, locale: Locale, answer: CallbackAnswer) -> String {
        let renderer = Renderer { overrides: &self.overrides, locale };
        match answer {
            CallbackAnswer::NotYours => renderer.text("toast-not-yours"),
            CallbackAnswer::AdminsOnly => renderer.text("toast-admins-only"),
            CallbackAnswer::AdminsOnlyHere => renderer.text("admins-only"),
            CallbackAnswer::Failed => renderer.text("failed"),
            CallbackAnswer::PrivateOnly => renderer.text("private-only"),
            CallbackAnswer::Over => renderer.text("toast-over"),
            CallbackAnswer::AudioGone => renderer.text("audio-gone"),
            CallbackAnswer::Cancelling => renderer.text("toast-cancelling"),
            CallbackAnswer::NoTextYet => renderer.text("toast-no-text"),
            CallbackAnswer::Rerunning => renderer.text("toast-again"),
            CallbackAnswer::NoRoom => renderer.text("queue-full"),
            CallbackAnswer::DraftGone => renderer.text("toast-draft-gone"),
        }
    }

    /// The label of a button.
    pub fn label(&self, locale: Locale, label: Label) -> String {
        let renderer = Renderer { overrides: &self.overrides, locale };
        match label {
            Label::Cancel => renderer.text("label-cancel"),
            Label::Stop => renderer.text("label-stop"),
            Label::Refresh => renderer.text("label-refresh"),
            Label::OtherLanguage => renderer.text("label-other-language"),
            Label::Copy => renderer.text("label-copy"),
            Label::Back => renderer.text("label-back"),
            Label::Automatic => renderer.text("label-automatic"),
            Label::File(form) => renderer.format("label-file", [("form", form.into())]),
            Label::Erase => renderer.text("label-erase"),
            Label::Send => renderer.text("label-send"),
        }
    }

    /// The description of a command in Telegram's menu: the text `command-NAME`.
    pub fn command(&self, locale: Locale, name: &str) -> String {
        Renderer { overrides: &self.overrides, locale }.text(&format!("command-{name}"))
    }
}

fn with_line(text: String, line: Option<String>) -> String {
    match line {
        Some(line) => text + "\n" + &line,
        None => text,
    }
}
