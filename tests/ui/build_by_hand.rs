//! Requests, receipts and committed rows come out of the store, and only there.
use stenobot::request::{CommittedRow, Done, Queued, Receipt, Request};
use stenobot_domain::{RequestId, Timestamp};
use stenobot_store::RequestRow;

fn request(row: RequestRow) -> Request<Queued> {
    Request { row, stage: Queued::default() }
}

fn receipt() -> Receipt<Done> {
    Receipt { id: RequestId(1), received_at: Timestamp(0), stage: Done::default() }
}

fn committed(row: RequestRow) -> CommittedRow {
    CommittedRow(row)
}

fn main() {}
