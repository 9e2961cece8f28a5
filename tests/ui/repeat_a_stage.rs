//! What the engine works on is not given to it again.
use stenobot_store::Journal;
use stenobot::request::{Request, Transcribing};

fn repeat(journal: &Journal, request: Request<Transcribing>) {
    let _ = request.advance(journal, Transcribing::default());
}

fn main() {}
