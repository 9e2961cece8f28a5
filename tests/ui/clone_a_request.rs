//! Nobody holds a request twice.
use stenobot::request::{Queued, Request};

fn twice(request: Request<Queued>) {
    let _ = request.clone();
}

fn main() {}
