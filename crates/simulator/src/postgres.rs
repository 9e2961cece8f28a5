//! A PostgreSQL server of its own in a temporary folder, for tests and simulations.
//!
//! It listens on loopback only, and ends with this process however this process ends. Its methods block a thread of
//! tokio's pool for blocking work while they wait, so that a paused clock does not run ahead of the server.

mod cluster;
mod folder;
mod process;
mod programs;

use std::ffi::OsString;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;

use tokio::sync::OnceCell;

use cluster::{Cluster, Disk};

/// Name of the superuser, and the user of every URL.
const SUPERUSER: &str = "stenobot";

/// How a server is set up.
#[derive(Debug, Clone, Default)]
pub struct PostgresOptions {
    /// Whether commits survive a loss of power (`fsync`). Without it, they survive a kill of the server's processes.
    pub is_durable: bool,
    /// Password of the superuser, which connections then have to give (SCRAM); `None` trusts everybody on this machine.
    /// Letters and digits, because it is part of URLs.
    pub password: Option<String>,
    /// Whether TLS is offered, with a self-signed certificate for `localhost` and `127.0.0.1`.
    pub has_tls: bool,
    /// Lines added to `postgresql.conf`.
    pub configuration: Vec<String>,
}

/// Why a server or one of its tools failed.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// No server programs on this machine.
    #[error(
        "PostgreSQL's programs are neither on PATH nor in /usr/lib/postgresql: install Debian's package `postgresql`"
    )]
    Missing,
    /// PostgreSQL refuses to run as root.
    #[error("PostgreSQL does not run as root, and there is neither a user `postgres` nor `nobody` to run it as")]
    NoAccount,
    /// A file or a process.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// A program of PostgreSQL's.
    #[error("{} ended with {status}: {output}", .program.display())]
    Tool {
        /// Its name.
        program: OsString,
        /// Its exit status.
        status: ExitStatus,
        /// What it wrote to its standard error.
        output: String,
    },
    /// The server ended, or takes no connections within the time limit.
    #[error("the server has not started; its log ends with:\n{log}")]
    NotReady {
        /// Last lines of its log.
        log: String,
    },
    /// The server was stopped or killed before.
    #[error("the server is not running")]
    NotRunning,
}

/// A running server with its data. Dropping it stops the server and removes the data.
#[derive(Debug, Clone)]
pub struct PrivatePostgres {
    cluster: Arc<Cluster>,
}

impl PrivatePostgres {
    /// Creates a database cluster and starts its server; ready for connections afterwards.
    ///
    /// # Errors
    /// When programs are missing or fail.
    pub async fn start(options: PostgresOptions) -> Result<Self, PostgresError> {
        blocking(move || Cluster::create(options, Disk::Shared)).await.map(Self::from)
    }

    /// As [`start`](Self::start), with the data on a file system of `bytes` in memory, which can be filled. `None` when
    /// this process may not mount one: it takes root.
    ///
    /// # Errors
    /// When programs are missing or fail.
    pub async fn on_small_disk(options: PostgresOptions, bytes: u64) -> Result<Option<Self>, PostgresError> {
        match blocking(move || Cluster::create(options, Disk::Own { bytes })).await {
            Err(PostgresError::Io(error)) if error.kind() == std::io::ErrorKind::PermissionDenied => Ok(None),
            other => other.map(|cluster| Some(cluster.into())),
        }
    }

