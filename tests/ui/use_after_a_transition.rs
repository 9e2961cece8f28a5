//! A transition uses its request up.
use stenobot_store::Store;
use stenobot::request::{Queued, Request, Transcribing};

async fn twice(store: &Store, request: Request<Queued>) {
    let _first = request.advance(store, Transcribing::default()).await;
    let _second = request.advance(store, Transcribing::default()).await;
}

fn main() {}
