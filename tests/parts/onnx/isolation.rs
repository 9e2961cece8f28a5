//! What the program does to network and disk with ONNX Runtime, seen by strace in a network namespace of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use super::{repository, sample};

/// System calls with a path that change nothing; those that open a file are judged by their flags.
const READING: [&str; 18] = [
    "access",
    "chdir",
    "execve",
    "faccessat",
    "faccessat2",
    "fstat",
    "getcwd",
    "getxattr",
    "inotify_add_watch",
    "lgetxattr",
    "lstat",
    "name_to_handle_at",
    "newfstatat",
    "readlink",
    "readlinkat",
    "stat",
    "statfs",
    "statx",
];
const OPENING: [&str; 3] = ["open", "openat", "openat2"];
const WRITING_FLAGS: [&str; 6] = ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_APPEND", "O_TMPFILE"];
/// System calls that name an address.
const ADDRESSING: [&str; 5] = ["bind", "connect", "sendmmsg", "sendmsg", "sendto"];
/// System calls on sockets that exist already.
const ON_SOCKETS: [&str; 12] = [
    "accept",
    "accept4",
    "getpeername",
    "getsockname",
    "getsockopt",
    "listen",
    "recvfrom",
    "recvmmsg",
    "recvmsg",
    "setsockopt",
    "shutdown",
    "socketpair",
];

/// One system call, as strace writes it with `-y`: each descriptor with its path.
struct Call<'t> {
    name: &'t str,
    arguments: &'t str,
    result: &'t str,
}

impl<'t> Call<'t> {
    /// `None` for signals and ends of processes.
    fn parse(line: &'t str) -> Option<Self> {
        let (name, rest) = line.split_once('(')?;
        // A process that is killed meanwhile leaves no result.
        let (arguments, result) = rest.rsplit_once(" = ").unwrap_or((rest, ""));
        name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_').then_some(Self { name, arguments, result })
    }

    /// The paths that it names, made absolute.
    fn paths(&self) -> Vec<PathBuf> {
        let parts: Vec<&str> = self.arguments.split('"').collect();
        let named = parts.chunks_exact(2).map(|pair| {
            let folder = pair[0].trim_end_matches(", ").strip_suffix('>').and_then(|text| text.rsplit_once('<'));
            Path::new(folder.map_or("", |(_, folder)| folder)).join(pair[1])
        });
        named.collect()
    }

    fn is_writing(&self) -> bool {
        match self.name {
            name if OPENING.contains(&name) => WRITING_FLAGS.iter().any(|flag| self.arguments.contains(flag)),
            name => !READING.contains(&name),
        }
    }

    /// The paths that it changes or would change. Those of `/proc/self` are the process's own.
    fn changed(&self) -> Vec<PathBuf> {
        if !self.is_writing() {
            return Vec::new();
        }
        let mut paths = self.paths();
        if self.name.starts_with("symlink") {
            // The target.
            paths.remove(0);
        }
        paths.retain(|path| !path.starts_with("/proc/self"));
        // Behind symbolic links.
        let opened = self.result.split_once('<').and_then(|(_, path)| path.strip_suffix('>'));
        if let (Some(opened), false) = (opened, paths.is_empty()) {
            paths = vec![opened.into()];
        }
        paths
    }
}

/// Where a program may write and what sockets it may open.
struct Allowed<'a> {
    folders: &'a [&'a Path],
    families: &'a [&'a str],
}

impl Allowed<'_> {
    /// Why a line of the trace is not allowed.
    fn violation(&self, line: &str) -> Option<String> {
        let call = Call::parse(line)?;
        if call.name == "io_uring_setup" {
            return Some(format!("files and connections without system calls: {line}"));
        }
        let is_network = call.name == "socket" || ADDRESSING.contains(&call.name) || ON_SOCKETS.contains(&call.name);
        if !is_network {
            let is_allowed = |path: &Path| {
                path == Path::new("/dev/null") || self.folders.iter().any(|folder| path.starts_with(folder))
            };
            let path = call.changed().into_iter().find(|path| !is_allowed(path))?;
            return Some(format!("{} is changed: {line}", path.display()));
        }
        let family = |text: &str| self.families.iter().any(|family| text.starts_with(&format!("{family},")));
        let is_allowed = match call.name {
            "socket" => family(call.arguments),
            "socketpair" => call.arguments.starts_with("AF_UNIX,"),
            name if ADDRESSING.contains(&name) => call.arguments.split("sa_family=").skip(1).all(|address| {
                let is_loopback = address.contains("inet_addr(\"127.") || address.contains("\"::1\"");
                family(address) && (is_loopback || !address.starts_with("AF_INET"))
            }),
            _ => true,
        };
        (!is_allowed).then(|| format!("a connection: {line}"))
    }
}

