//! A transition uses its request up.
use stenobot_store::Journal;
use stenobot::request::{Queued, Request, Transcribing};

async fn twice(journal: &Journal, request: Request<Queued>) {
    let _first = request.advance(journal, Transcribing::default()).await;
    let _second = request.advance(journal, Transcribing::default()).await;
}

fn main() {}
