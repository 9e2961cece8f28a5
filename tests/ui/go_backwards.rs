//! What was transcribed does not go back to the engine.
use stenobot_store::Journal;
use stenobot::request::{Request, Transcribed, Transcribing};

fn back(journal: &Journal, request: Request<Transcribed>) {
    let _ = request.advance(journal, Transcribing::default());
}

fn main() {}
