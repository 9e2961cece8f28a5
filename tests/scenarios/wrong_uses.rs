//! Commands that are used wrongly: each says one true sentence and leaves nothing behind.

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use stenobot_domain::Clock;
use stenobot_store::{Store, StoreUrl};
use tokio::time::Instant;

use crate::terminal::{TOKEN, one_sentence, stenobot};

/// Names of the files in a folder, in order.
fn names(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[tokio::test]
async fn commands_before_the_first_start_say_so_and_leave_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("note.txt"), "no database").unwrap();
    let mut other = SqliteConnectOptions::new()
        .filename(folder.path().join("other.db"))
        .create_if_missing(true)
        .connect()
        .await
        .unwrap();
    sqlx::query("CREATE TABLE a (b)").execute(&mut other).await.unwrap();
    drop(other);
    let absolute = folder.path().join("nowhere.bin");
    let (absolute, variables) = (absolute.to_str().unwrap(), [("TELEGRAM_BOT_TOKEN", TOKEN)]);
    let no_file = format!("there is no file or folder {absolute}");
    for (arguments, sentence) in [
        (vec!["backup", "copy.db"], "there is no store yet, so nothing to copy: the bot's first start makes it"),
        (vec!["restore", "nowhere.db"], "nowhere.db cannot be used: there is no such file"),
        (vec!["restore", "note.txt"], "note.txt cannot be used: it is damaged or is no SQLite database"),
        (vec!["restore", "other.db"], "other.db cannot be used: it is no store of stenobot"),
        (
            vec!["import-legacy", "nowhere.db"],
            "cannot import nowhere.db: the file cannot be used: there is no such file",
        ),
        (
            vec!["import-legacy", "note.txt"],
            "cannot import note.txt: the file cannot be used: it is damaged or is no SQLite database",
        ),
        (
            vec!["import-legacy", "other.db"],
            "cannot import other.db: the file is no database of the predecessor: it has no alembic_version table",
        ),
        (vec!["model", "import", absolute], &no_file),
        (vec!["model", "import", "note.txt"], "note.txt cannot be used: it does not begin like a ggml model"),
        (vec!["migrate", "sqlite://a.db", "postgres://127.0.0.1:1/x"], "there is no store at sqlite://a.db"),
        (vec!["stats"], "there is no store yet: nothing has been sent to this bot"),
        (vec!["transcribe", "."], ".: it is a folder, not a file: name the recordings in it"),
        (vec!["transcribe", "nowhere.ogg"], "nowhere.ogg: there is no such file"),
        (
            vec!["health", "--url", "http://127.0.0.1:1"],
            "no bot answers at http://127.0.0.1:1/readyz (connection refused): start it, or give --url",
        ),
    ] {
        one_sentence(&stenobot(folder.path(), &arguments, &variables), sentence);
        assert_eq!(names(folder.path()), ["note.txt", "other.db"], "{arguments:?}");
    }
}

#[tokio::test]
async fn a_store_is_backed_up_to_another_file_only_and_restored_twice_in_a_moment() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    Store::open(&StoreUrl::sqlite(data.join("stenobot.db")), Clock::System).await.unwrap().close().await;
    let run = |arguments: &[&str]| stenobot(folder.path(), arguments, &[]);
    one_sentence(
        &run(&["backup", "--force", "data/../data/stenobot.db"]),
        "that file is the store itself: give another name",
    );
    assert_eq!(names(&data), ["stenobot.db"]);
    assert!(run(&["backup", "copy.db"]).status.success());
    for count in 1..=3 {
        let restored = run(&["restore", "copy.db"]);
        assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
        let kept = names(&data).into_iter().filter(|name| name.starts_with("stenobot.db.before-restore-")).count();
        assert_eq!(kept, count);
    }
}

