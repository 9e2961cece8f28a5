//! The contract of a store, whatever its backend.

mod account;
mod cancellation;
mod claims;
mod clock;
mod limits;
mod moves;
mod notices;
mod order;
mod queue;
mod statistics;
mod users;
