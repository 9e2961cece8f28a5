//! Names of the files that are sent as answers: that of the recording, else its kind and date.
//!
//! The name that a sender gave a file is private: it stays in memory until its request is answered and is not stored. After
//! a restart, and on another machine than the one that admitted the request, kind and date take its place.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use stenobot_domain::{AudioSource, RequestId, Timestamp};

/// Names in memory; the oldest make room. Those of requests that end without an answer stay until then.
const MAX_NAMES: usize = 4096;
/// Maximum length of a name without its extension, in characters.
const MAX_CHARACTERS: usize = 60;
/// Maximum length of what is cut off as an extension, in characters.
const MAX_EXTENSION: usize = 5;

/// Names of answers' files, without extension, by request. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct FileNames(Arc<Mutex<BTreeMap<RequestId, String>>>);

impl FileNames {
    /// Keeps a name made by [`file_stem`].
    pub(super) fn record(&self, request: RequestId, stem: String) {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.insert(request, stem);
        while names.len() > MAX_NAMES {
            names.pop_first();
        }
    }

    pub(super) fn get(&self, request: RequestId) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&request).cloned()
    }

    pub(super) fn forget(&self, request: RequestId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&request);
    }
}

/// The name of a recording's text without extension, such as `lecture` for `lecture.mp3`; without a usable `file_name`
/// such as `voice-2026-11-24-0542`.
pub(crate) fn file_stem(file_name: Option<&str>, source: AudioSource, date: Timestamp) -> String {
    let kind = source.as_str().replace('_', "-");
    file_name.and_then(clean).unwrap_or_else(|| format!("{kind}-{}", date.minute()))
}

/// A sender's file name without extension and without what is no part of a name on any system; `None` if nothing is left.
fn clean(file_name: &str) -> Option<String> {
    let stem = match file_name.rsplit_once('.') {
        Some((stem, extension)) if extension.chars().count() <= MAX_EXTENSION => stem,
        Some(_) | None => file_name,
    };
    let safe = stem.chars().filter(|sign| !sign.is_control() && !is_format(*sign));
    let safe = safe.map(|sign| if r#"/\:*?"<>|"#.contains(sign) { '_' } else { sign });
    // Neither hidden nor a folder's name.
    let safe: String = safe.collect();
    let bounded: String = safe.trim_start_matches(['.', ' ']).chars().take(MAX_CHARACTERS).collect();
    Some(bounded.trim_end_matches(['.', ' ']).to_owned()).filter(|name| !name.is_empty())
}

/// Invisible signs, with which a name could look like another one.
fn is_format(sign: char) -> bool {
    matches!(sign, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: Timestamp = Timestamp(1_795_930_920_000);

    fn named(file_name: &str) -> String {
        file_stem(Some(file_name), AudioSource::Audio, DATE)
    }

    #[test]
    fn a_recording_without_a_name_is_named_after_kind_and_date() {
        assert_eq!(file_stem(None, AudioSource::VideoNote, DATE), "video-note-2026-11-29-0542");
        for unusable in ["", ".mp3", "...", " . .ogg", "\u{202e}\u{0}.ogg"] {
            assert_eq!(named(unusable), "audio-2026-11-29-0542", "{unusable:?}");
        }
    }

    #[test]
    fn a_name_loses_extension_separators_and_invisible_signs() {
        assert_eq!(named("Лекция 5. Введение.mp3"), "Лекция 5. Введение");
        assert_eq!(named("no extension. Only a dot"), "no extension. Only a dot");
        assert_eq!(named("../../etc/passwd.ogg"), "_.._etc_passwd");
        assert_eq!(named("a\r\nb\u{202e}c:\"d\".m4a"), "abc__d_");
        assert_eq!(named(&format!("{}.opus", "я".repeat(500))), "я".repeat(60));
    }

    #[test]
    fn the_oldest_names_make_room() {
        let names = FileNames::default();
        for id in 0..=MAX_NAMES as i64 {
            names.record(RequestId(id), id.to_string());
        }
        assert_eq!((names.get(RequestId(0)), names.get(RequestId(1)).as_deref()), (None, Some("1")));
        names.forget(RequestId(1));
        assert_eq!(names.get(RequestId(1)), None);
    }
}
