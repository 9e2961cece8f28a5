//! A row is committed by the store, and only there.
use stenobot::request::CommittedRow;
use stenobot_store::RequestRow;

fn committed(row: RequestRow) -> CommittedRow {
    CommittedRow(row)
}

fn main() {}
