//! A recogniser that follows the script in the recording. `examples/engine_stand_in.rs` lists the instructions; those that crash
//! or stop a process are only there.

use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use stenobot_domain::{Progress, Segment, Spoken, Transcript};
use stenobot_engine::{EngineError, EngineJob};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tower::Service;

use crate::stories::script;

/// Reported length of a recording whose script names none.
const LENGTH: Duration = Duration::from_secs(10);

/// Transcribes one recording per call.
#[derive(Clone)]
pub(crate) struct ScriptedRecognizer;

impl Service<EngineJob> for ScriptedRecognizer {
    type Response = Transcript;
    type Error = EngineError;
    type Future = BoxFuture<'static, Result<Transcript, EngineError>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), EngineError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, job: EngineJob) -> Self::Future {
        Box::pin(async move {
            let cancel = job.cancel.clone();
            cancel.run_until_cancelled(play(job)).await.unwrap_or(Err(EngineError::Cancelled))
        })
    }
}

async fn play(job: EngineJob) -> Result<Transcript, EngineError> {
    let audio = tokio::fs::read(job.job.path()).await.unwrap();
    let script = script::find(&audio).unwrap_or_else(|| "say text".to_owned());
    let mut told = Told { length: LENGTH, segments: Vec::new() };
    for line in script.lines() {
        let (instruction, rest) = line.split_once(' ').unwrap_or((line, ""));
        let number = || rest.parse::<u64>().unwrap_or_else(|_| panic!("a number is missing: {line}"));
        match instruction {
            "" => {}
            "progress" => {
                let total = told.length;
                job.progress.send_replace(Progress { done: total.mul_f64(number() as f64 / 100.0), total });
            }
            "wait" => tokio::time::sleep(Duration::from_millis(number())).await,
            "gate" => {
                let mut stream = TcpStream::connect(("127.0.0.1", number() as u16)).await.unwrap();
                stream.write_all(format!("{}\n", std::process::id()).as_bytes()).await.unwrap();
                // The test disconnects.
                let _ = stream.read(&mut [0]).await;
            }
            "length" => told.length = Duration::from_secs(number()),
            "segment" => {
                let segment = script::segment(rest);
                told.segments.push(segment.clone());
                job.text.send_modify(|text| text.add(vec![segment], "ru".to_owned()));
            }
            "say" => return Ok(told.transcript(rest)),
            "language" => return Ok(told.transcript(&job.job.language.to_string())),
            "likely" => {
                let weights = job.job.likely.iter().map(|likely| {
                    format!("{}{} {:.2}", likely.code, if likely.is_candidate { "*" } else { "" }, likely.weight)
                });
                let transcript = told.transcript(&weights.collect::<Vec<_>>().join(", "));
                return Ok(Transcript { is_sender_independent: false, ..transcript });
            }
            "fail" => return Err(EngineError::Inference(rest.to_owned())),
            other => panic!("no instruction of this recogniser: {other}"),
        }
    }
    Ok(told.transcript(""))
}

/// What the script has said of the recording.
struct Told {
    length: Duration,
    segments: Vec<Segment>,
}

impl Told {
    /// Its segments, and `text` up to the end.
    fn transcript(mut self, text: &str) -> Transcript {
        let start = self.segments.last().map_or(Duration::ZERO, |last| last.end);
        if !text.is_empty() {
            let text = Spoken(text.to_owned());
            self.segments.push(Segment { start, end: self.length, text, mean_logprob: -0.1, no_speech: 0.0 });
        }
        Transcript {
            segments: self.segments,
            language: "ru".to_owned(),
            language_probability: None,
            audio: self.length,
            processing: Duration::from_millis(5),
            retried_windows: 0,
            missed_speech: Duration::ZERO,
            speech: Vec::new(),
            is_sender_independent: true,
        }
    }
}
