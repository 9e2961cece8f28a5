//! The parts of Stenobot, each against its real counterpart: files, databases, processes, servers on loopback.

mod desk;
mod journal;
mod journal_open;
mod legacy;
mod lifecycle;
mod queue;