    /// The server that the tests of this process share, started at the first call: not durable, without a password,
    /// up to 200 connections. Its data is removed when the process ends.
    ///
    /// # Errors
    /// When programs are missing or fail.
    pub async fn shared() -> Result<&'static Self, PostgresError> {
        static SHARED: OnceCell<PrivatePostgres> = OnceCell::const_new();
        let options = || PostgresOptions { configuration: vec!["max_connections = 200".into()], ..Default::default() };
        SHARED.get_or_try_init(|| Self::start(options())).await
    }

    /// As [`shared`](Self::shared); `None`, with a line on the terminal that `cargo test` does not capture, where the server's
    /// programs are missing and neither `./dev test` nor a continuous integration runs the test.
    ///
    /// # Errors
    /// When programs are missing, or fail.
    pub async fn shared_or_skip(test: &str) -> Result<Option<&'static Self>, PostgresError> {
        or_skip(test, Self::shared().await)
    }

    /// As [`start`](Self::start); `None` as [`shared_or_skip`](Self::shared_or_skip).
    ///
    /// # Errors
    /// When the server's programs are missing, or fail.
    pub async fn start_or_skip(test: &str, options: PostgresOptions) -> Result<Option<Self>, PostgresError> {
        or_skip(test, Self::start(options).await)
    }

    /// Creates a database; returns its URL.
    ///
    /// # Errors
    /// When it exists already, or the server does not respond.
    pub async fn create_database(&self, name: &str) -> Result<String, PostgresError> {
        let owned = name.to_owned();
        self.run(move |cluster| cluster.create_database(&owned)).await?;
        Ok(self.url(name))
    }

    /// Creates a database with a new name; returns its URL.
    ///
    /// # Errors
    /// When the server does not respond.
    pub async fn new_database(&self) -> Result<String, PostgresError> {
        self.create_database(&format!("t{}", uuid::Uuid::now_v7().simple())).await
    }

    /// URL of a database, with the password if there is one.
    pub fn url(&self, database: &str) -> String {
        self.url_at(self.address(), database)
    }

    /// URL of a database by way of a [`Link`](crate::link::Link) to this server.
    pub fn url_through(&self, link: &crate::link::Link, database: &str) -> String {
        self.url_at(link.address(), database)
    }

    fn url_at(&self, address: SocketAddr, database: &str) -> String {
        let password = self.cluster.password().map_or(String::new(), |password| format!(":{password}"));
        format!("postgres://{SUPERUSER}{password}@{address}/{database}")
    }

    /// Address on loopback; the same for the server's whole life.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.cluster.port()).into()
    }

    /// Folder of the UNIX socket.
    pub fn socket_folder(&self) -> &Path {
        self.cluster.folder()
    }

    /// The certificate that clients may trust; there is one with [`PostgresOptions::has_tls`].
    pub fn certificate(&self) -> PathBuf {
        self.cluster.certificate()
    }

    /// Runs SQL with `psql`: rows as lines, columns separated by `|`.
    ///
    /// # Errors
    /// When a statement fails or the server does not respond.
    pub async fn psql(&self, database: &str, sql: &str) -> Result<String, PostgresError> {
        let (database, sql) = (database.to_owned(), sql.to_owned());
        self.run(move |cluster| cluster.psql(&database, &sql)).await
    }

    /// Sends SIGKILL to all processes of the server, and waits until none of them is left.
    ///
    /// # Errors
    /// When it is not running.
    pub async fn kill(&self) -> Result<(), PostgresError> {
        self.run(Cluster::kill).await
    }

    /// Stops the server in order; open connections are closed.
    ///
    /// # Errors
    /// When it is not running.
    pub async fn stop(&self) -> Result<(), PostgresError> {
        self.run(Cluster::stop).await
    }

    /// Starts the server on the same data and the same port; a server that still runs is stopped before.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start_again(&self) -> Result<(), PostgresError> {
        self.run(Cluster::start_again).await
    }

    /// Sends SIGSTOP to all processes of the server: connections stay open and nothing is answered.
    ///
    /// # Errors
    /// When it is not running.
    pub async fn pause(&self) -> Result<(), PostgresError> {
        self.run(Cluster::pause).await
    }

    /// Ends [`pause`](Self::pause).
    ///
    /// # Errors
    /// When it is not running.
    pub async fn resume(&self) -> Result<(), PostgresError> {
        self.run(Cluster::resume).await
    }

    /// A second server that replicates this one by streaming; it answers queries that write nothing.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn standby(&self) -> Result<Self, PostgresError> {
        self.run(Cluster::standby).await.map(Self::from)
    }

    /// From now on a commit waits until a standby has it: then a failover loses nothing that was committed.
    ///
    /// # Errors
    /// When the server does not respond.
    pub async fn replicate_synchronously(&self) -> Result<(), PostgresError> {
        self.run(Cluster::replicate_synchronously).await
    }

    /// Makes a standby the primary; returns when it takes writes.
    ///
    /// # Errors
    /// When it is no standby.
    pub async fn promote(&self) -> Result<(), PostgresError> {
        self.run(Cluster::promote).await
    }

    /// Writes a file that leaves no space on the disk of [`on_small_disk`](Self::on_small_disk).
    ///
    /// # Errors
    /// When the server shares its disk with others, which must not be filled.
    pub async fn fill_disk(&self) -> Result<(), PostgresError> {
        self.run(Cluster::fill_disk).await
    }

    /// Removes the file of [`fill_disk`](Self::fill_disk).
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub async fn free_disk(&self) -> Result<(), PostgresError> {
        self.run(Cluster::free_disk).await
    }

    /// Last lines of the server's log.
    pub fn log_tail(&self) -> String {
        self.cluster.log_tail()
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Cluster) -> Result<T, PostgresError> + Send + 'static,
    ) -> Result<T, PostgresError> {
        let cluster = self.cluster.clone();
        blocking(move || work(&cluster)).await
    }
}

impl From<Cluster> for PrivatePostgres {
    fn from(cluster: Cluster) -> Self {
        Self { cluster: Arc::new(cluster) }
    }
}

/// `None`, said loudly, where the programs are missing and need not be there.
fn or_skip<T>(test: &str, started: Result<T, PostgresError>) -> Result<Option<T>, PostgresError> {
    let is_required = ["CI", "REQUIRE_POSTGRES"].iter().any(|name| std::env::var_os(name).is_some());
    match started {
        Err(PostgresError::Missing) if !is_required => {
            // A terminal that takes no more lines is no reason to fail.
            let _ = writeln!(std::io::stderr(), "\nSKIPPED {test}: {}\n", PostgresError::Missing);
            Ok(None)
        }
        other => other.map(Some),
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PostgresError> + Send + 'static,
) -> Result<T, PostgresError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|failed| Err(PostgresError::Io(std::io::Error::other(failed))))
}
