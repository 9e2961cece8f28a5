//! What other users and programs of this machine can see of the bot, and what the bot does not touch.

use std::ffi::{OsStr, OsString};
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use stenobot::config::SETTINGS;
use stenobot_simulator::harness::Simulation;

use crate::recordings::{asset, scripted};
use crate::scene::{Scene, bot_with_engine, stand_in};

const SECRET: &str = "AAE-no-bot-of-anybody-has-this-token";
const TOKEN: &str = "123456789:AAE-no-bot-of-anybody-has-this-token";

/// Every command that reads the configuration, with arguments that let it start.
const COMMANDS: [&[&str]; 11] = [
    &["run"],
    &["doctor"],
    &["doctor", "--json"],
    &["health"],
    &["model", "list"],
    &["stats"],
    &["transcribe", "nothing.ogg"],
    &["backup", "copy.db"],
    &["restore", "copy.db"],
    &["adopt"],
    &["migrate", "sqlite://none.db", "postgres://bot@127.0.0.1:9/none"],
];

/// The program in its own folder, with no variables but those that a test sets. All network connections are refused at
/// once.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let file = self.path().join(name);
        fs::write(&file, text).unwrap();
        file
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stenobot"));
        command
            .args(arguments)
            .current_dir(self.path())
            .env_clear()
            .env("STENOBOT_METRICS_ADDR", "127.0.0.1:0")
            .env("STENOBOT_TELEGRAM_API_URL", "http://127.0.0.1:9")
            .env("STENOBOT_MODEL_BASE_URL", "http://127.0.0.1:9");
        command
    }

    fn run(&self, arguments: &[&str], variables: &[(&str, &OsStr)]) -> Output {
        self.command(arguments).envs(variables.iter().copied()).output().unwrap()
    }
}

/// Asserts that neither the token nor its secret half is printed. Gives the printed failures.
fn keeps_the_secret(what: &str, output: &Output) -> String {
    for said in [&output.stdout, &output.stderr] {
        let said = String::from_utf8_lossy(said);
        assert!(!said.contains(SECRET), "{what} prints the token:\n{said}");
        assert!(!said.contains(&SECRET.to_lowercase()), "{what} prints the token:\n{said}");
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!said.contains("panic") && output.status.code() != Some(101), "{what} panics:\n{said}");
    said
}

#[test]
fn a_variable_that_is_not_utf8_is_not_printed() {
    let place = Place::new();
    let broken = OsString::from_vec([TOKEN.as_bytes(), b"\xff"].concat());
    for command in COMMANDS {
        for variable in ["TELEGRAM_BOT_TOKEN", "TELOXIDE_TOKEN", "STENOBOT_MODEL", "HTTPS_PROXY"] {
            let output = place.run(command, &[(variable, &broken)]);
            let said = keeps_the_secret(&format!("{command:?} with {variable}"), &output);
            let sentence = format!("the environment variable {variable} is not valid UTF-8: set it again");
            let output_text = said + &String::from_utf8_lossy(&output.stdout);
            assert!(output_text.contains(&sentence), "{command:?}: {output_text}");
        }
    }
    // A variable of another program does not concern the bot.
    let output = place.run(&["model", "list"], &[("ANOTHER_TOKEN", &broken)]);
    assert!(output.status.success(), "{}", keeps_the_secret("model list", &output));
    let name = OsString::from_vec(b"STENOBOT_\xff".to_vec());
    let output = place.command(&["model", "list"]).env(name, TOKEN).output().unwrap();
    assert!(keeps_the_secret("a name", &output).contains("is not valid UTF-8"));
}

