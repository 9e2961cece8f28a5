//! What one of several processes on a store does.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What this process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Both of the others.
    All,
    /// Takes messages in, shows their states and answers what needs no engine.
    Bot,
    /// Downloads, transcribes and answers.
    Worker,
}

impl Role {
    pub(crate) fn has_bot(self) -> bool {
        match self {
            Self::All | Self::Bot => true,
            Self::Worker => false,
        }
    }

    pub(crate) fn has_worker(self) -> bool {
        match self {
            Self::All | Self::Worker => true,
            Self::Bot => false,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::All => "all",
            Self::Bot => "bot",
            Self::Worker => "worker",
        })
    }
}
