//! What the engine works on is not given to it again.
use stenobot_store::Store;
use stenobot::request::{Request, Transcribing};

fn repeat(store: &Store, request: Request<Transcribing>) {
    let _ = request.advance(store, Transcribing::default());
}

fn main() {}
