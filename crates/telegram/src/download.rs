//! Downloads to disk, which count the real size.

use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use serde::Deserialize;
use stenobot_domain::PUBLIC_FILE_LIMIT;
use teloxide::payloads;
use teloxide::types::FileId;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use super::call::Method;
use super::client::{Client, read};
use super::error::{Disposition, Refusal, TelegramError};
use super::outgoing::Scope;

/// Longest wait for the next chunk of a file.
const IDLE: Duration = Duration::from_secs(15);
/// Longest time `getFile` may take.
const GET_FILE: Duration = Duration::from_secs(20);

/// Why a file could not be fetched. Never holds the token, a URL or a path.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// The file is larger than it may be.
    #[error("the file is larger than {limit} bytes")]
    TooBig {
        /// The most that is accepted, in bytes.
        limit: u64,
    },
    /// Telegram gives no such file: the message was deleted, or the file belongs to another bot.
    #[error("Telegram has no such file")]
    Gone,
    /// The Bot API server could not get the file from Telegram. Often temporary; the message
    /// is the same for a file that is gone.
    #[error("the file is not available now")]
    Unavailable,
    /// The Bot API server keeps its files on its own disk.
    #[error(
        "the Bot API server gives paths on its own disk: set telegram_local_dir to its folder, or start it without --local"
    )]
    ServerLocal,
    /// The Bot API server names something on its disk that holds no file's bytes: a folder, a link, a FIFO, a device.
    #[error("what the Bot API server gives is no regular file")]
    NotRegular,
    /// Telegram knows the link no longer; it gives a new one.
    #[error("the link to the file has expired")]
    Expired,
    /// Fewer bytes arrived than announced.
    #[error("only a part of the file came")]
    Incomplete,
    /// A call failed, or the transfer broke off.
    #[error(transparent)]
    Telegram(#[from] TelegramError),
    /// The file could not be written.
    #[error("the file cannot be written")]
    Write(#[source] std::io::Error),
}

impl DownloadError {
    /// What the failure means for the caller. A full disk may be emptied, so a failed write is transient.
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::TooBig { .. } | Self::Gone | Self::ServerLocal | Self::NotRegular => Disposition::Final,
            Self::Telegram(error) => error.disposition(),
            Self::Unavailable | Self::Expired | Self::Incomplete => {
                Disposition::Retry { after: Duration::from_secs(1) }
            }
            Self::Write(_) => Disposition::Retry { after: Duration::from_secs(5) },
        }
    }
}

/// Where a file can be fetched.
#[derive(Deserialize)]
struct Location {
    file_path: Option<String>,
    file_size: Option<u64>,
}

impl Client {
    /// Writes the file `file_id` to `to`, which must not exist, readable by this user only, and returns its size in
    /// bytes. The bytes are counted as they come, whatever size was announced; only less than that is an error. On an
    /// error, and when the future is dropped, nothing is left at `to`. There is no limit on the whole time: that is the caller's.
    ///
    /// # Errors
    /// Any [`DownloadError`].
    pub async fn download(&self, file_id: &str, to: &Path, limit: u64) -> Result<u64, DownloadError> {
        let call = payloads::GetFile::new(FileId(file_id.to_owned()));
        let location: Location = self.call(Method::GetFile, &call, GET_FILE).await.map_err(|error| match error {
            // A server that says so has the limit of Telegram's own.
            TelegramError::Refused(why) if why.contains("file is too big") => {
                DownloadError::TooBig { limit: limit.min(PUBLIC_FILE_LIMIT) }
            }
            TelegramError::Refused(why) if is_unavailable(&why) => DownloadError::Unavailable,
            TelegramError::Refused(why) if is_gone(&why) => DownloadError::Gone,
            other => DownloadError::Telegram(other),
        })?;
        let file_path = location.file_path.ok_or(DownloadError::Gone)?;
        if file_path.starts_with('/') {
            return self.take_local(Path::new(&file_path), to, limit).await;
        }
        self.outbox().check_pause(Scope::Method(Method::Download))?;
        let (partial, file) = Partial::create(to.to_owned()).await?;
        let started = Instant::now();
        let size = self.transfer(&file_path, file, limit).await;
        let result = size.and_then(|size| match location.file_size {
            // A body without an announced length may end early and look whole.
            Some(told) if size < told => Err(DownloadError::Incomplete),
            Some(_) | None => Ok(size),
        });
        let called = match &result {
            Err(DownloadError::Telegram(error)) => Err(error.clone()),
            Err(DownloadError::Gone | DownloadError::Unavailable | DownloadError::Expired) => {
                Err(TelegramError::MessageGone)
            }
            Err(DownloadError::Incomplete) => Err(TelegramError::Network("the file came in part".to_owned())),
            // That a file is too big or a disk full is no fault of Telegram's.
            Ok(_)
            | Err(
                DownloadError::TooBig { .. }
                | DownloadError::ServerLocal
                | DownloadError::NotRegular
                | DownloadError::Write(_),
            ) => Ok(()),
        };
        self.outbox().record(Scope::Method(Method::Download), &called);
        self.report(Method::Download, started, called.as_ref().err());
        let size = result?;
        partial.keep();
        Ok(size)
    }

