//! No worker holds a queued request: it must be claimed before the engine starts on it.
use stenobot_store::Store;
use stenobot::request::{Downloaded, Queued, Request, Transcribing};

async fn start(store: &Store, request: Request<Downloaded>) {
    let queued = request.advance(store, Queued::default()).await.unwrap();
    let _ = queued.advance(store, Transcribing::default()).await;
}

fn main() {}