#[test]
fn a_token_in_a_wrong_place_is_not_printed() {
    let encoded = TOKEN.replace(':', "%3A");
    let place = Place::new();
    for setting in SETTINGS {
        let variable = format!("STENOBOT_{}", setting.key.to_ascii_uppercase());
        for value in [TOKEN.to_owned(), format!("ftp://host/bot{TOKEN}"), format!("https://host/bot{encoded}/x")] {
            let output = place.run(&["stats"], &[(&variable, value.as_ref())]);
            let said = keeps_the_secret(&format!("{variable}={value}"), &output);
            assert!(said.contains(setting.key), "{said}");
            assert_eq!(output.status.code(), Some(1), "{variable}={value}");
        }
    }
    let address = format!("https://api.telegram.org/bot{TOKEN}");
    for command in COMMANDS {
        let output = place.run(command, &[("STENOBOT_TELEGRAM_API_URL", address.as_ref())]);
        let said = keeps_the_secret(&format!("{command:?}"), &output) + &String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("telegram_api_url holds a bot token: take it out there"), "{command:?}: {said}");
        // The secret half alone is recognised where the token itself is set.
        let known = [("STENOBOT_MODEL", OsStr::new(SECRET)), ("TELOXIDE_TOKEN", TOKEN.as_ref())];
        let output = place.run(command, &known);
        let said = keeps_the_secret(&format!("{command:?}"), &output) + &String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("model holds a bot token"), "{command:?}: {said}");
    }
    for variable in ["HTTPS_PROXY", "ALL_PROXY", &format!("STENOBOT_{TOKEN}"), TOKEN] {
        keeps_the_secret(variable, &place.run(&["doctor"], &[(variable, TOKEN.as_ref())]));
    }
}

#[test]
fn a_token_or_a_password_in_a_broken_file_is_not_printed() {
    for (name, text) in [
        (".env", format!("TELEGRAM_BOT_TOKEN {TOKEN}\n")),
        (".env", format!("STENOBOT_MODEL={TOKEN}\n")),
        (".env", format!("STENOBOT_TELEGRAM_BOT_TOKEN={TOKEN}\n")),
        ("stenobot.toml", format!("telegram_bot_token = {TOKEN}\n")),
        ("stenobot.toml", format!("telegram_bot_token = \"{TOKEN}\"\n")),
        ("stenobot.toml", format!("model = [\"{TOKEN}\"]\n")),
        ("stenobot.toml", format!("max_queue_size = \"{TOKEN}\"\n")),
        ("stenobot.toml", format!("proxy_url = http://me:{SECRET}@host:1\n")),
        ("stenobot.toml", format!("telegram_api_url = \"ftp://me:{SECRET}@host:1\"\n")),
    ] {
        let place = Place::new();
        place.write(name, &text);
        for command in [&["stats"][..], &["doctor"]] {
            // Variables override the file.
            let output = place.command(command).env_remove("STENOBOT_TELEGRAM_API_URL").output().unwrap();
            keeps_the_secret(&format!("{command:?} with {name}: {text}"), &output);
            assert_eq!(output.status.code(), Some(1), "{text}");
        }
    }
    let place = Place::new();
    place.write(".env", &format!("TELEGRAM_BOT_TOKEN={TOKEN}\n"));
    let output = place.run(&["--config", ".env", "stats"], &[]);
    let said = keeps_the_secret("--config .env", &output);
    assert!(said.starts_with("stenobot: configuration cannot be read"), "{said}");
}

#[test]
fn a_token_among_the_arguments_is_refused_and_not_printed() {
    let place = Place::new();
    let address = format!("--telegram-api-url=https://api.telegram.org/bot{TOKEN}");
    let url = format!("http://127.0.0.1:9/{TOKEN}");
    for arguments in [
        &[TOKEN][..],
        &["run", TOKEN],
        &["--model", TOKEN, "stats"],
        &[&address, "doctor"],
        &["health", "--url", &url],
        &["transcribe", TOKEN],
        &["--config", TOKEN, "run"],
    ] {
        let output = place.run(arguments, &[]);
        let said = keeps_the_secret(&format!("{arguments:?}"), &output);
        assert!(said.starts_with("stenobot: an argument holds a bot token"), "{arguments:?}: {said}");
        assert_eq!(output.status.code(), Some(1));
    }
    for arguments in [&["stats", SECRET][..], &[SECRET], &["transcribe", SECRET]] {
        let output = place.run(arguments, &[("TELEGRAM_BOT_TOKEN", TOKEN.as_ref())]);
        keeps_the_secret(&format!("{arguments:?}"), &output);
    }
    // clap's messages about other arguments are unchanged.
    let output = place.run(&["walk"], &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("unrecognized subcommand 'walk'"));
    assert!(place.run(&["--help"], &[]).status.success());
}

