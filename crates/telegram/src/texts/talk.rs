//! Answers to commands and to pressed buttons.

use std::time::Duration;

use super::{Say, Texts, number};
use crate::Locale;
use crate::split::{MESSAGE_UNITS, split};

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
    },
    /// To /language, over the buttons.
    Languages {
        /// What is spoken here so far, by its own name; `None` where the bot listens which it is.
        current: Option<&'static str>,
    },
    /// A language was chosen; `None` to listen which it is.
    LanguageSet(Option<&'static str>),
    /// To /queue.
    Standings(Vec<Standing>),
    /// To /cancel, which stopped so many requests.
    Cancelled(u64),
    /// To /privacy.
    Privacy {
        /// How long recordings are kept after their text was delivered.
        retention: Duration,
    },
    /// To /mydata of somebody of whom nothing is kept.
    NoData,
    /// To /mydata.
    MyData(MyData),
    /// To /forget, over the button that does it.
    ForgetAsk,
    /// All data of a user was erased.
    Forgotten,
    /// The same, but for what is still in the database's log.
    ForgottenSoon,
    /// To a command in a group whose answer is one member's alone.
    PrivateOnly,
    /// To /transcribe that does not answer a recording.
    TranscribeHow,
    /// To /auto, and after it was set.
    Auto(bool),
    /// To /auto with something else than on and off.
    AutoHow,
    /// Only an administrator of the group may do that.
    AdminsOnly,
    /// Only in a group does that make sense.
    GroupsOnly,
    /// Transcriptions are paused; messages are still accepted.
    Paused,
    /// Nothing new is accepted; what waits is served.
    Draining,
    /// Everything goes on.
    Resumed,
    /// Somebody is served no more.
    Banned(i64),
    /// Somebody is served again.
    Unbanned(i64),
    /// To /ban and /unban without an id: whose ids they take.
    BanHow,
    /// To /broadcast without a text.
    BroadcastHow,
    /// A message to everybody as it would go out, over the buttons that send or drop it.
    BroadcastPreview {
        /// To how many.
        people: u64,
        /// The message.
        text: String,
    },
    /// A message to everybody was dropped.
    BroadcastCancelled,
    /// A message to everybody is on its way.
    BroadcastStarted {
        /// To how many.
        people: u64,
    },
    /// A message to everybody has gone out.
    BroadcastDone {
        /// Who got it.
        sent: u64,
        /// Who could not be reached.
        missed: u64,
    },
    /// To /stats.
    Stats(Stats),
}

/// A request of somebody's, as /queue shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// From 1, the next one; `None` when it is being worked on.
    pub position: Option<u32>,
    /// Length of the recording.
    pub length: Duration,
}

/// What is kept about somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MyData {
    /// First and last name, as Telegram gave them.
    pub name: String,
    /// With `@`, where there is one.
    pub username: Option<String>,
    /// Their number at Telegram.
    pub id: i64,
    /// The day of the first message, `2026-11-24`.
    pub since: String,
    /// Messages sent.
    pub requests: u64,
    /// Texts received.
    pub answered: u64,
    /// Sound in all of them.
    pub audio: Duration,
    /// The language set, by its own name.
    pub language: Option<&'static str>,
}

/// How the bot is doing, for its administrators.
#[derive(Debug, Clone, PartialEq)]
pub struct Stats {
    /// Requests that wait.
    pub waiting: u64,
    /// Requests that may wait.
    pub limit: u64,
    /// Of the last 24 hours: messages.
    pub requests: u64,
    /// Texts delivered.
    pub answered: u64,
    /// Recordings without speech.
    pub no_speech: u64,
    /// Given up.
    pub failed: u64,
    /// Refused.
    pub rejected: u64,
    /// People who sent something.
    pub people: u64,
    /// Sound transcribed.
    pub audio: Duration,
    /// Half of the requests waited no longer.
    pub median_wait: Option<Duration>,
    /// Processing time over audio length, lately.
    pub real_time_factor: Option<f64>,
}

/// A few words over the chat, in answer to a pressed button.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallbackAnswer {
    /// Somebody else's request.
    NotYours,
    /// A request in the name of a chat, pressed by a user who is no admin of the group.
    AdminsOnly,
    /// Only administrators of the group may change its settings.
    AdminsOnlyHere,
    /// Something failed; pressing again may help.
    Failed,
    /// Only in a private chat does that work.
    PrivateOnly,
    /// It has ended already.
    Over,
    /// Its recording is not kept any more.
    AudioGone,
    /// It is being stopped.
    Cancelling,
    /// It is heard again.
    Again,
    /// The queue is full, or too many of the person's requests wait.
    NoRoom,
    /// The message to everybody was sent or dropped, or is of before a restart.
    DraftGone,
}

