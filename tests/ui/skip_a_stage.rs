//! What was received is not in the queue before it was downloaded.
use stenobot_store::Journal;
use stenobot::request::{Queued, Received, Request};

fn skip(journal: &Journal, request: Request<Received>) {
    let _ = request.advance(journal, Queued::default());
}

fn main() {}
