//! Downloads one file: resumed where it was interrupted, retried with backoff, never longer than published.

use std::io;
use std::path::Path;
use std::time::Duration;

use futures::StreamExt;
use reqwest::header::{CONTENT_RANGE, ETAG, HeaderValue, IF_RANGE, RANGE};
use reqwest::{Response, StatusCode, Url};
use stenobot_domain::RetryPolicy;
use stenobot_network::failure_cause;
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncSeekExt, AsyncWriteExt, BufWriter};
use tokio::time::Instant;

use super::file_error;

/// Why one file could not be downloaded.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// The server has no such file, or does not give it.
    #[error("the server answers {0}; check model_base_url and the model's name")]
    Refused(StatusCode),
    /// The file there is not the published one.
    #[error("the server offers {offered} bytes where {expected} were published; check model_base_url")]
    Length {
        /// What the server says or sends.
        offered: u64,
        /// What was published.
        expected: u64,
    },
    /// The network or the server failed, and kept failing.
    #[error("the connection keeps failing ({0}); what has arrived is kept, try again later")]
    Network(String),
    /// The server never answered.
    #[error("{host} cannot be reached: {why}; check the network, model_base_url and the proxy, if there is one")]
    Unreachable {
        /// The server.
        host: String,
        /// A few words.
        why: String,
    },
    /// The disk is full.
    #[error("the disk is full; free some space and try again, what has arrived is kept")]
    Full,
    /// Another process downloads the same file.
    #[error("another stenobot is downloading it; try again when that one is done")]
    Busy,
    /// The file system failed.
    #[error("the download cannot be written: {0}")]
    Write(io::Error),
}

/// Progress of a download.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Received(u64),
    Waiting(Duration),
}

/// A downloaded file, locked while this exists.
pub(super) struct Pulled {
    /// It has bytes of an earlier run.
    pub(super) resumed: bool,
    _lock: File,
}

/// Why one attempt ended.
enum AttemptError {
    Permanent(PullError),
    /// Another attempt may succeed.
    Transient(String),
}

impl From<io::Error> for AttemptError {
    fn from(error: io::Error) -> Self {
        Self::Permanent(if file_error::is_full(&error) { PullError::Full } else { PullError::Write(error) })
    }
}

impl From<reqwest::Error> for AttemptError {
    /// The address is left out: a mirror's may hold a password.
    fn from(error: reqwest::Error) -> Self {
        Self::Transient(failure_cause(&error))
    }
}

/// A download in progress.
pub(super) struct Pull<'a> {
    pub(super) client: &'a reqwest::Client,
    pub(super) url: Url,
    /// Where the bytes are written; those of an earlier run are kept.
    pub(super) part: &'a Path,
    pub(super) expected: u64,
    /// An attempt that brought bytes starts the backoff over.
    pub(super) retries: RetryPolicy,
    /// Longest time without any answer of the server; without it the retries alone bound it.
    pub(super) reach_timeout: Option<Duration>,
}

