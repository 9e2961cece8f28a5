//! The child's side of an engine that recognises nothing: it waits as long as one of a stated real-time factor computes, and
//! gives [`stand_in::text`]. For simulations of more machines than this one has cores for.

use std::io::{Read, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use stenobot_audio::AudioError;
use stenobot_domain::{ModelFacts, Progress, Segment, Spoken, Transcript, stand_in};
use tokio::time::Instant;

use super::job::TranscribeJob;
use super::protocol::{BlockingReader, BlockingWriter, Command, Event, JobFailure, JobNumber, VERSION};

/// Between two reports of progress.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// Serves until `commands` ends. A recording takes its length times `real_time_factor`.
///
/// # Errors
/// Events cannot be written any more.
pub fn serve_stand_in(
    real_time_factor: f64,
    commands: impl Read + Send + 'static,
    events: impl Write,
) -> std::io::Result<()> {
    let (sender, received) = channel();
    std::thread::Builder::new().name("commands".into()).spawn(move || {
        let mut commands = BlockingReader::new(commands);
        while let Ok(Some(command)) = commands.receive() {
            if sender.send(command).is_err() {
                return;
            }
        }
    })?;
    let model = ModelFacts {
        kind: "stand-in".to_owned(),
        weights: "none".to_owned(),
        multilingual: true,
        backend: format!("stand-in of real-time factor {real_time_factor}"),
    };
    let mut stand_in = StandIn { real_time_factor, received, events: BlockingWriter::new(events) };
    stand_in.events.send(&Event::Hello { version: VERSION })?;
    stand_in.events.send(&Event::Ready { model, load: Duration::ZERO })?;
    stand_in.run()
}

struct StandIn<W> {
    real_time_factor: f64,
    received: Receiver<Command>,
    events: BlockingWriter<W>,
}

impl<W: Write> StandIn<W> {
    fn run(&mut self) -> std::io::Result<()> {
        while let Ok(command) = self.received.recv() {
            match command {
                // Of a job that has ended.
                Command::Cancel { .. } => {}
                Command::Transcribe { number, job } => match self.transcribe(number, &job)? {
                    Some(event) => self.events.send(&event)?,
                    None => return Ok(()),
                },
            }
        }
        Ok(())
    }

    /// The job's last event; `None` when the commands ended before.
    fn transcribe(&mut self, number: JobNumber, job: &TranscribeJob) -> std::io::Result<Option<Event>> {
        let started = Instant::now();
        let failed = |failure| Ok(Some(Event::Failed { number, failure }));
        let audio = match std::fs::read(job.path()) {
            Ok(audio) => audio,
            // The error has no path.
            Err(error) => return failed(JobFailure::Inference(error.to_string())),
        };
        let total = match length(&audio, job.path(), job.limit) {
            Ok(total) => total,
            Err(error) => return failed(JobFailure::Audio(error)),
        };
        let work = total.mul_f64(self.real_time_factor);
        while started.elapsed() < work {
            let done = total.mul_f64(started.elapsed().as_secs_f64() / work.as_secs_f64()).min(total);
            self.events.send(&Event::Progress { number, progress: Progress { done, total } })?;
            match self.received.recv_timeout(work.saturating_sub(started.elapsed()).min(PROGRESS_INTERVAL)) {
                Ok(Command::Cancel { number: cancelled }) if cancelled == number => {
                    return Ok(Some(Event::Cancelled { number }));
                }
                // Of an earlier job.
                Ok(Command::Cancel { .. } | Command::Transcribe { .. }) | Err(RecvTimeoutError::Timeout) => {}
                // The parent has died or wants no more.
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
            }
        }
        let text = Spoken(stand_in::text(&audio));
        let segment =
            Segment { start: Duration::ZERO, end: total, text, doubts: Vec::new(), mean_logprob: -0.1, no_speech: 0.0 };
        let transcript = Transcript {
            segments: vec![segment],
            language: "en".to_owned(),
            language_probability: None,
            audio: total,
            processing: started.elapsed(),
            retried_windows: 0,
            missed_speech: Duration::ZERO,
            speech: Vec::new(),
            is_sender_independent: true,
        };
        Ok(Some(Event::Finished { number, transcript }))
    }
}

/// Length of a recording: of Ogg with Opus, as voice messages are, by the position at its end, without decoding.
fn length(audio: &[u8], path: &Path, limit: Duration) -> Result<Duration, AudioError> {
    match opus_length(audio) {
        Some(length) => Ok(length.min(limit)),
        None => stenobot_audio::probe(path, limit),
    }
}

/// RFC 7845: the position is in samples of 48 kHz. It includes the few samples that the start skips.
fn opus_length(audio: &[u8]) -> Option<Duration> {
    const PAGE: &[u8] = b"OggS";
    if !audio.starts_with(PAGE) || !audio.get(..64)?.windows(8).any(|bytes| bytes == b"OpusHead") {
        return None;
    }
    let last = audio.windows(PAGE.len()).rposition(|bytes| bytes == PAGE)?;
    let position = u64::from_le_bytes(audio.get(last + 6..last + 14)?.try_into().ok()?);
    // All bits are set on a page without the end of a packet.
    (position != u64::MAX).then(|| Duration::from_micros(position.saturating_mul(125) / 6))
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, PipeWriter, pipe};

    use stenobot_domain::SpeechLanguage;

    use super::*;

    fn sample() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/en-short-01.ogg")
    }

    fn job(number: u64) -> Command {
        let job = TranscribeJob::new(&sample(), SpeechLanguage::Auto, Duration::from_secs(60));
        Command::Transcribe { number: JobNumber(number), job }
    }

    /// Serves these commands until one job has ended.
    fn serve(real_time_factor: f64, commands: &[Command]) -> Vec<Event> {
        let (reading, writing) = pipe().unwrap();
        let mut writer = BlockingWriter::new(writing);
        for command in commands {
            writer.send(command).unwrap();
        }
        let mut written = UntilJobEnds { bytes: Vec::new(), commands: Some(writer) };
        serve_stand_in(real_time_factor, reading, &mut written).unwrap();
        let mut reader = BlockingReader::new(Cursor::new(written.bytes));
        std::iter::from_fn(|| reader.receive().unwrap()).collect()
    }

    /// Ends the commands when the end of a job is written.
    struct UntilJobEnds {
        bytes: Vec<u8>,
        commands: Option<BlockingWriter<PipeWriter>>,
    }

    impl Write for &mut UntilJobEnds {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.bytes.extend_from_slice(bytes);
            if ["\"Finished\"", "\"Cancelled\""].iter().any(|end| String::from_utf8_lossy(bytes).contains(end)) {
                self.commands = None;
            }
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_recording_takes_its_length_times_the_factor_and_gets_its_own_text() {
        let length = stenobot_audio::probe(&sample(), Duration::from_secs(60)).unwrap();
        let events = serve(0.01, &[job(1)]);
        let Some(Event::Finished { number: JobNumber(1), transcript }) = events.last() else { panic!("{events:?}") };
        assert!(transcript.audio.abs_diff(length) < Duration::from_millis(50), "{:?}, {length:?}", transcript.audio);
        assert!(transcript.processing >= transcript.audio.mul_f64(0.01));
        assert_eq!(transcript.text().0, stand_in::text(&std::fs::read(sample()).unwrap()));
    }

    #[test]
    fn a_job_can_be_cancelled() {
        let events = serve(1000.0, &[job(7), Command::Cancel { number: JobNumber(7) }]);
        assert!(matches!(events.last(), Some(Event::Cancelled { number: JobNumber(7) })), "{events:?}");
    }
}
