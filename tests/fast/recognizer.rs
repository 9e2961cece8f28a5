//! A recogniser that follows the script in the recording. `examples/engine_stand_in.rs` lists the instructions; those that crash
//! or stop a process are only there.

use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use stenobot_domain::{Progress, Transcript};
use stenobot_engine::{EngineError, EngineJob};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tower::Service;

use crate::stories::script::{self, ScriptedRecording};

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
    let mut recording = ScriptedRecording::new();
    for line in script.lines() {
        let (instruction, rest) = line.split_once(' ').unwrap_or((line, ""));
        let number = || rest.parse::<u64>().unwrap_or_else(|_| panic!("a number is missing: {line}"));
        match instruction {
            "" => {}
            "progress" => {
                let total = recording.length;
                job.progress.send_replace(Progress { done: total.mul_f64(number() as f64 / 100.0), total });
            }
            "wait" => tokio::time::sleep(Duration::from_millis(number())).await,
            "gate" => {
                let mut stream = TcpStream::connect(("127.0.0.1", number() as u16)).await.unwrap();
                stream.write_all(format!("{}\n", std::process::id()).as_bytes()).await.unwrap();
                // The test disconnects.
                let _ = stream.read(&mut [0]).await;
            }
            "length" => recording.length = Duration::from_secs(number()),
            "segment" => {
                let segment = script::segment(rest);
                recording.segments.push(segment.clone());
                job.text.send_modify(|text| text.add(vec![segment], "ru".to_owned()));
            }
            "say" => return Ok(recording.transcript(rest)),
            "language" => return Ok(recording.transcript(&job.job.language.to_string())),
            "likely" => return Ok(recording.likely(&job.job.likely)),
            "fail" => return Err(EngineError::Inference(rest.to_owned())),
            other => panic!("no instruction of this recogniser: {other}"),
        }
    }
    Ok(recording.transcript(""))
}
