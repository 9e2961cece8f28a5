//! Everything around a bot that is not the bot: a Bot API server, simulated users, a private folder.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};

use stenobot_domain::UserId;

use crate::server::{BotApi, Settings};
use crate::users::User;
use crate::workspace::Workspace;

/// Id of the first simulated user; further users count up from it.
const FIRST_USER: i64 = 600_001;

/// A Bot API server, simulated users and a data folder, for a bot that runs in any way: as a child process
/// (see [`Simulation`](super::Simulation)) or within the process of a test.
pub struct Environment {
    api: BotApi,
    folder: Workspace,
    data: PathBuf,
    next_user: AtomicI64,
}

impl Environment {
    /// Starts the server. `data` is the bot's data folder, which exists and is kept; `None` creates a temporary one.
    ///
    /// # Errors
    /// When no folder or no port is available.
    pub async fn start(server: Settings, data: Option<PathBuf>) -> std::io::Result<Self> {
        let folder = Workspace::create()?;
        let api = BotApi::start(server).await?;
        let data = match data {
            Some(data) => data,
            None => {
                let data = folder.path().join("data");
                std::fs::create_dir(&data)?;
                data
            }
        };
        Ok(Self { api, folder, data, next_user: AtomicI64::new(FIRST_USER) })
    }

    /// The settings by which a bot uses this environment, by key as in `stenobot.toml`. Its token is
    /// [`BotApi::token`].
    pub fn settings(&self) -> BTreeMap<String, OsString> {
        BTreeMap::from([
            ("telegram_api_url".into(), self.api.url().as_str().into()),
            ("data_dir".into(), self.data.clone().into()),
        ])
    }

    /// The Bot API server.
    pub fn api(&self) -> &BotApi {
        &self.api
    }

    /// A new user with a private chat. `language` is the code of their app's language.
    pub fn new_user(&self, name: &str, language: &str) -> User {
        let id = UserId(self.next_user.fetch_add(1, Ordering::Relaxed));
        User::new(&self.api, id, name, language)
    }

    /// The bot's data folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The SQLite file of the bot's store.
    pub fn store(&self) -> PathBuf {
        self.data.join("stenobot.db")
    }

    /// The private folder, removed at the end unless kept.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Keeps the private folder for inspection.
    pub(super) fn keep(&mut self) -> &Path {
        self.folder.keep();
        self.folder.path()
    }
}