/// Runs as an unprivileged user where this test runs as root, who may read everything.
fn unprivileged(program: &OsStr) -> Command {
    if !rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]).arg(program);
    command
}

/// Whether another process of the same user can read the variables of this one.
fn is_readable(process: &Child) -> bool {
    let file = format!("/proc/{}/environ", process.id());
    let output = unprivileged(OsStr::new("cat")).arg(file).stderr(Stdio::null()).output().unwrap();
    String::from_utf8_lossy(&output.stdout).contains(SECRET)
}

#[test]
fn the_variables_of_a_command_are_not_shown_to_other_processes() {
    let place = Place::new();
    let program = place.path().join("stenobot");
    fs::hard_link(env!("CARGO_BIN_EXE_stenobot"), &program)
        .or_else(|_| fs::copy(env!("CARGO_BIN_EXE_stenobot"), &program).map(drop))
        .unwrap();
    fs::set_permissions(place.path(), Permissions::from_mode(0o777)).unwrap();
    let fifo = place.path().join(".env");
    assert!(Command::new("mkfifo").args(["-m", "666"]).arg(&fifo).status().unwrap().success());
    // Checks the method itself: an unprotected program can be read.
    let mut sleeper = unprivileged(OsStr::new("cat"))
        .env_clear()
        .env("TOKEN", TOKEN)
        .env("PATH", "/usr/bin:/bin")
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    while fs::read_link(format!("/proc/{}/exe", sleeper.id())).is_ok_and(|exe| !exe.ends_with("cat")) {
        std::thread::yield_now();
    }
    let shown = is_readable(&sleeper);
    drop(sleeper.stdin.take());
    sleeper.wait().unwrap();
    assert!(shown, "this test cannot tell");
    for command in COMMANDS {
        let mut process = unprivileged(program.as_os_str())
            .args(command)
            .current_dir(place.path())
            .env_clear()
            .envs([("TELEGRAM_BOT_TOKEN", TOKEN), ("PATH", "/usr/bin:/bin"), ("STENOBOT_METRICS_ADDR", "127.0.0.1:0")])
            .env("STENOBOT_TELEGRAM_API_URL", "http://127.0.0.1:9")
            .env("STENOBOT_MODEL_BASE_URL", "http://127.0.0.1:9")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // The program reads its configuration, a pipe, and waits for what this test writes.
        let mut configuration = fs::File::options().write(true).open(&fifo).unwrap();
        let shown = is_readable(&process);
        // Ends every command before it does anything else.
        configuration.write_all(b"no variable\n").unwrap();
        drop(configuration);
        assert!(!process.wait().unwrap().success(), "{command:?}");
        assert!(!shown, "the variables of {command:?} are shown");
    }
}

