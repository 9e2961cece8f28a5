//! The promises under faults, with figures: each test here is a row of the table that `./dev chaos` prints. Run with
//! the other tests, each does a few rounds; `./dev chaos --rounds N` does N.

mod hostile;
mod journal;
mod table;

pub(crate) use table::{Row, measured};

/// How often a row is tried: `few` times among the other tests, else as often as `./dev chaos` was told.
pub(crate) fn rounds(few: usize) -> usize {
    match std::env::var("CHAOS_ROUNDS") {
        Ok(rounds) => rounds.parse().expect("CHAOS_ROUNDS is a number"),
        Err(_) => few,
    }
}
