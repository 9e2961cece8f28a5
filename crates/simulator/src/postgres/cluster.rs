//! A database cluster: its data, its server, and the server's own tools. Everything here blocks.

use std::ffi::OsStr;
use std::io::{ErrorKind, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{OpenOptionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::Signal;

use super::folder::ServerFolder;
use super::process::Postmaster;
use super::programs::{Account, Programs, command};
use super::{PostgresError, PostgresOptions, SUPERUSER};

const CHECK_INTERVAL: Duration = Duration::from_millis(10);
/// Number of checks until the server takes connections: 60 s. After a kill it replays its log first.
const MAX_CHECKS: usize = 6000;
const STOP_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest path of a UNIX socket is 107 bytes, of which its name takes some.
const MAX_SOCKET_FOLDER: usize = 85;

/// Where the data lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Disk {
    /// In the system's temporary folder.
    Shared,
    /// On a file system in memory that nothing else uses.
    Own { bytes: u64 },
}

/// A cluster and, unless it was stopped, its server.
#[derive(Debug)]
pub(super) struct Cluster {
    programs: Programs,
    account: Option<Account>,
    password: Option<String>,
    port: u16,
    disk: Disk,
    postmaster: Mutex<Option<Postmaster>>,
    // Dropped after the server has ended.
    folder: ServerFolder,
}

impl Cluster {
    /// Creates a cluster and starts its server.
    pub(super) fn create(options: PostgresOptions, disk: Disk) -> Result<Self, PostgresError> {
        let cluster = Self::prepare(options.password.clone(), disk)?;
        cluster.initialise(&options)?;
        cluster.start_again()?;
        Ok(cluster)
    }

    /// A folder and a port, without data.
    fn prepare(password: Option<String>, disk: Disk) -> Result<Self, PostgresError> {
        let programs = Programs::find()?;
        let account = Account::find()?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let folder = ServerFolder::create(account)?;
        if let Disk::Own { bytes } = disk {
            let data = folder.path().join("data");
            std::fs::create_dir(&data)?;
            mount_memory(&data, bytes, account)?;
        }
        Ok(Self { programs, account, password, port, disk, postmaster: Mutex::default(), folder })
    }

    fn initialise(&self, options: &PostgresOptions) -> Result<(), PostgresError> {
        let mut initdb = self.tool("initdb");
        initdb.arg("--pgdata").arg(self.data()).args(["--username", SUPERUSER]);
        initdb.args(["--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"]);
        match &self.password {
            Some(password) => {
                let file = self.folder().join("password");
                self.write(&file, password)?;
                initdb.args(["--auth=scram-sha-256", "--pwfile"]).arg(file);
            }
            None => drop(initdb.arg("--auth=trust")),
        }
        if self.disk != Disk::Shared {
            // Of 1 MB, instead of 16: a small disk holds few of the larger ones.
            initdb.arg("--wal-segsize=1");
        }
        self.output(initdb)?;
        let mut lines = vec![
            "listen_addresses = '127.0.0.1'".to_owned(),
            "log_line_prefix = '%m [%p] '".to_owned(),
            // A standby that has lost its primary is promoted after such a pause; 5 s by default.
            "wal_retrieve_retry_interval = '100ms'".to_owned(),
        ];
        if !options.is_durable {
            lines.extend(["fsync = off".to_owned(), "full_page_writes = off".to_owned()]);
        }
        if options.has_tls {
            self.make_certificate()?;
            lines.push("ssl = on".to_owned());
        }
        lines.extend(options.configuration.iter().cloned());
        let mut file = std::fs::OpenOptions::new().append(true).open(self.data().join("postgresql.conf"))?;
        writeln!(file, "{}", lines.join("\n"))?;
        Ok(())
    }

    /// Of an end entity, not of an authority: clients that trust it refuse an authority's as a server's.
    fn make_certificate(&self) -> Result<(), PostgresError> {
        let request = self.folder().join("certificate.cnf");
        let text = "[req]\nprompt = no\ndistinguished_name = name\nx509_extensions = extensions\n\
            [name]\nCN = localhost\n[extensions]\nbasicConstraints = critical, CA:FALSE\n\
            subjectAltName = DNS:localhost, IP:127.0.0.1\nextendedKeyUsage = serverAuth\n";
        self.write(&request, text)?;
        let mut openssl = command(Path::new("openssl"), self.account, self.folder());
        openssl.args(["req", "-x509", "-days", "30", "-nodes", "-newkey", "ec"]);
        openssl.args(["-pkeyopt", "ec_paramgen_curve:prime256v1", "-config"]).arg(request);
        openssl.arg("-keyout").arg(self.data().join("server.key")).arg("-out").arg(self.certificate());
        self.output(openssl).map(drop)
    }

    pub(super) fn start_again(&self) -> Result<(), PostgresError> {
        let mut running = self.running();
        if let Some(old) = running.take() {
            end(&old, Signal::INT)?;
        }
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.log())?;
        let mut server = command(Path::new("setpriv"), self.account, self.folder());
        server.args(["--pdeathsig", "QUIT", "--"]).arg(self.programs.path("postgres"));
        server.arg("-D").arg(self.data()).args(["-p", &self.port.to_string(), "-k"]);
        if self.folder().as_os_str().len() <= MAX_SOCKET_FOLDER {
            server.arg(self.folder());
        } else {
            server.arg("");
        }
        server.stdout(log.try_clone()?).stderr(log);
        // Ctrl-C in the terminal is for this process, which then ends the server.
        std::os::unix::process::CommandExt::process_group(&mut server, 0);
        let postmaster = Postmaster::spawn(server)?;
        let mut checks = 0..MAX_CHECKS;
        while !self.takes_connections(&postmaster) {
            if postmaster.has_ended_within(CHECK_INTERVAL) || checks.next().is_none() {
                end(&postmaster, Signal::QUIT)?;
                return Err(PostgresError::NotReady { log: self.log_tail() });
            }
        }
        *running = Some(postmaster);
        Ok(())
    }

    /// As `pg_ctl` finds out: the postmaster's file has its process id in the first line, its state in the eighth.
    fn takes_connections(&self, postmaster: &Postmaster) -> bool {
        let file = std::fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
        let lines: Vec<&str> = file.lines().map(str::trim).collect();
        let is_own = lines.first().is_some_and(|pid| pid.parse() == Ok(postmaster.pid()));
        is_own && lines.get(7).is_some_and(|state| matches!(*state, "ready" | "standby"))
    }

    pub(super) fn create_database(&self, name: &str) -> Result<(), PostgresError> {
        let mut createdb = self.client("createdb");
        createdb.arg("--").arg(name);
        self.output(createdb).map(drop)
    }

    pub(super) fn psql(&self, database: &str, sql: &str) -> Result<String, PostgresError> {
        let mut psql = self.client("psql");
        psql.args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--set=ON_ERROR_STOP=1"]);
        psql.args(["--dbname", database, "--command", sql]);
        self.output(psql)
    }

    pub(super) fn kill(&self) -> Result<(), PostgresError> {
        let postmaster = self.running().take().ok_or(PostgresError::NotRunning)?;
        if postmaster.kill_all() { Ok(()) } else { Err(still_running()) }
    }

    pub(super) fn stop(&self) -> Result<(), PostgresError> {
        let postmaster = self.running().take().ok_or(PostgresError::NotRunning)?;
        end(&postmaster, Signal::INT)
    }

    pub(super) fn pause(&self) -> Result<(), PostgresError> {
        self.running().as_ref().ok_or(PostgresError::NotRunning).map(Postmaster::pause)
    }

    pub(super) fn resume(&self) -> Result<(), PostgresError> {
        self.running().as_ref().ok_or(PostgresError::NotRunning).map(Postmaster::resume)
    }

    pub(super) fn standby(&self) -> Result<Self, PostgresError> {
        let standby = Self::prepare(self.password.clone(), Disk::Shared)?;
        let mut backup = self.client("pg_basebackup");
        backup.args(["--wal-method=stream", "--checkpoint=fast", "--no-sync", "--write-recovery-conf"]);
        backup.arg("--pgdata").arg(standby.data());
        self.output(backup)?;
        standby.start_again()?;
        Ok(standby)
    }

    pub(super) fn replicate_synchronously(&self) -> Result<(), PostgresError> {
        self.psql("postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'")?;
        self.psql("postgres", "SELECT pg_reload_conf()").map(drop)
    }

    pub(super) fn promote(&self) -> Result<(), PostgresError> {
        let mut promote = self.tool("pg_ctl");
        promote.args(["promote", "--wait", "--silent", "--pgdata"]).arg(self.data());
        self.output(promote).map(drop)
    }

    pub(super) fn fill_disk(&self) -> Result<(), PostgresError> {
        if self.disk == Disk::Shared {
            return Err(std::io::Error::other("the disk has other users").into());
        }
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(self.ballast())?;
        for size in [1 << 20, 1 << 12] {
            let block = vec![0; size];
            loop {
                match file.write_all(&block) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    pub(super) fn free_disk(&self) -> Result<(), PostgresError> {
        Ok(std::fs::remove_file(self.ballast())?)
    }

    pub(super) fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn certificate(&self) -> PathBuf {
        self.data().join("server.crt")
    }

    pub(super) fn log_tail(&self) -> String {
        const LINES: usize = 20;
        let log = std::fs::read(self.log()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }

    fn data(&self) -> PathBuf {
        self.folder().join("data")
    }

    fn log(&self) -> PathBuf {
        self.folder().join("postgres.log")
    }

    fn ballast(&self) -> PathBuf {
        self.data().join("ballast")
    }

    fn running(&self) -> MutexGuard<'_, Option<Postmaster>> {
        self.postmaster.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tool(&self, name: &str) -> Command {
        command(&self.programs.path(name), self.account, self.folder())
    }

    /// A tool that connects to this server.
    fn client(&self, name: &str) -> Command {
        let mut client = self.tool(name);
        client.args([
            "--host",
            "127.0.0.1",
            "--port",
            &self.port.to_string(),
            "--username",
            SUPERUSER,
            "--no-password",
        ]);
        client.env("PGCONNECT_TIMEOUT", "10").envs(self.password.as_ref().map(|password| ("PGPASSWORD", password)));
        client
    }

    /// Runs a tool to its end; returns its standard output without the last newline.
    fn output(&self, mut tool: Command) -> Result<String, PostgresError> {
        let done = tool.output()?;
        if done.status.success() {
            return Ok(String::from_utf8_lossy(&done.stdout).trim_end_matches('\n').to_owned());
        }
        let program = Path::new(tool.get_program()).file_name().unwrap_or_else(|| OsStr::new("?")).to_owned();
        let output = String::from_utf8_lossy(&done.stderr).trim().to_owned();
        Err(PostgresError::Tool { program, status: done.status, output })
    }

    /// Writes a file that only the server's user can read.
    fn write(&self, path: &Path, text: &str) -> std::io::Result<()> {
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(text.as_bytes())?;
        if let Some(Account { user, group }) = self.account {
            chown(path, Some(user), Some(group))?;
        }
        Ok(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(postmaster) = self.running().take() {
            // A paused server ends only after SIGCONT; its data is removed, so nothing needs to be written back.
            postmaster.signal(Signal::QUIT);
            postmaster.resume();
            if !postmaster.has_ended_within(STOP_TIMEOUT) {
                postmaster.kill_all();
            }
        }
        // A server that was killed leaves it, and the folder's removal would wait for the server.
        let _ = std::fs::remove_file(self.data().join("postmaster.pid"));
    }
}

fn end(postmaster: &Postmaster, signal: Signal) -> Result<(), PostgresError> {
    postmaster.signal(signal);
    postmaster.resume();
    if postmaster.has_ended_within(STOP_TIMEOUT) || postmaster.kill_all() { Ok(()) } else { Err(still_running()) }
}

fn still_running() -> PostgresError {
    PostgresError::Io(std::io::Error::other("the server's processes have not ended"))
}

/// Mounts a file system in memory; permission is denied without root's rights.
fn mount_memory(folder: &Path, bytes: u64, account: Option<Account>) -> std::io::Result<()> {
    let Some(Account { user, group }) = account else { return Err(ErrorKind::PermissionDenied.into()) };
    let options = format!("size={bytes},mode=0700,uid={user},gid={group}");
    let mut mount = Command::new("mount");
    let mounted = mount.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder).output()?;
    // A container's root may lack the right, too.
    if mounted.status.success() { Ok(()) } else { Err(ErrorKind::PermissionDenied.into()) }
}