    /// Copies a file that the Bot API server keeps on this machine.
    async fn take_local(&self, file: &Path, to: &Path, limit: u64) -> Result<u64, DownloadError> {
        let folder = self.local_files().ok_or(DownloadError::ServerLocal)?.to_owned();
        let file = file.to_owned();
        let open = move || open_local(&folder, &file);
        let source = tokio::task::spawn_blocking(open).await;
        let source = source.unwrap_or_else(|join| Err(DownloadError::Write(std::io::Error::other(join))))?;
        let source = File::from_std(source);
        let (partial, copy) = Partial::create(to.to_owned()).await?;
        let mut copy = File::from_std(copy);
        // One byte more than may be, to see that there is more.
        let size = tokio::io::copy(&mut source.take(limit.saturating_add(1)), &mut copy).await;
        let size = size.map_err(DownloadError::Write)?;
        if size > limit {
            return Err(DownloadError::TooBig { limit });
        }
        copy.flush().await.map_err(DownloadError::Write)?;
        partial.keep();
        Ok(size)
    }

    async fn transfer(&self, file_path: &str, file: std::fs::File, limit: u64) -> Result<u64, DownloadError> {
        let mut response = in_time(self.get(file_path)).await?;
        let status = response.status().as_u16();
        if status != 200 {
            let body = in_time(read(response)).await?;
            let refusal: Refusal = serde_json::from_slice(&body).unwrap_or_default();
            return Err(match status {
                // Here it says nothing about the token.
                404 | 410 => DownloadError::Expired,
                _ => DownloadError::Telegram(self.refused(refusal, status)),
            });
        }
        if response.content_length().is_some_and(|announced| announced > limit) {
            return Err(DownloadError::TooBig { limit });
        }
        let mut file = File::from_std(file);
        let mut size = 0;
        loop {
            let chunk =
                in_time(async { response.chunk().await.map_err(|error| TelegramError::from_transport(&error)) });
            let Some(chunk) = chunk.await? else { break };
            size += chunk.len() as u64;
            if size > limit {
                return Err(DownloadError::TooBig { limit });
            }
            file.write_all(&chunk).await.map_err(DownloadError::Write)?;
        }
        file.flush().await.map_err(DownloadError::Write)?;
        Ok(size)
    }
}

/// Opens a file that must be a regular one in `folder`, whatever is put in its place meanwhile. A link as the last part of
/// its path is not followed, and nothing that is no file is waited for.
fn open_local(folder: &Path, file: &Path) -> Result<std::fs::File, DownloadError> {
    let folder = folder.canonicalize().map_err(|_| DownloadError::ServerLocal)?;
    let (Some(parent), Some(name)) = (file.parent(), file.file_name()) else { return Err(DownloadError::NotRegular) };
    let parent = parent.canonicalize().map_err(|_| DownloadError::Gone)?;
    if !parent.starts_with(&folder) {
        return Err(DownloadError::ServerLocal);
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let opened = rustix::fs::open(parent.join(name), flags, Mode::empty()).map_err(|errno| match errno {
        // A link; a socket, or a device that is not there.
        Errno::LOOP | Errno::NXIO | Errno::NODEV => DownloadError::NotRegular,
        _ => DownloadError::Gone,
    })?;
    let opened = std::fs::File::from(opened);
    if !opened.metadata().is_ok_and(|metadata| metadata.is_file()) {
        return Err(DownloadError::NotRegular);
    }
    // A folder above may have become a link since it was looked at.
    let real = std::fs::read_link(format!("/proc/self/fd/{}", opened.as_raw_fd()));
    match real {
        Ok(real) if !real.starts_with(&folder) => Err(DownloadError::ServerLocal),
        Ok(_) | Err(_) => Ok(opened),
    }
}

/// `wrong file_id or the file is temporarily unavailable`, which the server says whenever its own download fails.
fn is_unavailable(why: &str) -> bool {
    why.to_lowercase().contains("temporarily unavailable")
}

/// No retry gives a file whose id is wrong in itself.
fn is_gone(why: &str) -> bool {
    let why = why.to_lowercase();
    ["wrong file", "invalid file", "file_id_invalid", "file_reference"].iter().any(|part| why.contains(part))
}

async fn in_time<T>(step: impl Future<Output = Result<T, TelegramError>>) -> Result<T, TelegramError> {
    tokio::time::timeout(IDLE, step).await.unwrap_or(Err(TelegramError::Timeout))
}

/// A file that is removed again unless it is kept.
struct Partial {
    path: PathBuf,
    kept: bool,
}

impl Partial {
    /// Creates the file on a blocking thread. If the caller is cancelled meanwhile, the thread
    /// drops the handle and removes the file: a download that is cancelled here leaves nothing.
    async fn create(path: PathBuf) -> Result<(Self, std::fs::File), DownloadError> {
        use std::os::unix::fs::OpenOptionsExt;
        let create = move || {
            let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            Ok((Self { path, kept: false }, file))
        };
        match tokio::task::spawn_blocking(create).await {
            Ok(created) => created.map_err(DownloadError::Write),
            Err(join) => Err(DownloadError::Write(std::io::Error::other(join))),
        }
    }

    fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.kept {
            // Unlinking is quick, and a drop cannot wait. If it fails, the sweep at the next start removes the file.
            std::fs::remove_file(&self.path).ok();
        }
    }
}
