//! Several machines on one PostgreSQL database, under faults.

mod balancer;
mod business;
mod cluster;
mod commands;
mod database;
mod disk;
mod kills;
mod network;
mod rolling;
mod webhook;
mod zombie;

use std::time::Duration;

/// A moment of `from` to `to` milliseconds that no event marks.
async fn random_moment(dice: &mut super::figures::Dice, from: usize, to: usize) {
    tokio::time::sleep(Duration::from_millis((from + dice.below(to - from)) as u64)).await;
}
