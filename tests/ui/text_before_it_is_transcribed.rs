//! There is no text before the engine has finished.
use stenobot::request::{Request, Transcribing};

fn text(request: &Request<Transcribing>) {
    let _ = &request.stage().transcript;
}

fn main() {}
