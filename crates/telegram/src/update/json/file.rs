//! A file of a message, as the Bot API describes it.

use std::time::Duration;

use serde::Deserialize;
use stenobot_domain::{AudioSource, MessageId};

use super::super::{AskedBy, Location, Sender, VoiceMessage};

/// Beginnings of media types that hold no sound. Everything else is told by its bytes: what a sender's program calls
/// a file is only a claim.
const SOUNDLESS: [&str; 9] = [
    "image/",
    "text/",
    "font/",
    "application/pdf",
    "application/zip",
    "application/vnd.openxmlformats",
    "application/vnd.ms-",
    "application/msword",
    "application/json",
];

/// Name endings that speak for sound, whatever the media type says.
const SOUND_ENDINGS: [&str; 18] = [
    "3gp", "aac", "avi", "flac", "m4a", "m4b", "m4v", "mka", "mkv", "mov", "mp3", "mp4", "oga", "ogg", "opus", "wav",
    "webm", "weba",
];

#[derive(Deserialize)]
pub(in super::super) struct File {
    file_id: String,
    file_unique_id: String,
    duration: Option<i64>,
    file_size: Option<i64>,
    file_name: Option<String>,
    mime_type: Option<String>,
}

impl File {
    /// The message that holds the file and asks for its own text.
    pub(in super::super) fn into_voice(
        self,
        source: AudioSource,
        location: Location,
        message: MessageId,
        from: Sender,
    ) -> VoiceMessage {
        VoiceMessage {
            location,
            asked: message,
            message,
            from,
            // A negative one is taken for zero.
            claimed_duration: self.duration.map(|seconds| Duration::from_secs(u64::try_from(seconds).unwrap_or(0))),
            // A negative one is unknown.
            claimed_size: self.file_size.and_then(|size| u64::try_from(size).ok()),
            file_id: self.file_id,
            file_unique_id: self.file_unique_id,
            source,
            file_name: self.file_name,
            asked_by: AskedBy::Itself,
            has_free_caption: false,
        }
    }

    pub(super) fn claims_sound(&self) -> bool {
        let ending = self.file_name.as_deref().and_then(|name| name.rsplit_once('.')).map(|(_, ending)| ending);
        let by_name = ending.is_some_and(|ending| SOUND_ENDINGS.iter().any(|known| known.eq_ignore_ascii_case(ending)));
        let by_type = self
            .mime_type
            .as_deref()
            .is_some_and(|kind| ["audio/", "video/", "application/ogg"].iter().any(|start| kind.starts_with(start)));
        by_name || by_type
    }

    pub(super) fn may_have_sound(&self) -> bool {
        let soundless =
            self.mime_type.as_deref().is_some_and(|kind| SOUNDLESS.iter().any(|start| kind.starts_with(start)));
        self.claims_sound() || !soundless
    }
}
