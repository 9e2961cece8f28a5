//! What was transcribed does not go back to the engine.
use stenobot_store::Store;
use stenobot::request::{Request, Transcribed, Transcribing};

fn back(store: &Store, request: Request<Transcribed>) {
    let _ = request.advance(store, Transcribing::default());
}

fn main() {}
