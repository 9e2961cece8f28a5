//! What was received is not in the queue before it was downloaded.
use stenobot_store::Store;
use stenobot::request::{Queued, Received, Request};

fn skip(store: &Store, request: Request<Received>) {
    let _ = request.advance(store, Queued::default());
}

fn main() {}
