//! Sample recordings with their reference texts: a folder of `NAME.ogg` files and one `meta.json`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use stenobot_domain::stand_in;

/// A sample recording.
#[derive(Debug, Clone)]
pub struct Voice {
    /// File name without folder and extension.
    pub name: String,
    /// Code of the spoken language.
    pub language: String,
    /// Measured length.
    pub duration: Duration,
    /// Reference text.
    pub text: String,
    /// The file, Ogg with Opus.
    pub bytes: Bytes,
}

impl Voice {
    /// This recording in a file that differs from those of other numbers, with the text of the engine's stand-in for it.
    #[must_use]
    pub(crate) fn for_stand_in(&self, number: usize) -> Self {
        // Decoders stop at the end of the last page.
        let bytes = [&self.bytes, format!("\0recording {number}").as_bytes()].concat();
        Self { text: stand_in::text(&bytes), bytes: bytes.into(), ..self.clone() }
    }
}

/// Why a folder gives no recordings.
#[derive(Debug, thiserror::Error)]
pub enum VoicesError {
    /// The folder or its `meta.json` is missing, malformed or empty.
    #[error("no sample voices in {}: give the `samples` folder of Stenobot's repository with --samples", .0.display())]
    Missing(PathBuf),
    /// A listed recording cannot be read.
    #[error("the sample voice {} cannot be read", .0.display())]
    Unreadable(PathBuf, #[source] std::io::Error),
    /// None in the requested language.
    #[error("no sample voice speaks `{0}`: leave --language out, or give --samples with a folder that has some")]
    Language(String),
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    language: String,
    seconds: f64,
    text: String,
}

/// All recordings of one folder.
#[derive(Debug, Clone)]
pub struct Voices(Vec<Voice>);

impl Voices {
    /// Reads a folder of a few megabytes; blocking.
    pub fn open(folder: &Path) -> Result<Self, VoicesError> {
        let missing = || VoicesError::Missing(folder.to_owned());
        let meta = std::fs::read(folder.join("meta.json")).map_err(|_| missing())?;
        let entries: Vec<Entry> = serde_json::from_slice(&meta).map_err(|_| missing())?;
        let voices = entries.into_iter().map(|entry| {
            let path = folder.join(format!("{}.ogg", entry.name));
            let bytes = std::fs::read(&path).map_err(|error| VoicesError::Unreadable(path, error))?;
            Ok(Voice {
                name: entry.name,
                language: entry.language,
                duration: Duration::try_from_secs_f64(entry.seconds).unwrap_or_default(),
                text: entry.text,
                bytes: bytes.into(),
            })
        });
        let voices = voices.collect::<Result<Vec<_>, _>>()?;
        if voices.is_empty() { Err(missing()) } else { Ok(Self(voices)) }
    }

    /// All recordings.
    pub fn iter(&self) -> std::slice::Iter<'_, Voice> {
        self.0.iter()
    }

    /// The recording with that name.
    pub fn named(&self, name: &str) -> Option<&Voice> {
        self.0.iter().find(|voice| voice.name == name)
    }

    /// Recordings of about `length`, alternating between languages; only those in `language` if given.
    pub fn about(&self, length: Duration, language: Option<&str>) -> Result<Vec<Voice>, VoicesError> {
        let off = |voice: &Voice| voice.duration.abs_diff(length);
        let spoken = || self.0.iter().filter(|voice| language.is_none_or(|code| voice.language == code));
        let Some(nearest) = spoken().map(off).min() else {
            return Err(VoicesError::Language(language.unwrap_or("auto").to_owned()));
        };
        let mut chosen: Vec<(usize, &Voice)> = Vec::new();
        for voice in spoken().filter(|voice| off(voice) <= nearest + length / 5) {
            let turn = chosen.iter().filter(|(_, other)| other.language == voice.language).count();
            chosen.push((turn, voice));
        }
        chosen.sort_by_key(|(turn, _)| *turn);
        Ok(chosen.into_iter().map(|(_, voice)| voice.clone()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples() -> Voices {
        Voices::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples")).unwrap()
    }

    #[test]
    fn recordings_of_about_the_length_alternate_their_languages() {
        let names = |seconds, language| {
            let voices = samples().about(Duration::from_secs(seconds), language).unwrap();
            voices.into_iter().map(|voice| voice.name).collect::<Vec<_>>()
        };
        assert_eq!(names(30, None)[..4], ["ru-30s-1", "en-30s-1", "ru-30s-2", "en-30s-2"]);
        assert_eq!(names(60, None), ["ru-60s-1", "en-60s-1", "ru-60s-2"]);
        assert_eq!(names(120, Some("ru")), ["ru-110s-1"]);
        assert!(names(5, Some("en")).iter().all(|name| name.starts_with("en-short")));
        assert!(matches!(samples().about(Duration::from_secs(5), Some("de")), Err(VoicesError::Language(_))));
    }

    #[test]
    fn a_missing_folder_is_reported_in_one_sentence() {
        let message = Voices::open(Path::new("nowhere")).unwrap_err().to_string();
        assert_eq!(
            message,
            "no sample voices in nowhere: give the `samples` folder of Stenobot's repository with --samples"
        );
    }
}
