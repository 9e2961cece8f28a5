use std::io::{ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use futures::{FutureExt, StreamExt};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde::Serialize;
use stenobot_domain::subtitles;
use stenobot_domain::{Confidence, LanguageList, LikelyLanguage, Progress, Transcript};
use stenobot_engine::{EngineEvent, EngineJob, EnginePool};
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::terminal;
use crate::config::Config;
use crate::engine_setup::{EngineSetup, MissingModel};

/// Four hours take 920 MB as samples.
const MAX_LENGTH: Duration = Duration::from_secs(4 * 3600);
/// Longer than any run at the terminal.
const DEADLINE: Duration = Duration::from_secs(24 * 3600);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Audio or video files; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// A language that is likely spoken: others are considered only when none of these is plausible; may be given several
    /// times
    #[arg(long, value_name = "CODE")]
    likely_language: Vec<LanguageList>,

    /// What to print
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,

    /// As --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

/// Name of standard input among the files.
const STDIN: &str = "-";

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Format {
    /// The text, a line for each file; of several files each below its name
    Text,
    /// One JSON object a line for each file, times in seconds
    Json,
    /// SubRip subtitles
    Srt,
    /// WebVTT subtitles
    Vtt,
}

impl Args {
    /// Prints the files' texts in the order given. Fails, after the others, when any file failed.
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<ExitCode> {
        // Installed first: a signal removes the copy of standard input and ends the engines.
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut copy = None;
        tokio::select! {
            done = self.transcribe(config, &mut copy) => done,
            _ = terminate.recv() => bail!("stopped before the end"),
            _ = interrupt.recv() => bail!("stopped before the end"),
        }
    }

    /// `copy` gets the file with the content of standard input.
    async fn transcribe(self, config: &Config, copy: &mut Option<NamedTempFile>) -> anyhow::Result<ExitCode> {
        if self.files.iter().all(|file| unfit(file).is_some()) {
            for file in &self.files {
                terminal::report(&format!("{}: {}", file.display(), unfit(file).unwrap_or_default()));
            }
            return Ok(ExitCode::FAILURE);
        }
        match self.files.iter().filter(|file| is_stdin(file)).count() {
            0 => {}
            1 => *copy = Some(copy_of_stdin().await?),
            _ => bail!("{STDIN} can be given once: standard input has one recording"),
        }
        let format = if self.json { Format::Json } else { self.format };
        let print = Print { format, has_names: self.files.len() > 1 };
        let program = std::env::current_exe().context("this program cannot be found")?;
        let setup = EngineSetup::prepare(config, program, MissingModel::Refuse, |_| {}).await?;
        let mut settings = setup.settings;
        // At the terminal a missing or damaged model is reported at once.
        settings.start_attempts = 1;
        settings.environment.push(("RUST_LOG".into(), "warn".into()));
        let workers = settings.workers;
        // A given language has the weight of the language of a user's Telegram; otherwise almost nothing is known.
        let given: Vec<&str> = self.likely_language.iter().flat_map(LanguageList::iter).collect();
        let configured = &config.engine.languages;
        let observed = given.iter().map(|code| ((*code).to_owned(), 2));
        let observed = observed.chain(configured.iter().map(|code| (code.to_owned(), 1)));
        let observed = observed.chain([(config.telegram.default_locale.code().to_owned(), 1)]);
        let likely = LikelyLanguage::weigh(observed, |code| given.contains(&code) || configured.contains(code));
        let pool = EnginePool::start(settings, |_: &EngineEvent| {});
        let bars = MultiProgress::new();
        let mut results = futures::stream::iter(self.files)
            .map(|file| {
                if let Some(why) = unfit(&file) {
                    return async move { (Err(why.to_owned()), file) }.left_future();
                }
                let path = copy.as_ref().filter(|_| is_stdin(&file)).map_or(file.as_path(), NamedTempFile::path);
                let mut job = EngineJob::new(path, config.engine.language.clone(), MAX_LENGTH, DEADLINE);
                let (sender, progress) = watch::channel(Progress::default());
                job.progress = sender;
                job.job.likely = likely.clone();
                let (work, bars) = (pool.transcribe(job), &bars);
                let work = async move {
                    let done = with_bar(bars, &file, progress, work).await;
                    (done.map_err(|error| error.to_string()), file)
                };
                work.right_future()
            })
            .buffered(workers);
        let mut code = ExitCode::SUCCESS;
        while let Some((result, file)) = results.next().await {
            match result {
                Ok(transcript) => bars.suspend(|| print.transcript(&file, &transcript))?,
                Err(error) => {
                    bars.suspend(|| terminal::report(&format!("{}: {error}", file.display())));
                    code = ExitCode::FAILURE;
                }
            }
        }
        pool.shutdown().await;
        Ok(code)
    }
}

/// Why `file` is not opened: opening a FIFO without a writer, for example, would block for ever.
fn unfit(file: &Path) -> Option<&'static str> {
    if is_stdin(file) {
        return None;
    }
    match file.metadata() {
        Ok(metadata) if metadata.is_file() => None,
        Ok(metadata) if metadata.is_dir() => Some("it is a folder, not a file: name the recordings in it"),
        Ok(_) => Some("it is not a regular file: save the recording in one first"),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Some("it may not be read"),
        Err(_) => Some("there is no such file"),
    }
}

