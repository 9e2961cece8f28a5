//! whisper/store
