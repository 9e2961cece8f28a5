//! Nobody holds a request twice.
use stenobot::request::{Queued, Request};

fn twice(request: &Request<Queued>) -> (Request<Queued>, Request<Queued>) {
    (request.clone(), request.clone())
}

fn main() {}
