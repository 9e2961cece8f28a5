//! The child's side, `stenobot engine`: decodes and transcribes one file at a time, as ordered over a pipe.
//!
//! A thread reads the commands, so that a cancellation is seen while the main thread works. When the pipe closes,
//! the parent has died or wants no more: an idle child ends, a busy one ends at once, for nobody would hear it.

use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use stenobot_domain::{LikelyLanguage, Progress, SpeechLanguage, Transcript};
use stenobot_speech::ggml::GgmlModel;
use stenobot_speech::silero::Silero;
use stenobot_speech::{LanguageHint, Model, Observer, RecognizerError, Transcription};
use tokio::time::Instant;

use super::protocol::{BlockingReader, BlockingWriter, Command, Event, JobFailure, JobNumber};
use crate::confine::Headroom;

/// Loads the model, and the detector if speech is to be looked for before it is recognised; says so, and serves until
/// `commands` ends.
///
/// # Errors
/// The parent cannot be told anything any more.
pub fn serve(
    model: &Path,
    detector: Option<&Path>,
    threads: usize,
    commands: impl Read + Send + 'static,
    events: impl Write,
) -> std::io::Result<()> {
    let state = Arc::new(ChildState { busy: AtomicBool::new(true), cancelled: AtomicU64::new(0) });
    let (sender, jobs) = sync_channel(1);
    let reader = state.clone();
    std::thread::Builder::new().name("commands".into()).spawn(move || read_commands(commands, &reader, &sender))?;

    let mut events = BlockingWriter::new(events);
    let started = Instant::now();
    let loaded = GgmlModel::load(model, threads)
        .and_then(|model| Ok((model, detector.map(Silero::load).transpose()?)))
        .map(|(model, detector)| Ears { model, detector, headroom: Headroom::of_this_process(threads) });
    let mut ears = match loaded {
        Ok(ears) => ears,
        Err(error) => return events.send(&Event::LoadFailed { reason: error.to_string() }),
    };
    let load = started.elapsed();
    state.busy.store(false, Ordering::SeqCst);
    events.send(&Event::Ready { model: ears.model.facts(), load })?;
    work(&mut ears, &jobs, &state, &mut events)
}

/// What recordings are listened to with.
#[derive(Debug)]
struct Ears {
    model: GgmlModel,
    detector: Option<Silero>,
    /// `None` where the machine does not tell what this process holds.
    headroom: Option<Headroom>,
}

impl Ears {
    fn listen(
        &mut self,
        samples: &[f32],
        hint: LanguageHint<'_>,
        watch: &mut dyn Observer,
    ) -> Result<Transcription, RecognizerError> {
        match &mut self.detector {
            Some(detector) => stenobot_speech::transcribe_speech(&mut self.model, detector, samples, hint, watch),
            None => stenobot_speech::transcribe_recording(&mut self.model, samples, hint, watch),
        }
    }
}

/// What the two threads share.
#[derive(Debug)]
struct ChildState {
    /// Whether the end of the commands is to end the process at once.
    busy: AtomicBool,
    /// The latest job that is to be stopped.
    cancelled: AtomicU64,
}

/// An command to transcribe.
#[derive(Debug)]
struct Job {
    number: JobNumber,
    path: PathBuf,
    language: SpeechLanguage,
    likely: Vec<LikelyLanguage>,
    limit: Duration,
}

fn read_commands(commands: impl Read, state: &ChildState, jobs: &SyncSender<Job>) {
    let mut commands = BlockingReader::new(commands);
    // What cannot be read is as good as the end: the parent is not one we understand.
    while let Ok(Some(command)) = commands.receive() {
        match command {
            Command::Cancel { job } => state.cancelled.store(job.0, Ordering::SeqCst),
            Command::Transcribe { job: number, path, language, likely, limit } => {
                state.busy.store(true, Ordering::SeqCst);
                if jobs.send(Job { number, path, language, likely, limit }).is_err() {
                    return;
                }
            }
        }
    }
    if state.busy.load(Ordering::SeqCst) {
        // Not `exit`, which would run destructors of native code that is at work in the other threads.
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }
}

fn work(
    ears: &mut Ears,
    jobs: &Receiver<Job>,
    state: &ChildState,
    events: &mut BlockingWriter<impl Write>,
) -> std::io::Result<()> {
    for job in jobs {
        let number = job.number;
        // A panic costs this job only. The decoders catch theirs; this is for ours.
        let result = catch_unwind(AssertUnwindSafe(|| transcribe(ears, &job, state, events)));
        let event = match result.unwrap_or_else(|_| Err(Stop::Failed(JobFailure::Inference("it panicked".into())))) {
            Ok(transcript) => Event::Finished { job: number, transcript },
            Err(Stop::Failed(failure)) => Event::Failed { job: number, failure },
            Err(Stop::Cancelled) => Event::Cancelled { job: number },
        };
        state.busy.store(false, Ordering::SeqCst);
        events.send(&event)?;
    }
    Ok(())
}

/// Why there is no transcript.
enum Stop {
    Failed(JobFailure),
    Cancelled,
}

impl From<RecognizerError> for Stop {
    fn from(error: RecognizerError) -> Self {
        match error {
            RecognizerError::Stopped => Self::Cancelled,
            RecognizerError::UnknownLanguage(code) => Self::Failed(JobFailure::UnknownLanguage(code)),
            RecognizerError::Load
            | RecognizerError::Refused(_)
            | RecognizerError::Detector
            | RecognizerError::Native { .. } => Self::Failed(JobFailure::Inference(error.to_string())),
        }
    }
}

fn transcribe(
    ears: &mut Ears,
    job: &Job,
    state: &ChildState,
    events: &mut BlockingWriter<impl Write>,
) -> Result<Transcript, Stop> {
    let started = Instant::now();
    let allowed = ears.headroom.map_or(Ok(()), |headroom| headroom.allow(job.limit));
    allowed.map_err(|why| Stop::Failed(JobFailure::Inference(why.to_string())))?;
    let sound = stenobot_audio::decode(&job.path, job.limit).map_err(|error| Stop::Failed(JobFailure::Audio(error)))?;
    let total = sound.duration();
    let mut watch =
        JobObserver { state, number: job.number, events, progress: Progress { done: Duration::ZERO, total } };
    watch.event();
    let hint = LanguageHint { language: &job.language, likely: &job.likely };
    let heard = ears.listen(&sound.samples, hint, &mut watch)?;
    Ok(Transcript {
        segments: heard.segments,
        language: heard.language,
        language_probability: heard.language_probability,
        audio: total,
        processing: started.elapsed(),
        retried_windows: heard.retried_windows,
        missed_speech: heard.missed_speech,
    })
}

/// Passes progress to the parent and its cancellations to the model.
struct JobObserver<'a, W> {
    state: &'a ChildState,
    number: JobNumber,
    events: &'a mut BlockingWriter<W>,
    progress: Progress,
}

impl<W: Write> JobObserver<'_, W> {
    fn event(&mut self) {
        // A broken pipe shows when the result is sent.
        let _ = self.events.send(&Event::Progress { job: self.number, progress: self.progress });
    }
}

impl<W: Write> Observer for JobObserver<'_, W> {
    fn stopped(&self) -> bool {
        self.state.cancelled.load(Ordering::SeqCst) >= self.number.0
    }

    fn reached(&mut self, place: Duration) {
        let place = place.min(self.progress.total);
        // A window that is heard again does not take progress back.
        if place > self.progress.done {
            self.progress.done = place;
            self.event();
        }
    }
}