/// Words on a button.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    /// Stops a request.
    Cancel,
    /// Opens the list of languages.
    OtherLanguage,
    /// Closes it.
    Back,
    /// The language is to be heard.
    Automatic,
    /// Gives the text as a file of this form, such as `SRT`.
    File(&'static str),
    /// Confirms /forget.
    Erase,
    /// Confirms /broadcast.
    Send,
}

impl Texts {
    /// An answer to a command.
    pub fn talk(&self, locale: Locale, talk: &CommandReply) -> String {
        let say = Say { own: &self.own, locale };
        match talk {
            CommandReply::Greeting { duration, size } => {
                say.with("greeting", [("duration", say.limit(*duration)), ("size", say.size(*size))])
            }
            CommandReply::Help { duration, size, bot } => say.with(
                "help",
                [("duration", say.limit(*duration)), ("size", say.size(*size)), ("bot", bot.clone().into())],
            ),
            CommandReply::Languages { current: None } => say.plain("languages-automatic"),
            CommandReply::Languages { current: Some(name) } => say.with("languages", [("language", (*name).into())]),
            CommandReply::LanguageSet(None) => say.plain("language-automatic"),
            CommandReply::LanguageSet(Some(name)) => say.with("language-set", [("language", (*name).into())]),
            CommandReply::Standings(standings) if standings.is_empty() => say.plain("queue-empty"),
            CommandReply::Standings(standings) => {
                let lines = standings.iter().map(|Standing { position, length }| match position {
                    Some(position) => {
                        say.with("queue-waits", [("position", number(*position)), ("length", say.span(*length))])
                    }
                    None => say.with("queue-works", [("length", say.span(*length))]),
                });
                [say.plain("queue-mine")].into_iter().chain(lines).collect::<Vec<_>>().join("\n")
            }
            CommandReply::Cancelled(0) => say.plain("cancel-nothing"),
            CommandReply::Cancelled(count) => say.with("cancel-count", [("count", number(*count))]),
            CommandReply::Privacy { retention } => {
                let kept = match retention.as_secs() {
                    0 => say.plain("privacy-audio-at-once"),
                    _ => say.with("privacy-audio-kept", [("time", say.span(*retention))]),
                };
                say.with("privacy", [("audio", kept.into())]) + "\n" + &say.plain("privacy-limits")
            }
            CommandReply::NoData => say.plain("my-data-none"),
            CommandReply::MyData(data) => say.with(
                "my-data",
                [
                    (
                        "name",
                        [Some(data.name.clone()), data.username.clone()]
                            .into_iter()
                            .flatten()
                            .collect::<Vec<_>>()
                            .join(" ")
                            .into(),
                    ),
                    ("id", data.id.to_string().into()),
                    ("since", data.since.clone().into()),
                    ("requests", number(data.requests)),
                    ("answered", number(data.answered)),
                    ("audio", say.span(data.audio)),
                    ("language", data.language.map_or_else(|| say.plain("language-detected"), str::to_owned).into()),
                ],
            ),
            CommandReply::ForgetAsk => say.plain("forget-ask"),
            CommandReply::Forgotten => say.plain("forgotten"),
            CommandReply::ForgottenSoon => say.plain("forgotten-soon"),
            CommandReply::PrivateOnly => say.plain("private-only"),
            CommandReply::TranscribeHow => say.plain("transcribe-how"),
            CommandReply::Auto(true) => say.plain("auto-on"),
            CommandReply::Auto(false) => say.plain("auto-off"),
            CommandReply::AutoHow => say.plain("auto-how"),
            CommandReply::AdminsOnly => say.plain("admins-only"),
            CommandReply::GroupsOnly => say.plain("groups-only"),
            CommandReply::Paused => say.plain("paused"),
            CommandReply::Draining => say.plain("draining"),
            CommandReply::Resumed => say.plain("resumed"),
            CommandReply::Banned(id) => say.with("banned", [("id", id.to_string().into())]),
            CommandReply::Unbanned(id) => say.with("unbanned", [("id", id.to_string().into())]),
            CommandReply::BanHow => [say.plain("ban-how"), say.plain("ban-chats")].join("\n\n"),
            CommandReply::BroadcastHow => say.plain("broadcast-how"),
            CommandReply::BroadcastPreview { people, text } => {
                const CUT: &str = " …";
                let heading = say.with("broadcast-preview", [("count", number(*people))]) + "\n\n";
                let taken = heading.encode_utf16().count() + CUT.encode_utf16().count();
                let room = MESSAGE_UNITS.saturating_sub(taken);
                let mut parts = split(text, room, MESSAGE_UNITS).into_iter();
                let first = parts.next().unwrap_or_default();
                heading + &first + if parts.next().is_some() { CUT } else { "" }
            }
            CommandReply::BroadcastCancelled => say.plain("broadcast-cancelled"),
            CommandReply::BroadcastStarted { people } => say.with("broadcast-started", [("count", number(*people))]),
            CommandReply::BroadcastDone { sent, missed } => {
                say.with("broadcast-done", [("sent", number(*sent)), ("missed", number(*missed))])
            }
            CommandReply::Stats(stats) => {
                let unknown = || "–".to_owned();
                let factor = stats.real_time_factor.map_or_else(unknown, |factor| format!("{factor:.2}"));
                let wait = stats.median_wait.map_or_else(|| unknown().into(), |wait| say.span(wait));
                say.with(
                    "stats",
                    [
                        ("waiting", number(stats.waiting)),
                        ("limit", number(stats.limit)),
                        ("requests", number(stats.requests)),
                        ("answered", number(stats.answered)),
                        ("nospeech", number(stats.no_speech)),
                        ("failed", number(stats.failed)),
                        ("rejected", number(stats.rejected)),
                        ("people", number(stats.people)),
                        ("audio", say.span(stats.audio)),
                        ("wait", wait),
                        ("factor", factor.into()),
                    ],
                )
            }
        }
    }