#[test]
fn a_host_of_models_without_an_answer_is_given_up_within_15_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let never = format!("http://{}", silent.local_addr().unwrap());
    for (url, why) in [
        (never.as_str(), "127.0.0.1 cannot be reached: no answer in time"),
        ("http://127.0.0.1:1", "127.0.0.1 cannot be reached: connection refused"),
        ("http://nowhere.invalid", "nowhere.invalid cannot be reached: its name is not found: "),
    ] {
        let started = Instant::now();
        let output = stenobot(folder.path(), &["model", "pull", "tiny"], &[("STENOBOT_MODEL_BASE_URL", url)]);
        let said = String::from_utf8_lossy(&output.stderr);
        let sentence = said.lines().last().unwrap();
        assert!(sentence.starts_with(&format!("stenobot: tiny cannot be downloaded: {why}")), "{said}");
        assert!(sentence.ends_with("; check the network, model_base_url and the proxy, if there is one"), "{said}");
        assert!(started.elapsed() < Duration::from_secs(15), "{url}: {:?}", started.elapsed());
        assert_eq!((output.status.code(), names(folder.path())), (Some(1), Vec::new()));
    }
}

#[test]
fn settings_are_shown_with_their_origins_and_without_secrets() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("stenobot.toml"), "# mine\nthreads = 3\n").unwrap();
    std::fs::write(folder.path().join(".env"), format!("TELEGRAM_BOT_TOKEN={TOKEN}\nSTENOBOT_LANGUAGE=ru\n")).unwrap();
    let variables = [("STENOBOT_PROXY_URL", "http://me:verborgen@p:1")];
    let arguments = ["config", "show", "--max-queue-size", "7"];
    let output = stenobot(folder.path(), &arguments, &variables);
    let text = String::from_utf8(output.stdout).unwrap();
    let line = |key: &str| {
        let line = text.lines().find(|line| line.starts_with(&format!("{key} = "))).unwrap();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert!(text.starts_with("# the token is set: TELEGRAM_BOT_TOKEN in .env\n"), "{text}");
    assert_eq!(line("threads"), "threads = 3 # stenobot.toml:2");
    assert_eq!(line("language"), "language = \"ru\" # STENOBOT_LANGUAGE in .env");
    assert_eq!(line("max_queue_size"), "max_queue_size = 7 # --max-queue-size");
    assert_eq!(line("model"), "model = \"base-q8_0\" # default");
    let proxy = "proxy_url = \"http://<hidden>@p:1\" # STENOBOT_PROXY_URL in the environment";
    assert_eq!(line("proxy_url"), proxy);
    // The output is a configuration file.
    std::fs::write(folder.path().join("shown.toml"), &text).unwrap();
    let again = stenobot(folder.path(), &["--config", "shown.toml", "config", "show", "--json"], &[]);
    let json: serde_json::Value = serde_json::from_slice(&again.stdout).unwrap();
    let of = |key: &str| json["settings"].as_array().unwrap().iter().find(|shown| shown["key"] == key).unwrap().clone();
    assert_eq!((&of("threads")["value"], &of("threads")["origin"]["kind"]), (&3.into(), &"file".into()));
    assert_eq!(json["token"]["is_set"], true);
    for output in [&text, &json.to_string()] {
        assert!(!output.contains(TOKEN) && !output.contains("verborgen"), "{output}");
    }
}

#[test]
fn completions_and_manual_pages_name_the_settings_of_each_command() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = stenobot(folder.path(), &["completions", shell], &[]);
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(script.contains("max-queue-size") && !script.contains("bench-engine"), "{shell}");
    }
    assert!(stenobot(folder.path(), &["man", "pages"], &[]).status.success());
    let page = |name: &str| std::fs::read_to_string(folder.path().join("pages").join(name)).unwrap();
    assert!(page("stenobot-run.1").contains("STENOBOT_MAX_QUEUE_SIZE"));
    assert!(!page("stenobot-stats.1").contains("max\\-queue\\-size"));
    let version = stenobot(folder.path(), &["--version"], &[]);
    assert!(String::from_utf8(version.stdout).unwrap().starts_with("stenobot 0."));
}
