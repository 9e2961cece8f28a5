//! Reasons not to start that are no other module's error: each sentence once, for `run` and `doctor`.

use std::net::SocketAddr;

/// Why the bot cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// No token is set.
    #[error("no token: get one from @BotFather on Telegram (https://t.me/BotFather) and set TELEGRAM_BOT_TOKEN")]
    NoToken,
    /// Other users may read the store.
    #[error(
        "other users of this machine can read the store, which holds names: `chmod 600 {files}`{}",
        folder.as_ref().map_or(String::new(), |folder| format!(" and `chmod 700 {}`", folder.display()))
    )]
    ReadableStore {
        /// Paths, separated by spaces.
        files: String,
        /// Their folder, if other users have access to it.
        folder: Option<std::path::PathBuf>,
    },
    /// A listener has no address.
    #[error("{setting} = {addr} cannot be used ({why}); set another, or stop what uses it")]
    Port {
        /// The setting's key.
        setting: &'static str,
        /// Its value.
        addr: SocketAddr,
        /// The system's reason.
        why: std::io::Error,
    },
    /// The build needs more of the processor than it has.
    #[error("this processor lacks {missing}, which this build needs: run it on a machine that has them")]
    Processor {
        /// Names as in `/proc/cpuinfo`.
        missing: String,
    },
    /// More memory is needed than there will ever be.
    #[error("{arithmetic}, which is all there may be: choose a smaller model or fewer max_concurrent_workers")]
    Memory {
        /// The need with its terms, and the limit.
        arithmetic: String,
    },
    /// A model of another kind.
    #[error("model = {name} is no Whisper model; `stenobot model list` shows those there are")]
    NoWhisperModel {
        /// The model's name.
        name: String,
    },
}
