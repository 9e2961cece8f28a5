//! whisper

pub mod store;
