//! The names of the request lifecycle, as the store stores them and metrics label them.

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
        // Joined to one that has been heard.
        (Self::Received, Self::Transcribing),
        (Self::Received, Self::Rejected),
        (Self::Received, Self::Failed),
        (Self::Received, Self::Cancelled),
        (Self::Downloaded, Self::Queued),
        (Self::Downloaded, Self::Cancelled),
        (Self::Queued, Self::Transcribing),
        (Self::Queued, Self::Failed),
        (Self::Queued, Self::Cancelled),
        (Self::Transcribing, Self::Transcribed),
        (Self::Transcribing, Self::Failed),
        (Self::Transcribing, Self::Cancelled),
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
    /// How the sound was sent.
    AudioSource {
        /// Recorded in Telegram.
        Voice = "voice",
        /// A music or audio file.
        Audio = "audio",
        /// A round video.
        VideoNote = "video_note",
        /// A video.
        Video = "video",
        /// A file, whose length nobody claims.
        Document = "document",
    }
}

names! {
    /// In which form the text is wanted.
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
    /// Why a request was refused.
    RejectReason {
        /// As many requests wait as may wait.
        QueueFull = "queue_full",
        /// As many messages of one person wait as may.
        UserLimit = "user_limit",
        /// One person sent more messages a minute than one person may.
        TooOften = "too_often",
        /// One person sent more audio today than one person may.
        DailyLimit = "daily_limit",
        /// Nothing new is taken for now.
        Maintenance = "maintenance",
        /// Longer than `max_voice_duration_seconds`.
        TooLong = "too_long",
        /// Larger than `max_file_size_bytes`.
        TooBig = "too_big",
        /// A video without a sound track.
        Silent = "silent",
        /// Sound in a codec or a format for which there is no decoder.
        Codec = "codec",
        /// No recording, as far as can be told.
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
        /// The audio that should be heard again is no longer kept.
        AudioGone = "audio_gone",
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
        /// Whoever runs this bot.
        Operator = "operator",
        /// No answer can be sent: the chat is gone, the bot is blocked, or may not write there.
        ChatGone = "chat_gone",
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