#[test]
fn each_violation_is_noticed() {
    let folders = [Path::new("/data"), Path::new("/tmp/own")];
    let allowed = Allowed { folders: &folders, families: &["AF_UNIX", "AF_NETLINK", "AF_INET", "AF_INET6"] };
    for line in [
        r#"openat(AT_FDCWD</>, "/etc/passwd", O_RDONLY|O_CLOEXEC) = 3</etc/passwd>"#,
        r#"openat(AT_FDCWD</>, "/proc/self/oom_score_adj", O_WRONLY|O_CREAT, 0666) = 3</proc/1/oom_score_adj>"#,
        r#"openat(AT_FDCWD</data>, "a", O_WRONLY|O_CREAT, 0666) = 3</data/a>"#,
        r#"openat(AT_FDCWD</>, "/dev/null", O_RDWR) = 3</dev/null>"#,
        r#"symlink("/usr", "/data/link") = 0"#,
        r#"unlinkat(9</tmp/own/x>, "y", 0) = 0"#,
        r#"connect(3<socket:[1]>, {sa_family=AF_INET, sin_port=htons(1), sin_addr=inet_addr("127.0.0.1")}, 16) = 0"#,
        r#"bind(3<socket:[1]>, {sa_family=AF_NETLINK, nl_pid=0, nl_groups=00000000}, 12) = 0"#,
        r#"sendto(3<socket:[1]>, "x", 1, MSG_NOSIGNAL, NULL, 0) = 1"#,
        "socketpair(AF_UNIX, SOCK_STREAM, 0, [3, 4]) = 0",
        "--- SIGCHLD {si_signo=SIGCHLD} ---",
    ] {
        assert_eq!(allowed.violation(line), None);
    }
    for line in [
        r#"openat(AT_FDCWD</>, "/data/link/a", O_WRONLY|O_CREAT, 0666) = 3</usr/a>"#,
        r#"openat(AT_FDCWD</home>, "a", O_RDWR|O_CREAT, 0666) = -1 EACCES (Permission denied)"#,
        r#"openat(AT_FDCWD</>, "/tmp/other", O_WRONLY|O_CREAT, 0666 <unfinished ...>"#,
        r#"mkdir("/home/a", 0700) = 0"#,
        r#"rename("/data/a", "/home/a") = 0"#,
        r#"unlinkat(9</home>, "y", 0) = 0"#,
        r#"connect(3<socket:[1]>, {sa_family=AF_INET, sin_port=htons(1), sin_addr=inet_addr("192.0.2.1")}, 16) = 0"#,
        r#"bind(3<socket:[1]>, {sa_family=AF_INET, sin_port=htons(1), sin_addr=inet_addr("0.0.0.0")}, 16) = 0"#,
        r#"connect(3, {sa_family=AF_INET6, sin6_port=htons(1), inet_pton(AF_INET6, "2001:db8::1", &sin6_addr)}, 28) = 0"#,
        "socket(AF_PACKET, SOCK_RAW, 0) = 3",
        "io_uring_setup(8, {flags=0}) = 3",
    ] {
        assert!(allowed.violation(line).is_some(), "{line}");
    }
    let closed = Allowed { folders: &folders, families: &["AF_UNIX"] };
    assert!(closed.violation("socket(AF_INET, SOCK_STREAM, 0) = 3").is_some());
}

/// A program that has run in a namespace without a network.
struct Isolated {
    folder: TempDir,
    output: Output,
    /// One line a system call, with a path or of the network, of all its processes.
    calls: Vec<String>,
}

impl Isolated {
    /// `setup` is a shell command that is run before, in the namespace.
    fn run(setup: &str, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["trace", "tmp", "home", "here", "data", "data/models", "data/lib"] {
            std::fs::create_dir(path(name)).unwrap();
        }
        for name in ["ggml-base-q8_0.bin", "onnx-base-q8_0.safetensors", "ggml-silero-v6.2.0.bin"] {
            for file in [format!("models/{name}"), format!("models/{name}.json")] {
                copy(&repository("data").join(&file), &path("data").join(&file));
            }
        }
        let library = "lib/libonnxruntime.so.1.28.0";
        copy(&repository("data").join(library), &path("data").join(library));

        // A file for each process, in which no call is interrupted by another's.
        let script = format!(
            "{setup} && exec strace -qq -ff -o '{}' -y --seccomp-bpf -e trace=%network,%file,?io_uring_setup -- \"$@\"",
            path("trace/process").display()
        );
        let output = unshare()
            .args(["sh", "-c", &script, "sh", env!("CARGO_BIN_EXE_stenobot")])
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("TMPDIR", path("tmp"))
            .env("HOME", path("home"))
            .env("STENOBOT_DATA_DIR", path("data"))
            .env("STENOBOT_ENGINE", "onnx")
            .env("STENOBOT_THREADS", "2")
            .current_dir(path("here"))
            .stdin(Stdio::null())
            .output()
            .expect("unshare can be run: run `./dev test`, which installs what is missing");
        assert!(output.status.success(), "{output:?}");
        let traces = std::fs::read_dir(path("trace")).unwrap();
        let calls = traces.flat_map(|file| {
            let text = String::from_utf8_lossy(&std::fs::read(file.unwrap().path()).unwrap()).into_owned();
            text.lines().map(str::to_owned).collect::<Vec<_>>()
        });
        Self { calls: calls.collect(), output, folder }
    }

