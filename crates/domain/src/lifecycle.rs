//! The names of the request lifecycle, as the store stores them and metrics label them.

use std::fmt;

/// Declares an enum whose variants have one stored name each, with `ALL`, `as_str`, `Display` and parsing. Not derived by
/// strum from the variants: renaming one must not change what the store holds, and `ALL` and `as_str` are inherent constants.
macro_rules! names {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$doc])* $variant,)* }

        impl $name {
            /// Every variant, in order of declaration.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The stored name, also the metric label.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The variant with this stored name.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)* _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

names! {
    /// Stage of a request.
    StageName {
        /// Accepted and durable; its audio is still at Telegram.
        Received = "received",
        /// Audio on disk, length measured.
        Downloaded = "downloaded",
        /// Waits for the engine.
        Queued = "queued",
        /// The engine works on it.
        Transcribing = "transcribing",
        /// Text in memory, delivery under way.
        Transcribed = "transcribed",
        /// Text delivered.
        Done = "done",
        /// Refused with a reason.
        Rejected = "rejected",
        /// Given up with an apology.
        Failed = "failed",
        /// Cancelled by its sender or by an operator.
        Cancelled = "cancelled",
    }
}

/// The lifecycle of a request: every legal transition, for macros that generate code from it.
///
/// Calls `$generate!` with `open { ... }`, one entry for each open stage, and `closed [...]`. Of an entry
/// `Stage position|no_position => next [..] coalesced [..] ends [..] released Stage;`
/// - `position`: a request in this stage holds a position in the queue;
/// - `next`: the stage that the worker which holds the request may enter;
/// - `coalesced`: the stage that it enters when it is given the text of another request;
/// - `ends`: how it may end without a text;
/// - `released`: the stage in which it waits after its worker gave it back.
#[macro_export]
macro_rules! lifecycle {
    ($generate:ident) => {
        $generate! {
            open {
                Received position => next [Downloaded] coalesced [Transcribing] ends [Rejected Failed Cancelled] released Received;
                Downloaded position => next [Queued] coalesced [] ends [Rejected Failed Cancelled] released Received;
                Queued position => next [Transcribing] coalesced [] ends [Failed Cancelled] released Queued;
                Transcribing no_position => next [Transcribed] coalesced [] ends [Rejected Failed Cancelled] released Queued;
                Transcribed no_position => next [Done] coalesced [] ends [Failed Cancelled] released Queued;
            }
            closed [Done Rejected Failed Cancelled]
        }
    };
}

macro_rules! stage_lists {
    (open { $($stage:ident $position:ident => next [$($next:ident)*] coalesced [$($coalesced:ident)*] ends [$($end:ident)*]
       released $released:ident;)* } closed [$($closed:ident)*]) => {
        impl StageName {
            /// Stages of requests that have not ended, in order.
            pub const OPEN: &[Self] = &[$(Self::$stage,)*];

            /// Stages in which a request has ended.
            pub const CLOSED: &[Self] = &[$(Self::$closed,)*];

            /// Every transition from one stage to another.
            pub const STEPS: &[(Self, Self)] = &[$(
                $((Self::$stage, Self::$next),)*
                $((Self::$stage, Self::$coalesced),)*
                $((Self::$stage, Self::$end),)*
            )*];

            /// Whether the request has ended.
            pub const fn is_terminal(self) -> bool {
                match self {
                    $(Self::$stage => false,)*
                    $(Self::$closed => true,)*
                }
            }

            /// Whether a request in this stage holds a position in the queue: `max_queue_size` bounds their number.
            pub const fn holds_position(self) -> bool {
                match self {
                    $(Self::$stage => stage_lists!(@ $position),)*
                    $(Self::$closed => false,)*
                }
            }

            /// The stage in which a request waits after its worker gave it back in this one.
            pub const fn released(self) -> Self {
                match self {
                    $(Self::$stage => Self::$released,)*
                    $(Self::$closed => self,)*
                }
            }
        }
    };
    (@ position) => { true };
    (@ no_position) => { false };
}

lifecycle!(stage_lists);

impl StageName {
    /// Whether a request may go from this stage to `next`.
    pub fn may_become(self, next: Self) -> bool {
        Self::STEPS.contains(&(self, next))
    }

    /// The stages from which a request may come into this one.
    pub fn predecessors(self) -> impl Iterator<Item = Self> {
        Self::STEPS.iter().filter(move |(_, to)| *to == self).map(|(from, _)| *from)
    }

    /// Stages whose requests hold a position in the queue.
    pub fn with_position() -> impl Iterator<Item = Self> {
        Self::OPEN.iter().copied().filter(|stage| stage.holds_position())
    }
}

names! {
    /// Kind of message that the audio came in.
    AudioSource {
        /// Recorded in Telegram.
        Voice = "voice",
        /// A music or audio file.
        Audio = "audio",
        /// A round video.
        VideoNote = "video_note",
        /// A video.
        Video = "video",
        /// A file, for which Telegram gives no length.
        Document = "document",
    }
}

names! {
    /// Form of the answer.
    AnswerForm {
        /// As messages.
        Message = "message",
        /// As a text file.
        Txt = "txt",
        /// As SubRip subtitles.
        Srt = "srt",
        /// As WebVTT subtitles.
        Vtt = "vtt",
    }
}

names! {
    /// How the state and the end of a request are shown in its chat. Decided when it is admitted.
    StateDisplay {
        /// In a message that is edited until it holds the answer.
        Message = "message",
        /// By a reaction on the recording; in a message where the chat does not allow that.
        Reaction = "reaction",
        /// Not at all: only a text is sent, without a notification. An end without one is a reaction.
        Quiet = "quiet",
        /// Not at all: a post of a channel gets its text as the caption.
        Caption = "caption",
        /// Not at all: a post of a channel that has a caption of its own gets its text as a comment.
        Comment = "comment",
    }
}

names! {
    /// How a group wants to see the state of requests.
    StatusStyle {
        /// [`StateDisplay::Message`]
        Messages = "messages",
        /// [`StateDisplay::Reaction`]
        Reactions = "reactions",
    }
}

names! {
    /// Why a request was refused.
    RejectReason {
        /// `max_queue_size` requests wait.
        QueueFull = "queue_full",
        /// `max_waiting_per_user` requests of this user wait.
        UserLimit = "user_limit",
        /// More requests a minute than a user may make.
        TooOften = "too_often",
        /// More audio today than a user may send.
        DailyLimit = "daily_limit",
        /// An operator has stopped admission.
        Maintenance = "maintenance",
        /// Longer than `max_voice_duration_seconds`.
        TooLong = "too_long",
        /// Larger than `max_file_size_bytes`.
        TooBig = "too_big",
        /// A video without a sound track.
        Silent = "silent",
        /// No decoder for the codec or container.
        Codec = "codec",
        /// Not recognised as audio.
        Unsupported = "unsupported",
        /// The sender is not among `allowed_users`.
        NotAllowed = "not_allowed",
    }
}

names! {
    /// Why a request was given up.
    FailReason {
        /// Telegram did not give the file.
        Download = "download",
        /// The file cannot be decoded.
        Damaged = "damaged",
        /// The audio to transcribe again is no longer kept.
        AudioGone = "audio_gone",
        /// The engine did not finish in time.
        Deadline = "deadline",
        /// The engine crashed on it too often.
        Poison = "poison",
        /// No engine could be started.
        Engine = "engine",
        /// An error of the bot itself.
        Internal = "internal",
    }
}

names! {
    /// Who cancelled a request.
    CancelledBy {
        /// Its sender.
        Sender = "sender",
        /// An operator of the bot.
        Operator = "operator",
        /// No answer can be sent: the chat is gone, the bot is blocked, or may not write there.
        ChatGone = "chat_gone",
    }
}

names! {
    /// End of an accepted request, as the finished counter labels it.
    Outcome {
        /// Text delivered.
        Done = "done",
        /// Given up with an apology.
        Failed = "failed",
        /// Cancelled.
        Cancelled = "cancelled",
        /// The recording has no speech; the sender was informed.
        NoSpeech = "no_speech",
        /// Ended by its sender with the text that was there.
        Stopped = "stopped",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_names_parse_to_their_variants() {
        for &stage in StageName::ALL {
            assert_eq!(StageName::parse(stage.as_str()), Some(stage));
        }
        for &reason in FailReason::ALL {
            assert_eq!(FailReason::parse(reason.as_str()), Some(reason));
        }
        assert_eq!(StageName::parse("nonsense"), None);
    }

    #[test]
    fn every_stage_is_either_open_or_closed() {
        let all: Vec<_> = StageName::OPEN.iter().chain(StageName::CLOSED).copied().collect();
        assert_eq!(all, StageName::ALL);
        assert!(StageName::OPEN.iter().all(|stage| !stage.is_terminal()));
        assert!(StageName::CLOSED.iter().all(|stage| stage.is_terminal() && !stage.holds_position()));
    }

    #[test]
    fn every_open_stage_leads_to_an_end_and_every_closed_one_to_none() {
        for &stage in StageName::ALL {
            let steps = StageName::STEPS.iter().filter(|(from, _)| *from == stage).count();
            assert_eq!(steps == 0, stage.is_terminal(), "{stage}");
            assert_eq!(stage.may_become(StageName::Cancelled), !stage.is_terminal(), "{stage}");
        }
    }

    #[test]
    fn a_released_request_waits_in_a_stage_that_is_claimed() {
        for &stage in StageName::OPEN {
            assert!(matches!(stage.released(), StageName::Received | StageName::Queued), "{stage}");
            assert!(stage.released().holds_position());
        }
        assert_eq!(StageName::Done.predecessors().collect::<Vec<_>>(), [StageName::Transcribed]);
        let waiting = [StageName::Received, StageName::Downloaded, StageName::Queued];
        assert_eq!(StageName::with_position().collect::<Vec<_>>(), waiting);
    }
}
