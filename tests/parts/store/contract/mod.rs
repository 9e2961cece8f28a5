//! The contract of a store, whatever its backend.

use super::BACKEND;

mod account;
mod audio;
mod business;
mod cancellation;
mod claims;
mod clock;
mod coalescing;
mod display;
mod guests;
mod invitations;
mod limits;
mod machines;
mod moves;
mod notices;
mod order;
mod queue;
mod statistics;
mod stop;
mod users;
