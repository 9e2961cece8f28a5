//! What waits in the queue is held by nobody: it must be claimed before the engine starts on it.
use stenobot_store::Journal;
use stenobot::request::{Downloaded, Queued, Request, Transcribing};

async fn start(journal: &Journal, request: Request<Downloaded>) {
    let queued = request.advance(journal, Queued::default()).await.unwrap();
    let _ = queued.advance(journal, Transcribing::default()).await;
}

fn main() {}
