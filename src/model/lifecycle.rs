//! The names of the request lifecycle, as the journal stores them and metrics label them.

use std::fmt;

/// Declares an enum whose variants have one stored name each, with `ALL`, `as_str`, `Display` and parsing.
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
    /// Where a request stands.
    StageName {
        /// Accepted and durable; its audio is still at Telegram.
        Received = "received",
        /// Audio on disk, real length known.
        Downloaded = "downloaded",
        /// Waits for the engine.
        Queued = "queued",
        /// The engine works on it.
        Transcribing = "transcribing",
        /// Text in memory, delivery under way.
        Transcribed = "transcribed",
        /// Text delivered.
        Done = "done",
        /// Refused, with a reason that its sender was told.
        Rejected = "rejected",
        /// Given up, with an apology.
        Failed = "failed",
        /// Withdrawn by its sender or by an administrator.
        Cancelled = "cancelled",
    }
}

impl StageName {
    /// Stages that hold a place in the queue: `max_queue_size` bounds their number.
    pub const WAITING: &[Self] = &[Self::Received, Self::Downloaded, Self::Queued];

    /// Every step from one stage to another that a request can make.
    pub const STEPS: &[(Self, Self)] = &[
        (Self::Received, Self::Downloaded),
        (Self::Received, Self::Rejected),
        (Self::Received, Self::Failed),
        (Self::Received, Self::Cancelled),
        (Self::Downloaded, Self::Queued),
        (Self::Queued, Self::Transcribing),
        (Self::Queued, Self::Failed),
        (Self::Transcribing, Self::Transcribed),
        (Self::Transcribing, Self::Failed),
        (Self::Transcribed, Self::Done),
        (Self::Transcribed, Self::Failed),
        (Self::Transcribed, Self::Cancelled),
    ];

    /// No later stage follows.
    pub const fn is_terminal(self) -> bool {
        match self {
            Self::Received | Self::Downloaded | Self::Queued | Self::Transcribing | Self::Transcribed => false,
            Self::Done | Self::Rejected | Self::Failed | Self::Cancelled => true,
        }
    }
}

names! {
    /// Why a request was refused.
    RejectReason {
        /// As many requests wait as may wait.
        QueueFull = "queue_full",
        /// One person sent more messages than one person may.
        UserLimit = "user_limit",
        /// Longer than `max_voice_duration_seconds`.
        TooLong = "too_long",
        /// Larger than `max_file_size_bytes`.
        TooBig = "too_big",
        /// No sound in it, or a form that cannot be read.
        Unsupported = "unsupported",
        /// The sender is not among those this bot serves.
        NotAllowed = "not_allowed",
    }
}

names! {
    /// Why a request was given up.
    FailReason {
        /// Telegram did not give the file.
        Download = "download",
        /// The file broke the decoder, or is no sound at all.
        Damaged = "damaged",
        /// The engine did not finish in time.
        Deadline = "deadline",
        /// The engine died on it, or the request was claimed too often.
        Poison = "poison",
        /// No engine could be started.
        Engine = "engine",
        /// Something of ours failed.
        Internal = "internal",
    }
}

names! {
    /// Who withdrew a request.
    CancelledBy {
        /// Its sender.
        Sender = "sender",
        /// Nobody is there to answer: the chat is gone or the bot is blocked.
        ChatGone = "chat_gone",
        /// The operator, who put an older journal back without the requests that waited in it.
        Operator = "operator",
    }
}

names! {
    /// How a request ended well or badly, as the finished counter labels it.
    Outcome {
        /// Text delivered.
        Done = "done",
        /// Given up with an apology.
        Failed = "failed",
        /// Withdrawn.
        Cancelled = "cancelled",
        /// Nobody spoke, and the sender was told so.
        NoSpeech = "no_speech",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_and_come_back() {
        for &stage in StageName::ALL {
            assert_eq!(StageName::parse(stage.as_str()), Some(stage));
        }
        for &reason in FailReason::ALL {
            assert_eq!(FailReason::parse(reason.as_str()), Some(reason));
        }
        assert_eq!(StageName::parse("nonsense"), None);
    }

    #[test]
    fn what_waits_is_not_over() {
        assert!(StageName::WAITING.iter().all(|stage| !stage.is_terminal()));
    }
}
