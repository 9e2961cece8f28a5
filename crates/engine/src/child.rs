//! The child's side, `stenobot engine`: decodes and transcribes one file at a time, as commanded over a pipe.
//!
//! A thread reads the commands, so that a cancellation arrives while the main thread works. The end of the pipe means
//! that the parent has died or has no more work: an idle child ends, a busy one kills itself.

use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use stenobot_domain::{Progress, Segment, Transcript};
use stenobot_speech::{LanguageHint, Observer, RecognizerError, Runtime, Transcriber};
use tokio::time::Instant;

use super::job::TranscribeJob;
use super::protocol::{BlockingReader, BlockingWriter, Command, Event, JobFailure, JobNumber, VERSION};
use crate::confine::Headroom;

/// Says hello, loads the model, and the detector if there is one, and serves until `commands` ends.
///
/// # Errors
/// Events cannot be written any more.
pub fn serve(
    runtime: Runtime<'_>,
    model: &Path,
    detector: Option<&Path>,
    threads: usize,
    commands: impl Read + Send + 'static,
    events: impl Write,
) -> std::io::Result<()> {
    let state = Arc::new(ChildState { is_busy: AtomicBool::new(true), cancelled: AtomicU64::new(0) });
    let (sender, jobs) = sync_channel(1);
    let reader = state.clone();
    std::thread::Builder::new().name("commands".into()).spawn(move || read_commands(commands, &reader, &sender))?;

    let mut events = BlockingWriter::new(events);
    events.send(&Event::Hello { version: VERSION })?;
    let started = Instant::now();
    let mut worker = match Transcriber::load(runtime, model, detector, threads) {
        Ok(transcriber) => {
            let headroom = Headroom::of_this_process(threads, transcriber.working_memory());
            Worker { transcriber, headroom }
        }
        Err(error) => return events.send(&Event::LoadFailed { reason: error.to_string() }),
    };
    let load = started.elapsed();
    state.is_busy.store(false, Ordering::SeqCst);
    events.send(&Event::Ready { model: worker.transcriber.facts().clone(), load })?;
    worker.run(&jobs, &state, &mut events)
}

/// What the two threads share.
#[derive(Debug)]
struct ChildState {
    /// Loads or transcribes: the end of the commands then ends the process at once.
    is_busy: AtomicBool,
    /// The latest job that was cancelled.
    cancelled: AtomicU64,
}

fn read_commands(commands: impl Read, state: &ChildState, jobs: &SyncSender<(JobNumber, TranscribeJob)>) {
    let mut commands = BlockingReader::new(commands);
    // What cannot be read counts as the end: then the parent does not speak this protocol.
    while let Ok(Some(command)) = commands.receive() {
        match command {
            Command::Cancel { number } => state.cancelled.store(number.0, Ordering::SeqCst),
            Command::Transcribe { number, job } => {
                state.is_busy.store(true, Ordering::SeqCst);
                if jobs.send((number, job)).is_err() {
                    return;
                }
            }
        }
    }
    if state.is_busy.load(Ordering::SeqCst) {
        // Not `exit`, which would run destructors of native code that is in use in the other threads.
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }
}

/// Why there is no transcript.
enum Stop {
    Failed(JobFailure),
    Cancelled,
}

impl From<RecognizerError> for Stop {
    fn from(error: RecognizerError) -> Self {
        match error {
            RecognizerError::Cancelled => Self::Cancelled,
            RecognizerError::UnknownLanguage(code) => Self::Failed(JobFailure::UnknownLanguage(code)),
            RecognizerError::Load
            | RecognizerError::Refused(_)
            | RecognizerError::Library(_)
            | RecognizerError::Weights { .. }
            | RecognizerError::Detector
            | RecognizerError::Native { .. } => Self::Failed(JobFailure::Inference(error.to_string())),
        }
    }
}

/// The main thread's work.
#[derive(Debug)]
struct Worker {
    transcriber: Transcriber,
    /// `None` where `/proc` does not tell what this process holds.
    headroom: Option<Headroom>,
}

impl Worker {
    fn run(
        &mut self,
        jobs: &Receiver<(JobNumber, TranscribeJob)>,
        state: &ChildState,
        events: &mut BlockingWriter<impl Write>,
    ) -> std::io::Result<()> {
        for (number, job) in jobs {
            // A panic costs this job only. The decoders catch theirs; this is for the rest.
            let result = catch_unwind(AssertUnwindSafe(|| self.transcribe(number, &job, state, events)));
            let event = match result.unwrap_or_else(|_| Err(Stop::Failed(JobFailure::Inference("it panicked".into()))))
            {
                Ok(transcript) => Event::Finished { number, transcript },
                Err(Stop::Failed(failure)) => Event::Failed { number, failure },
                Err(Stop::Cancelled) => Event::Cancelled { number },
            };
            state.is_busy.store(false, Ordering::SeqCst);
            events.send(&event)?;
        }
        Ok(())
    }

    fn transcribe(
        &mut self,
        number: JobNumber,
        job: &TranscribeJob,
        state: &ChildState,
        events: &mut BlockingWriter<impl Write>,
    ) -> Result<Transcript, Stop> {
        let started = Instant::now();
        let allowed = self.headroom.map_or(Ok(()), |headroom| headroom.allow(job.limit));
        allowed.map_err(|why| Stop::Failed(JobFailure::Inference(why.to_string())))?;
        let sound =
            stenobot_audio::decode(job.path(), job.limit).map_err(|error| Stop::Failed(JobFailure::Audio(error)))?;
        let total = sound.duration();
        let mut observer = JobObserver { state, number, events, progress: Progress { done: Duration::ZERO, total } };
        observer.send();
        let hint = LanguageHint { language: &job.language, likely: &job.likely };
        let transcription = self.transcriber.transcribe(&sound.samples, hint, &mut observer)?;
        Ok(Transcript {
            segments: transcription.segments,
            language: transcription.language,
            language_probability: transcription.language_probability,
            audio: total,
            processing: started.elapsed(),
            retried_windows: transcription.retried_windows,
            missed_speech: transcription.missed_speech,
            speech: transcription.speech,
            is_sender_independent: transcription.is_sender_independent,
        })
    }
}

/// Passes progress and finished segments to the parent and its cancellations to the recogniser.
struct JobObserver<'a, W> {
    state: &'a ChildState,
    number: JobNumber,
    events: &'a mut BlockingWriter<W>,
    progress: Progress,
}

impl<W: Write> JobObserver<'_, W> {
    fn send(&mut self) {
        // A broken pipe shows when the result is sent.
        let _ = self.events.send(&Event::Progress { number: self.number, progress: self.progress });
    }
}

impl<W: Write> Observer for JobObserver<'_, W> {
    fn is_cancelled(&self) -> bool {
        self.state.cancelled.load(Ordering::SeqCst) >= self.number.0
    }

    fn on_progress(&mut self, position: Duration) {
        let position = position.min(self.progress.total);
        // A window that is decoded again does not take progress back.
        if position > self.progress.done {
            self.progress.done = position;
            self.send();
        }
    }

    fn on_segments(&mut self, segments: &[Segment], language: &str) {
        let (segments, language) = (segments.to_vec(), language.to_owned());
        // As with progress.
        let _ = self.events.send(&Event::Segments { number: self.number, segments, language });
    }
}
