//! Requests and receipts come out of the store, and only there.
use stenobot_domain::{RequestId, Timestamp};
use stenobot::request::{Done, Held, Queued, Receipt, Request};

fn request(held: Held) -> Request<Queued> {
    Request { held, stage: Queued::default() }
}

fn receipt() -> Receipt<Done> {
    Receipt { id: RequestId(1), received_at: Timestamp(0), stage: Done::default(), _proof: () }
}

fn main() {}