fn is_stdin(file: &Path) -> bool {
    file == Path::new(STDIN)
}

/// A private file with the content of standard input: a decoder reads a recording from several places. It is removed when
/// dropped.
async fn copy_of_stdin() -> anyhow::Result<NamedTempFile> {
    let copy = tempfile::Builder::new().prefix("stenobot-stdin-").tempfile()?;
    let mut file = tokio::fs::File::from_std(copy.reopen()?);
    let bytes = tokio::io::copy(&mut tokio::io::stdin(), &mut file).await.context("standard input cannot be read")?;
    file.flush().await.context("standard input cannot be copied")?;
    anyhow::ensure!(bytes > 0, "{STDIN}: standard input is empty");
    Ok(copy)
}

/// Shows a progress bar while `work` runs, on a terminal.
async fn with_bar<T>(
    bars: &MultiProgress,
    file: &Path,
    mut progress: watch::Receiver<Progress>,
    work: impl Future<Output = T>,
) -> T {
    if !std::io::stderr().is_terminal() {
        return work.await;
    }
    let bar = bars.add(ProgressBar::new(1000));
    if let Ok(style) = ProgressStyle::with_template("{wide_msg} {bar:20} {percent:>3}% {elapsed}") {
        bar.set_style(style);
    }
    bar.set_message(file.file_name().unwrap_or_default().to_string_lossy().into_owned());
    bar.enable_steady_tick(Duration::from_millis(200));
    let watching = async {
        while progress.changed().await.is_ok() {
            let fraction = progress.borrow_and_update().fraction();
            bar.set_position((fraction * 1000.0) as u64);
        }
        std::future::pending().await
    };
    let done = tokio::select! {
        done = work => done,
        () = watching => unreachable!("it waits for ever"),
    };
    bar.finish_and_clear();
    done
}

/// How transcripts are printed.
#[derive(Debug, Clone, Copy)]
struct Print {
    format: Format,
    /// A text comes below the name of its file.
    has_names: bool,
}

impl Print {
    fn transcript(self, file: &Path, transcript: &Transcript) -> anyhow::Result<()> {
        if transcript.segments.is_empty() {
            terminal::report(&format!("{}: no speech was found", file.display()));
        }
        let text = match self.format {
            Format::Text if self.has_names => format!("==> {} <==\n{}\n", file.display(), transcript.text().0),
            Format::Text => format!("{}\n", transcript.text().0),
            Format::Json => format!("{}\n", serde_json::to_string(&Json::of(file, transcript))?),
            Format::Srt => subtitles::srt(transcript),
            Format::Vtt => subtitles::vtt(transcript),
        };
        std::io::stdout().write_all(text.as_bytes()).context("the text cannot be written")
    }
}

/// A transcript with times in seconds.
#[derive(Serialize)]
struct Json<'a> {
    file: String,
    outcome: Outcome,
    /// `None` without speech, as are its probability and the confidence.
    language: Option<&'a str>,
    language_probability: Option<f32>,
    duration_seconds: f64,
    processing_seconds: f64,
    retried_windows: u32,
    missed_speech_seconds: f64,
    confidence: Option<Confidence>,
    text: String,
    segments: Vec<JsonSegment<'a>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Text,
    NoSpeech,
}

#[derive(Serialize)]
struct JsonSegment<'a> {
    start: f64,
    end: f64,
    text: &'a str,
    mean_logprob: f32,
    no_speech: f32,
}

impl<'a> Json<'a> {
    fn of(file: &Path, transcript: &'a Transcript) -> Self {
        let segments = transcript.segments.iter().map(|segment| JsonSegment {
            start: segment.start.as_secs_f64(),
            end: segment.end.as_secs_f64(),
            text: &segment.text.0,
            mean_logprob: segment.mean_logprob,
            no_speech: segment.no_speech,
        });
        let outcome = if transcript.segments.is_empty() { Outcome::NoSpeech } else { Outcome::Text };
        let has_text = outcome == Outcome::Text;
        Self {
            outcome,
            file: file.display().to_string(),
            language: has_text.then_some(transcript.language.as_str()),
            language_probability: transcript.language_probability.filter(|_| has_text),
            duration_seconds: transcript.audio.as_secs_f64(),
            processing_seconds: transcript.processing.as_secs_f64(),
            retried_windows: transcript.retried_windows,
            missed_speech_seconds: transcript.missed_speech.as_secs_f64(),
            confidence: has_text.then(|| transcript.confidence()),
            text: transcript.text().0,
            segments: segments.collect(),
        }
    }
}
