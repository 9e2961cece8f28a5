//! What one of several machines on a store does.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a machine does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Both of the others.
    #[default]
    All,
    /// Receives updates, admits, shows states, answers what needs no engine.
    Bot,
    /// Downloads, transcribes, answers.
    Worker,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 3] = [Self::All, Self::Bot, Self::Worker];

    /// As settings, rows and labels name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Bot => "bot",
            Self::Worker => "worker",
        }
    }

    /// Whether updates are received and states shown.
    pub const fn has_bot(self) -> bool {
        match self {
            Self::All | Self::Bot => true,
            Self::Worker => false,
        }
    }

    /// Whether requests are downloaded and transcribed.
    pub const fn has_worker(self) -> bool {
        match self {
            Self::All | Self::Worker => true,
            Self::Bot => false,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is no role: give all, bot or worker")]
pub struct UnknownRole;

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(UnknownRole)
    }
}