impl Pull<'_> {
    /// Downloads until `expected` bytes are on the disk. The caller checks their hash.
    pub(super) async fn run(self, mut report: impl FnMut(Step)) -> Result<Pulled, PullError> {
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(self.part).await;
        let file =
            file.map_err(|error| if file_error::is_full(&error) { PullError::Full } else { PullError::Write(error) })?;
        // The lock goes with the file handle, whatever way this ends.
        rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).map_err(|_| PullError::Busy)?;
        let mut target =
            Target { file: BufWriter::with_capacity(1 << 18, file), done: 0, etag: None, is_reached: false };
        let filled = self.fill(&mut target, &mut report).await;
        if matches!(filled, Err(AttemptError::Transient(_))) && !target.is_reached && target.done == 0 {
            // Nothing has arrived that another run could go on with.
            let _ = tokio::fs::remove_file(self.part).await;
        }
        match filled {
            Ok(resumed) => Ok(Pulled { resumed, _lock: target.file.into_inner() }),
            Err(AttemptError::Permanent(error)) => Err(error),
            Err(AttemptError::Transient(why)) if target.is_reached => Err(PullError::Network(why)),
            Err(AttemptError::Transient(why)) => {
                let host = self.url.host_str().unwrap_or("the server").to_owned();
                Err(PullError::Unreachable { host, why })
            }
        }
    }

    async fn fill(&self, target: &mut Target, report: &mut impl FnMut(Step)) -> Result<bool, AttemptError> {
        target.done = target.file.get_ref().metadata().await?.len();
        if target.done > self.expected {
            target.restart().await?;
        }
        let mut resumed = target.done > 0;
        target.file.seek(io::SeekFrom::End(0)).await?;
        let mut backoff = self.retries.backoff();
        let started = Instant::now();
        while target.done < self.expected {
            let before = target.done;
            match self.attempt(target, self.left_to_reach(target, started), &mut resumed, report).await {
                Ok(()) => {}
                Err(AttemptError::Transient(why)) => {
                    target.file.flush().await?;
                    if target.done > before {
                        backoff.reset();
                    }
                    let left = self.left_to_reach(target, started);
                    let wait = backoff.next_pause().filter(|wait| left.is_none_or(|left| *wait < left));
                    let wait = wait.ok_or(AttemptError::Transient(why))?;
                    report(Step::Waiting(wait));
                    tokio::time::sleep(wait).await;
                }
                Err(last @ AttemptError::Permanent(_)) => {
                    target.file.flush().await.ok();
                    return Err(last);
                }
            }
        }
        target.file.flush().await?;
        target.file.get_ref().sync_all().await?;
        Ok(resumed)
    }

    /// How long the server may still be without an answer.
    fn left_to_reach(&self, target: &Target, started: Instant) -> Option<Duration> {
        let limit = self.reach_timeout.filter(|_| !target.is_reached)?;
        Some(limit.saturating_sub(started.elapsed()))
    }

    async fn attempt(
        &self,
        target: &mut Target,
        answer_within: Option<Duration>,
        resumed: &mut bool,
        report: &mut impl FnMut(Step),
    ) -> Result<(), AttemptError> {
        let mut request = self.client.get(self.url.clone());
        if target.done > 0 {
            request = request.header(RANGE, format!("bytes={}-", target.done));
            if let Some(etag) = &target.etag {
                request = request.header(IF_RANGE, etag);
            }
        }
        let response = match answer_within {
            Some(limit) => tokio::time::timeout(limit, request.send())
                .await
                .map_err(|_| AttemptError::Transient("no answer in time".to_owned()))??,
            None => request.send().await?,
        };
        target.is_reached = true;
        let offered = match response.status() {
            StatusCode::PARTIAL_CONTENT => match content_range(&response) {
                Some((start, total)) if start == target.done => total,
                _ => {
                    target.restart().await?;
                    return Err(AttemptError::Transient("the server sent another part than was asked for".into()));
                }
            },
            StatusCode::RANGE_NOT_SATISFIABLE => {
                target.restart().await?;
                return Err(AttemptError::Transient("the server cannot resume".into()));
            }
            status if status.is_success() => {
                *resumed = false;
                target.restart().await?;
                response.content_length()
            }
            status if status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429) => {
                return Err(AttemptError::Transient(format!("the server answers {status}")));
            }
            status => return Err(AttemptError::Permanent(PullError::Refused(status))),
        };
        if let Some(offered) = offered.filter(|&offered| offered != self.expected) {
            return Err(AttemptError::Permanent(PullError::Length { offered, expected: self.expected }));
        }
        // A weak tag does not promise the same bytes.
        target.etag = response.headers().get(ETAG).filter(|tag| !tag.as_bytes().starts_with(b"W/")).cloned();
        let mut body = response.bytes_stream();
        while let Some(chunk) = body.next().await {
            let chunk = chunk?;
            let sum = target.done + chunk.len() as u64;
            if sum > self.expected {
                return Err(AttemptError::Permanent(PullError::Length { offered: sum, expected: self.expected }));
            }
            target.file.write_all(&chunk).await?;
            target.done = sum;
            report(Step::Received(sum));
        }
        if target.done < self.expected {
            return Err(AttemptError::Transient("the connection ended too early".into()));
        }
        Ok(())
    }
}

struct Target {
    file: BufWriter<File>,
    /// Bytes written, some of them perhaps still in the buffer.
    done: u64,
    etag: Option<HeaderValue>,
    /// The server has answered.
    is_reached: bool,
}

impl Target {
    async fn restart(&mut self) -> io::Result<()> {
        if self.done > 0 {
            self.file.flush().await?;
            self.file.seek(io::SeekFrom::Start(0)).await?;
            self.file.get_ref().set_len(0).await?;
        }
        (self.done, self.etag) = (0, None);
        Ok(())
    }
}

/// First byte and, where given, total length of `bytes 5-9/10`.
fn content_range(response: &Response) -> Option<(u64, Option<u64>)> {
    let value = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    let (range, total) = value.strip_prefix("bytes ")?.split_once('/')?;
    let (start, _) = range.split_once('-')?;
    Some((start.parse().ok()?, total.parse().ok()))
}
