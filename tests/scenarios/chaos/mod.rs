//! Behaviour under faults, measured: each test is a row of the table that `./dev chaos` prints. Among the other tests each
//! does a few rounds; `./dev chaos --rounds N` does N.

mod cancel;
mod crash;
mod damage;
mod disk;
mod figures;
mod hostile;
mod kills;
mod load;
mod machines;
mod native;
mod outgoing;
mod score;
mod security;
mod shutdown;
mod storage;
mod store;
mod table;
mod telegram;

pub(crate) use table::{Row, measured};

/// Number of rounds: `few` among the other tests, else as given to `./dev chaos`.
pub(crate) fn rounds(few: usize) -> usize {
    match std::env::var("CHAOS_ROUNDS") {
        Ok(rounds) => rounds.parse().expect("CHAOS_ROUNDS is a number"),
        Err(_) => few,
    }
}

/// Whether this runs among all tests, where rows that take minutes are shortened.
pub(crate) fn among_the_tests() -> bool {
    std::env::var_os("CHAOS_ROUNDS").is_none()
}