    fn calls(&self, name: &str) -> Vec<Call<'_>> {
        self.calls.iter().filter_map(|line| Call::parse(line)).filter(|call| call.name == name).collect()
    }

    /// It wrote to its own folders only, and used these kinds of sockets, within this machine.
    fn assert_isolated(&self, families: &[&str]) {
        let folders = ["data", "tmp"].map(|name| self.folder.path().join(name));
        let allowed = Allowed { folders: &folders.each_ref().map(PathBuf::as_path), families };
        let violations: Vec<_> = self.calls.iter().filter_map(|line| allowed.violation(line)).collect();
        assert!(violations.is_empty(), "{violations:#?}");
        for folder in ["home", "here", "tmp"] {
            let left = std::fs::read_dir(self.folder.path().join(folder)).unwrap().count();
            assert_eq!(left, 0, "files are left in {folder}");
        }
        let programs = self.calls("execve").into_iter().filter(|call| call.result == "0");
        assert!(
            programs
                .flat_map(|call| call.paths().into_iter().take(1))
                .all(|program| { program == Path::new(env!("CARGO_BIN_EXE_stenobot")) })
        );
        // The trace is one of ONNX Runtime.
        let library = self.folder.path().join("data/lib/libonnxruntime.so.1.28.0");
        let loads = self.calls("openat").into_iter().filter(|call| call.paths() == [&*library]);
        assert!(loads.filter(|call| !call.result.starts_with('-')).count() >= 2, "it is tried and used");
    }
}

/// A link where that is possible, since models are large.
fn copy(from: &Path, to: &Path) {
    assert!(from.exists(), "{} is missing: run `./dev test`", from.display());
    if std::fs::hard_link(from, to).is_err() {
        std::fs::copy(from, to).unwrap();
    }
}

/// `unshare` with the options that this user may use.
fn unshare() -> Command {
    let ways: [&[&str]; 2] = [&["--net"], &["--user", "--map-root-user", "--net"]];
    let is_permitted = |way: &&&[&str]| {
        let tried = Command::new("unshare").args(**way).args(["ip", "link", "set", "lo", "up"]).output();
        tried.is_ok_and(|output| output.status.success())
    };
    let way = ways.iter().find(is_permitted).expect(
        "no network namespace can be made, so that nothing is known of what ONNX Runtime sends: install strace, iproute2 and \
         util-linux, and run this as root, with user namespaces, or in a container with CAP_SYS_ADMIN",
    );
    let mut command = Command::new("unshare");
    command.args(*way);
    command
}

#[test]
fn transcribing_at_the_terminal_opens_no_socket_and_writes_to_its_folders_only() {
    let voice = sample("en-short-01");
    let isolated = Isolated::run("true", &["transcribe", voice.to_str().unwrap()]);
    let text = String::from_utf8_lossy(&isolated.output.stdout);
    assert!(text.contains("keys on the kitchen table"), "{text}");
    isolated.assert_isolated(&["AF_UNIX"]);
}

#[test]
fn a_simulated_bot_talks_to_this_machine_and_writes_to_its_folders_only() {
    let samples = repository("samples");
    let samples = samples.to_str().unwrap();
    let arguments = ["simulate", "--users", "1", "--duration", "3", "--samples", samples, "--json"];
    let isolated = Isolated::run("ip link set lo up", &arguments);
    let report: serde_json::Value = serde_json::from_slice(&isolated.output.stdout).unwrap();
    assert_eq!((&report["sent"], &report["answered"]), (&1.into(), &1.into()), "{report:#}");
    isolated.assert_isolated(&["AF_UNIX", "AF_NETLINK", "AF_INET", "AF_INET6"]);
    assert!(isolated.calls("connect").iter().any(|call| call.arguments.contains("127.0.0.1")), "nothing was traced");
}
