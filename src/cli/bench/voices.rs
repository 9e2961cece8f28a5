//! Word error rates of a model on recordings with texts, transcribed as the bot does.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use futures::StreamExt;
use serde::Serialize;
use stenobot_domain::wer::{WordErrors, word_errors};
use stenobot_domain::{LikelyLanguage, SpeechLanguage};
use stenobot_engine::{EngineEvent, EngineJob, EnginePool};

use super::progress::Progress;
use crate::config::Config;
use crate::engine_setup::{EngineSetup, MissingModel};

/// Endings of recordings.
const EXTENSIONS: [&str; 5] = ["ogg", "oga", "mp3", "wav", "m4a"];
/// Longest recording.
const MAX_LENGTH: Duration = Duration::from_secs(4 * 3600);
/// Longer than any run at the terminal.
const DEADLINE: Duration = Duration::from_secs(24 * 3600);

/// A recording with its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Recording {
    file: PathBuf,
    language: String,
    text: String,
}

/// What a model made of the recordings.
#[derive(Debug, Clone, Serialize)]
pub(super) struct VoicesReport {
    pub(super) recordings: usize,
    pub(super) audio_seconds: f64,
    pub(super) processing_seconds: f64,
    pub(super) real_time_factor: f64,
    /// By the language in the recordings' names.
    pub(super) languages: BTreeMap<String, LanguageReport>,
    /// Recordings without a transcript; they are in no other figure.
    pub(super) failed: Vec<String>,
}

/// The recordings of one language.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct LanguageReport {
    pub(super) recordings: usize,
    #[serde(flatten)]
    pub(super) word_errors: WordErrors,
    pub(super) word_error_rate: Option<f64>,
    /// Recordings taken for another language.
    pub(super) misdetected: usize,
}

/// The recordings of a folder that have a text, in the order of their names.
pub(super) fn recordings(folder: &Path) -> anyhow::Result<Vec<Recording>> {
    let shown = folder.display();
    let entries = std::fs::read_dir(folder).with_context(|| format!("the folder {shown} cannot be read"))?;
    let mut files: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    files.sort_unstable();
    let mut found = Vec::new();
    for file in files {
        let extension = file.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        let text = file.with_extension("txt");
        if !EXTENSIONS.contains(&extension.as_str()) || !text.is_file() || !file.is_file() {
            continue;
        }
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        let language = name.split(['_', '-']).next().unwrap_or_default().to_owned();
        let text = std::fs::read_to_string(&text).with_context(|| format!("{} cannot be read", text.display()))?;
        found.push(Recording { file, language, text });
    }
    if found.is_empty() {
        bail!("{shown} holds no recording with a text beside it, such as ru-1.ogg with ru-1.txt");
    }
    Ok(found)
}

/// Transcribes the recordings with a model that is here, languages detected.
pub(super) async fn transcribe(
    config: &Config,
    model: &str,
    program: &Path,
    recordings: &[Recording],
    progress: &Progress,
) -> anyhow::Result<VoicesReport> {
    let mut config = config.clone();
    config.engine.model = model.to_owned();
    let setup = EngineSetup::prepare(&config, program.to_owned(), MissingModel::Refuse, |_| {}).await?;
    let mut settings = setup.settings;
    settings.start_attempts = 1;
    settings.environment.push(("RUST_LOG".into(), "warn".into()));
    let workers = settings.workers;
    let languages = &config.engine.languages;
    let observed = languages.iter().chain([config.telegram.default_locale.code()]).map(|code| (code.to_owned(), 1));
    let likely = LikelyLanguage::weigh(observed, |code| languages.contains(code));
    let pool = EnginePool::start(settings, |_: &EngineEvent| {});
    progress.begin(format!("{model}: transcribing"), recordings.len() as u64);
    let mut results = futures::stream::iter(recordings)
        .map(|recording| {
            let mut job = EngineJob::new(&recording.file, SpeechLanguage::Auto, MAX_LENGTH, DEADLINE);
            job.job.likely = likely.clone();
            let work = pool.transcribe(job);
            async move { (recording, work.await) }
        })
        .buffered(workers);
    let (mut audio, mut processing) = (Duration::ZERO, Duration::ZERO);
    let (mut languages, mut failed) = (BTreeMap::<String, LanguageReport>::new(), Vec::new());
    while let Some((recording, result)) = results.next().await {
        progress.step();
        let name = recording.file.file_name().unwrap_or_default().to_string_lossy();
        match result {
            Ok(transcript) => {
                audio += transcript.audio;
                processing += transcript.processing;
                let language = languages.entry(recording.language.clone()).or_default();
                language.recordings += 1;
                language.word_errors += word_errors(&recording.text, &transcript.text().0);
                language.misdetected += usize::from(transcript.language != recording.language);
            }
            Err(error) => failed.push(format!("{name}: {error}")),
        }
    }
    drop(results);
    pool.shutdown().await;
    if languages.is_empty() {
        bail!("no recording could be transcribed: {}", failed.first().map_or("", String::as_str));
    }
    for language in languages.values_mut() {
        language.word_error_rate = language.word_errors.rate();
    }
    let (audio_seconds, processing_seconds) = (audio.as_secs_f64(), processing.as_secs_f64());
    let real_time_factor = processing_seconds / audio_seconds;
    let recordings = languages.values().map(|language| language.recordings).sum();
    Ok(VoicesReport { recordings, audio_seconds, processing_seconds, real_time_factor, languages, failed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recordings_with_texts_are_taken_and_their_language_is_in_the_name() {
        let folder = tempfile::tempdir().unwrap();
        assert!(recordings(folder.path()).unwrap_err().to_string().contains("holds no recording"));
        for name in
            ["ru-1.ogg", "ru-1.txt", "en_b.MP3", "en_b.txt", "de-alone.wav", "uk-1.txt", "kk-1.flac", "kk-1.txt"]
        {
            std::fs::write(folder.path().join(name), name).unwrap();
        }
        let found = recordings(folder.path()).unwrap();
        let found: Vec<_> = found.iter().map(|found| (found.language.as_str(), found.text.as_str())).collect();
        assert_eq!(found, [("en", "en_b.txt"), ("ru", "ru-1.txt")]);
    }
}