    /// The answer to a pressed button; at most 200 characters, as Telegram demands.
    pub fn toast(&self, locale: Locale, toast: CallbackAnswer) -> String {
        let say = Say { own: &self.own, locale };
        match toast {
            CallbackAnswer::NotYours => say.plain("toast-not-yours"),
            CallbackAnswer::AdminsOnly => say.plain("toast-admins-only"),
            CallbackAnswer::AdminsOnlyHere => say.plain("admins-only"),
            CallbackAnswer::Failed => say.plain("failed"),
            CallbackAnswer::PrivateOnly => say.plain("private-only"),
            CallbackAnswer::Over => say.plain("toast-over"),
            CallbackAnswer::AudioGone => say.plain("audio-gone"),
            CallbackAnswer::Cancelling => say.plain("toast-cancelling"),
            CallbackAnswer::Again => say.plain("toast-again"),
            CallbackAnswer::NoRoom => say.plain("queue-full"),
            CallbackAnswer::DraftGone => say.plain("toast-draft-gone"),
        }
    }

    /// The words on a button.
    pub fn label(&self, locale: Locale, label: Label) -> String {
        let say = Say { own: &self.own, locale };
        match label {
            Label::Cancel => say.plain("label-cancel"),
            Label::OtherLanguage => say.plain("label-other-language"),
            Label::Back => say.plain("label-back"),
            Label::Automatic => say.plain("label-automatic"),
            Label::File(form) => say.with("label-file", [("form", form.into())]),
            Label::Erase => say.plain("label-erase"),
            Label::Send => say.plain("label-send"),
        }
    }

    /// What a command does, for Telegram's menu; `None` for one that has no place there.
    pub fn command(&self, locale: Locale, name: &str) -> Option<String> {
        let say = Say { own: &self.own, locale };
        Some(match name {
            "start" => say.plain("command-start"),
            "help" => say.plain("command-help"),
            "language" => say.plain("command-language"),
            "queue" => say.plain("command-queue"),
            "cancel" => say.plain("command-cancel"),
            "privacy" => say.plain("command-privacy"),
            "mydata" => say.plain("command-mydata"),
            "forget" => say.plain("command-forget"),
            "transcribe" => say.plain("command-transcribe"),
            "auto" => say.plain("command-auto"),
            "stats" => say.plain("command-stats"),
            "pause" => say.plain("command-pause"),
            "resume" => say.plain("command-resume"),
            "drain" => say.plain("command-drain"),
            "ban" => say.plain("command-ban"),
            "unban" => say.plain("command-unban"),
            "broadcast" => say.plain("command-broadcast"),
            _ => return None,
        })
    }
}
