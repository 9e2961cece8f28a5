//! The child's side, `stenobot engine`: decodes and transcribes one file at a time, as ordered over a pipe.
//!
//! A thread reads the orders, so that a cancellation is seen while the main thread works. When the pipe closes,
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
use stenobot_speech::{Heard, LanguageHint, Model, ModelError, Watch};
use tokio::time::Instant;

use super::protocol::{BlockingReader, BlockingWriter, JobFailure, JobNumber, Order, Report};
use crate::confine::Headroom;

/// Loads the model, and the detector if speech is to be looked for before it is recognised; says so, and serves until
/// `orders` ends.
///
/// # Errors
/// The parent cannot be told anything any more.
pub fn serve(
    model: &Path,
    detector: Option<&Path>,
    threads: usize,
    orders: impl Read + Send + 'static,
    reports: impl Write,
) -> std::io::Result<()> {
    let desk = Arc::new(Desk { busy: AtomicBool::new(true), cancelled: AtomicU64::new(0) });
    let (sender, jobs) = sync_channel(1);
    let reader = desk.clone();
    std::thread::Builder::new().name("orders".into()).spawn(move || read_orders(orders, &reader, &sender))?;

    let mut reports = BlockingWriter::new(reports);
    let started = Instant::now();
    let loaded = GgmlModel::load(model, threads)
        .and_then(|model| Ok((model, detector.map(Silero::load).transpose()?)))
        .map(|(model, detector)| Ears { model, detector, headroom: Headroom::of_this_process(threads) });
    let mut ears = match loaded {
        Ok(ears) => ears,
        Err(error) => return reports.send(&Report::Unfit { reason: error.to_string() }),
    };
    let load = started.elapsed();
    desk.busy.store(false, Ordering::SeqCst);
    reports.send(&Report::Ready { model: ears.model.facts(), load })?;
    work(&mut ears, &jobs, &desk, &mut reports)
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
    fn listen(&mut self, samples: &[f32], hint: LanguageHint<'_>, watch: &mut dyn Watch) -> Result<Heard, ModelError> {
        match &mut self.detector {
            Some(detector) => stenobot_speech::listen_to_speech(&mut self.model, detector, samples, hint, watch),
            None => stenobot_speech::listen(&mut self.model, samples, hint, watch),
        }
    }
}

/// What the two threads share.
#[derive(Debug)]
struct Desk {
    /// Whether the end of the orders is to end the process at once.
    busy: AtomicBool,
    /// The latest job that is to be stopped.
    cancelled: AtomicU64,
}

/// An order to transcribe.
#[derive(Debug)]
struct Job {
    number: JobNumber,
    path: PathBuf,
    language: SpeechLanguage,
    likely: Vec<LikelyLanguage>,
    limit: Duration,
}

fn read_orders(orders: impl Read, desk: &Desk, jobs: &SyncSender<Job>) {
    let mut orders = BlockingReader::new(orders);
    // What cannot be read is as good as the end: the parent is not one we understand.
    while let Ok(Some(order)) = orders.receive() {
        match order {
            Order::Cancel { job } => desk.cancelled.store(job.0, Ordering::SeqCst),
            Order::Transcribe { job: number, path, language, likely, limit } => {
                desk.busy.store(true, Ordering::SeqCst);
                if jobs.send(Job { number, path, language, likely, limit }).is_err() {
                    return;
                }
            }
        }
    }
    if desk.busy.load(Ordering::SeqCst) {
        // Not `exit`, which would run destructors of native code that is at work in the other threads.
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }
}

fn work(
    ears: &mut Ears,
    jobs: &Receiver<Job>,
    desk: &Desk,
    reports: &mut BlockingWriter<impl Write>,
) -> std::io::Result<()> {
    for job in jobs {
        let number = job.number;
        // A panic costs this job only. The decoders catch theirs; this is for ours.
        let result = catch_unwind(AssertUnwindSafe(|| transcribe(ears, &job, desk, reports)));
        let report = match result.unwrap_or_else(|_| Err(Stop::Failed(JobFailure::Inference("it panicked".into())))) {
            Ok(transcript) => Report::Finished { job: number, transcript },
            Err(Stop::Failed(failure)) => Report::Failed { job: number, failure },
            Err(Stop::Cancelled) => Report::Cancelled { job: number },
        };
        desk.busy.store(false, Ordering::SeqCst);
        reports.send(&report)?;
    }
    Ok(())
}

/// Why there is no transcript.
enum Stop {
    Failed(JobFailure),
    Cancelled,
}

impl From<ModelError> for Stop {
    fn from(error: ModelError) -> Self {
        match error {
            ModelError::Stopped => Self::Cancelled,
            ModelError::UnknownLanguage(code) => Self::Failed(JobFailure::UnknownLanguage(code)),
            ModelError::Load | ModelError::Refused(_) | ModelError::Detector | ModelError::Native { .. } => {
                Self::Failed(JobFailure::Inference(error.to_string()))
            }
        }
    }
}

fn transcribe(
    ears: &mut Ears,
    job: &Job,
    desk: &Desk,
    reports: &mut BlockingWriter<impl Write>,
) -> Result<Transcript, Stop> {
    let started = Instant::now();
    let allowed = ears.headroom.map_or(Ok(()), |headroom| headroom.allow(job.limit));
    allowed.map_err(|why| Stop::Failed(JobFailure::Inference(why.to_string())))?;
    let sound = stenobot_audio::decode(&job.path, job.limit).map_err(|error| Stop::Failed(JobFailure::Audio(error)))?;
    let total = sound.duration();
    let mut watch =
        Supervision { desk, number: job.number, reports, progress: Progress { done: Duration::ZERO, total } };
    watch.report();
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
struct Supervision<'a, W> {
    desk: &'a Desk,
    number: JobNumber,
    reports: &'a mut BlockingWriter<W>,
    progress: Progress,
}

impl<W: Write> Supervision<'_, W> {
    fn report(&mut self) {
        // A broken pipe shows when the result is sent.
        let _ = self.reports.send(&Report::Progress { job: self.number, progress: self.progress });
    }
}

impl<W: Write> Watch for Supervision<'_, W> {
    fn stopped(&self) -> bool {
        self.desk.cancelled.load(Ordering::SeqCst) >= self.number.0
    }

    fn reached(&mut self, place: Duration) {
        let place = place.min(self.progress.total);
        // A window that is heard again does not take progress back.
        if place > self.progress.done {
            self.progress.done = place;
            self.report();
        }
    }
}
