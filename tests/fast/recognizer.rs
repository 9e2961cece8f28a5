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

/// Reported length of every recording.
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
    for line in script.lines() {
        let (instruction, rest) = line.split_once(' ').unwrap_or((line, ""));
        let number = || rest.parse::<u64>().unwrap_or_else(|_| panic!("a number is missing: {line}"));
        match instruction {
            "" => {}
            "progress" => {
                let done = LENGTH.mul_f64(number() as f64 / 100.0);
                job.progress.send_replace(Progress { done, total: LENGTH });
            }
            "wait" => tokio::time::sleep(Duration::from_millis(number())).await,
            "gate" => {
                let mut stream = TcpStream::connect(("127.0.0.1", number() as u16)).await.unwrap();
                stream.write_all(format!("{}\n", std::process::id()).as_bytes()).await.unwrap();
                // The test disconnects.
                let _ = stream.read(&mut [0]).await;
            }
            "say" => return Ok(transcript(rest)),
            "language" => return Ok(transcript(&job.job.language.to_string())),
            "likely" => {
                let weights = job.job.likely.iter().map(|likely| {
                    format!("{}{} {:.2}", likely.code, if likely.is_candidate { "*" } else { "" }, likely.weight)
                });
                let transcript = transcript(&weights.collect::<Vec<_>>().join(", "));
                return Ok(Transcript { is_sender_independent: false, ..transcript });
            }
            "fail" => return Err(EngineError::Inference(rest.to_owned())),
            other => panic!("no instruction of this recogniser: {other}"),
        }
    }
    Ok(transcript(""))
}

fn transcript(text: &str) -> Transcript {
    let segment = Segment {
        start: Duration::ZERO,
        end: LENGTH,
        text: Spoken(text.to_owned()),
        mean_logprob: -0.1,
        no_speech: 0.0,
    };
    Transcript {
        segments: if text.is_empty() { Vec::new() } else { vec![segment] },
        language: "ru".to_owned(),
        language_probability: None,
        audio: LENGTH,
        processing: Duration::from_millis(5),
        retried_windows: 0,
        missed_speech: Duration::ZERO,
        is_sender_independent: true,
    }
}
