//! What is particular to SQLite: files.

mod backup;
mod erasure;
mod foreign;
mod legacy;
mod open;
mod versions;
