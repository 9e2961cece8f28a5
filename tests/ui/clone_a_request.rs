//! A request is held once.
use stenobot::request::{Queued, Request};

fn twice(request: Request<Queued>) {
    let _ = request.clone();
}

fn main() {}