#[test]
fn every_command_makes_files_for_its_user_alone() {
    const LEGACY: &str = "
        CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL);
        CREATE TABLE users (id INTEGER NOT NULL, telegram_id INTEGER NOT NULL, username VARCHAR(255),
            first_name VARCHAR(255), last_name VARCHAR(255), daily_quota_seconds INTEGER NOT NULL,
            is_unlimited BOOLEAN NOT NULL, today_usage_seconds INTEGER NOT NULL, last_reset_date DATE NOT NULL,
            total_usage_seconds INTEGER NOT NULL, created_at DATETIME NOT NULL, updated_at DATETIME NOT NULL,
            PRIMARY KEY (id));
        CREATE TABLE usage (id INTEGER NOT NULL, user_id INTEGER NOT NULL, voice_duration_seconds INTEGER NOT NULL,
            voice_file_id VARCHAR(255) NOT NULL, transcription_text TEXT NOT NULL, processing_time_seconds FLOAT,
            model_size VARCHAR(50) NOT NULL, language VARCHAR(10), created_at DATETIME NOT NULL, PRIMARY KEY (id));
        INSERT INTO users VALUES (1, 42, 'anna', 'Anna', NULL, 60, 0, 12, '2025-10-20', 42, '2025-10-14', '2025-10-20');";
    let place = Place::new();
    let old = place.path().join("old.db");
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let options = SqliteConnectOptions::new().filename(&old).create_if_missing(true);
        sqlx::raw_sql(LEGACY).execute(&mut options.connect().await.unwrap()).await.unwrap();
    });
    let detector = asset("data/models/ggml-silero-v6.2.0.bin");
    let detector = detector.to_str().unwrap();
    for (folder, arguments) in [
        ("imported", &["import-legacy", "old.db"][..]),
        ("adopted", &["adopt"]),
        ("adopted", &["backup", "adopted/copy.db"]),
        ("restored", &["restore", "adopted/copy.db"]),
        ("models", &["model", "import", detector]),
        // Fails at Telegram, which is unreachable, after all folders are made.
        ("run", &["run"]),
    ] {
        // As under a service manager or shell with a permissive umask.
        let output = Command::new("sh")
            .args(["-c", "umask 000; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_stenobot")])
            .args(arguments)
            .current_dir(place.path())
            .env_clear()
            .envs([
                ("TELEGRAM_BOT_TOKEN", TOKEN),
                ("STENOBOT_DATA_DIR", folder),
                ("STENOBOT_METRICS_ADDR", "127.0.0.1:0"),
            ])
            .env("STENOBOT_TELEGRAM_API_URL", "http://127.0.0.1:9")
            .env("STENOBOT_MODEL_BASE_URL", "http://127.0.0.1:9")
            .env("STENOBOT_MODEL", "there-is-no-such-model")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() || arguments == ["run"], "{arguments:?}: {said}");
        let made = check_rights(&place.path().join(folder));
        assert!(made > 0, "{arguments:?} makes nothing: {said}");
    }
}

/// Asserts that everything below `folder` is accessible to this user only; gives the number of files.
fn check_rights(folder: &Path) -> usize {
    assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o077, 0, "{}", folder.display());
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = paths.map(|path| match path.is_dir() {
        true => check_rights(&path),
        false => {
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o077, 0, "{}", path.display());
            1
        }
    });
    files.sum()
}

#[tokio::test]
async fn two_bots_do_not_share_a_database() {
    let mut scene = Scene::of(Simulation::start(bot_with_engine(&stand_in(), &[])).await.unwrap());
    let token = scene.api().token().to_owned();
    let store = scene.bot.store();
    let second = tokio::task::spawn_blocking(move || {
        let place = Place::new();
        symlink(&store, place.path().join("link.db")).unwrap();
        let database = store.to_str().unwrap();
        let sentence = "another stenobot, with another data folder, uses this database: stop it, or give this one a \
                        database_url of its own";
        for (other, command) in [
            (database, &["run"][..]),
            ("link.db", &["run"]),
            ("link.db", &["adopt"]),
            ("link.db", &["restore", "no-copy.db"]),
            ("link.db", &["migrate", "sqlite:link.db", "postgres://bot@127.0.0.1:9/none"]),
            ("link.db", &["doctor"]),
        ] {
            let url = format!("sqlite:{other}");
            let variables = [
                ("TELEGRAM_BOT_TOKEN", OsStr::new(&token)),
                ("STENOBOT_DATABASE_URL", url.as_ref()),
                ("STENOBOT_DATA_DIR", "own".as_ref()),
            ];
            let output = place.run(command, &variables);
            assert_eq!(output.status.code(), Some(1), "{command:?}");
            let said = if command == ["doctor"] { &output.stdout } else { &output.stderr };
            let said = String::from_utf8_lossy(said);
            assert!(said.trim_end().ends_with(sentence) || command == ["doctor"] && said.contains(sentence), "{said}");
        }
    });
    second.await.unwrap();
    let sent = scene.send_voice(&scripted(3, "say ничего не случилось"));
    assert_eq!(scene.text(&sent).await, "ничего не случилось");
    scene.shut_down().await;
}
