//! `stenobot doctor`, `stenobot health`, and starts that fail for the same reasons with the same sentences.

mod postgres;
mod setup;

use std::fs::Permissions;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use stenobot_domain::{Clock, UserId};
use stenobot_simulator::harness::Simulation;
use stenobot_simulator::server::{BotApi, Settings};
use stenobot_store::{Store, StoreUrl};

use self::setup::{TestSetup, unused_address};
use crate::recordings::{asset, scripted};
use crate::scene::{Scene, bot_with_engine, stand_in};

#[tokio::test]
async fn a_valid_setup_passes_and_is_not_changed() {
    let setup = TestSetup::good().await;
    let report = setup.doctor().await;
    assert_eq!(report.lines.len(), 19);
    for (check, (verdict, text)) in &report.lines {
        // Free space and memory depend on the machine that runs the tests.
        let of_the_machine = ["disk", "memory", "open files"].contains(&check.as_str());
        assert!(verdict == "ok" || of_the_machine && verdict == "warning", "{check} {verdict}: {text}");
    }
    let (_, memory) = report.line("memory");
    assert!(
        memory.starts_with("bot 25 MiB + 2 x probe 72 MiB + 1 x engine (105 MiB model + 94 MiB work) = 368 MiB of "),
        "{memory}"
    );
    let mut left: Vec<_> = std::fs::read_dir(setup.data()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["lib", "models"]);
    let (_, engine) = report.line("engine");
    assert!(
        engine.starts_with("ONNX Runtime 1.28.0, ") && engine.ends_with("/lib/libonnxruntime.so.1.28.0"),
        "{engine}"
    );

    let output = setup.run(&["doctor"]).await;
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 20, "{text}");
    assert!(lines[19].ends_with(", 0 failed") && !text.contains('\u{1b}'), "{text}");
}

#[tokio::test]
async fn a_missing_or_wrong_token_is_refused() {
    let mut setup = TestSetup::good().await;
    setup.set("TELEGRAM_BOT_TOKEN", "123456789:AAE-no-bot-of-anybody-has-this-token");
    let sentence = "Telegram does not accept the token: take the current one from @BotFather";
    setup.assert_failure("token", sentence).await;
    assert_eq!(setup.doctor().await.failed(), ["token"]);

    setup.variables.remove("TELEGRAM_BOT_TOKEN");
    let sentence = "no token: get one from @BotFather on Telegram (https://t.me/BotFather) and set TELEGRAM_BOT_TOKEN";
    setup.assert_failure("token", sentence).await;
    assert_eq!(setup.doctor().await.failed(), ["token"]);
}

#[tokio::test]
async fn a_file_size_above_the_servers_limit_is_reported() {
    let mut setup = TestSetup::good().await;
    setup.set("STENOBOT_MAX_FILE_SIZE_BYTES", "52428800");
    let (verdict, text) = setup.doctor().await.line("configuration");
    assert_eq!(verdict, "warning");
    assert!(text.starts_with("max_file_size_bytes = 52428800, but") && text.contains("over 20971520 bytes"), "{text}");
    setup.set("STENOBOT_TELEGRAM_LOCAL_DIR", setup.data().to_str().unwrap());
    assert_eq!(setup.doctor().await.line("configuration").0, "ok");
}

#[tokio::test]
async fn whether_accounts_can_be_connected_is_reported_where_some_are_served() {
    let mut setup = TestSetup::good().await;
    setup.set("STENOBOT_OWNER_ACCOUNTS", "7000000001");
    assert_eq!(setup.doctor().await.line("own accounts").0, "ok");
    setup.api = BotApi::start(Settings { business_mode: false, ..Settings::default() }).await.unwrap();
    setup.set("TELEGRAM_BOT_TOKEN", setup.api.token().to_owned());
    setup.set("STENOBOT_TELEGRAM_API_URL", setup.api.url().to_string());
    let (verdict, text) = setup.doctor().await.line("own accounts");
    assert_eq!(verdict, "warning");
    assert!(text.contains("allow it at @BotFather"), "{text}");
}

#[tokio::test]
async fn whether_the_bot_can_be_called_as_a_guest_is_reported_where_calls_are_answered() {
    let mut setup = TestSetup::good().await;
    setup.set("STENOBOT_GUEST_MODE", "on");
    assert_eq!(setup.doctor().await.line("guest mode").0, "ok");
    setup.api = BotApi::start(Settings { guest_mode: false, ..Settings::default() }).await.unwrap();
    setup.set("TELEGRAM_BOT_TOKEN", setup.api.token().to_owned());
    setup.set("STENOBOT_TELEGRAM_API_URL", setup.api.url().to_string());
    let (verdict, text) = setup.doctor().await.line("guest mode");
    assert_eq!(verdict, "warning");
    assert!(text.contains("allow it at @BotFather"), "{text}");
}

#[tokio::test]
async fn an_unreachable_server_and_a_webhook_are_reported() {
    let mut setup = TestSetup::good().await;
    setup.api.set_webhook("https://example.org/hook");
    let report = setup.doctor().await;
    assert_eq!(report.failed(), ["updates"]);
    let sentence = "another program receives this bot's updates: stop it, or remove its webhook";
    assert_eq!(report.line("updates").1, sentence);

    setup.set("STENOBOT_TELEGRAM_API_URL", format!("http://{}", unused_address()));
    let report = setup.doctor().await;
    assert_eq!(report.failed(), ["api"]);
    let sentence = "the Bot API server cannot be reached: no connection; check the network and telegram_api_url";
    assert_eq!(report.line("api").1, sentence);
}

#[tokio::test]
async fn a_webhook_is_checked_together_with_its_address() {
    let mut setup = TestSetup::good().await;
    let addr = unused_address();
    let url = format!("http://{addr}/hook");
    setup.set("STENOBOT_WEBHOOK_URL", &url);
    setup.set("STENOBOT_WEBHOOK_ADDR", addr.to_string());
    let wanted = format!("no webhook is set: the bot sets it; {addr} is free");
    assert_eq!(setup.doctor().await.line("updates"), ("ok".to_owned(), wanted));
    setup.api.set_webhook(&url);
    let wanted = format!("Telegram sends them to 127.0.0.1, 0 wait; {addr} is free");
    assert_eq!(setup.doctor().await.line("updates"), ("ok".to_owned(), wanted));

    let _taken = TcpListener::bind(addr).unwrap();
    let report = setup.doctor().await;
    assert_eq!(report.failed(), ["updates"]);
    let beginning = format!("webhook_addr = {addr} cannot be used");
    assert!(report.line("updates").1.starts_with(&beginning), "{:?}", report.line("updates"));
}

#[tokio::test]
async fn the_proxy_is_reported_without_its_password() {
    let mut setup = TestSetup::good().await;
    assert_eq!(setup.doctor().await.line("proxy").1, "none is set: servers are reached directly");

    let proxy = unused_address();
    setup.set("HTTP_PROXY", format!("socks5h://stenobot:verborgen@{proxy}"));
    let report = setup.doctor().await;
    assert_eq!(report.failed(), [""; 0]);
    assert_eq!(report.line("proxy").1, "127.0.0.1 is reached directly");

    setup.set("STENOBOT_TELEGRAM_API_URL", "http://bot-api.test");
    let report = setup.doctor().await;
    let named = format!("socks5h://{proxy} (HTTP_PROXY, with a password)");
    assert_eq!(report.line("proxy").1, format!("bot-api.test is reached through {named}, 127.0.0.1 directly"));
    let sentence =
        "the Bot API server cannot be reached: no connection; check the network, telegram_api_url and the proxy";
    assert_eq!(report.line("api").1, format!("{sentence} {named}"));

    setup.set("HTTP_PROXY", "socks4://stenobot:verborgen@127.0.0.1:1080");
    let sentence = "HTTP_PROXY names a proxy of the kind socks4, which is not supported: give http://, https://, \
                    socks5:// or socks5h:// and [USER:PASSWORD@]HOST[:PORT]";
    setup.assert_failure("configuration", sentence).await;
}

#[tokio::test]
async fn a_missing_and_a_damaged_model_are_reported() {
    let mut setup = TestSetup::good().await;
    let models = setup.own_models();
    let report = setup.doctor().await;
    assert_eq!(report.failed(), ["detector", "model"]);
    assert!(report.line("detector").1.starts_with("silero-v6.2.0 is neither here nor to be downloaded now"));
    assert!(report.line("model").1.starts_with("base-q8_0 is neither here nor to be downloaded now"));

    // An imported model is known by the record beside it.
    for name in ["ggml-silero-v6.2.0.bin", "ggml-silero-v6.2.0.bin.json"] {
        std::fs::copy(asset(&format!("data/models/{name}")), models.join(name)).unwrap();
    }
    let mut bytes = std::fs::read(asset("data/models/ggml-base-q8_0.bin")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(models.join("ggml-base-q8_0.bin"), bytes).unwrap();
    let report = setup.doctor().await;
    assert_eq!(report.failed(), ["model"]);
    let (_, text) = report.line("model");
    assert!(text.starts_with("ggml-base-q8_0.bin is damaged or was replaced: its hash is "), "{text}");

    setup.set("STENOBOT_MODEL", "nobody-knows-this");
    setup
        .assert_failure(
            "model",
            "there is no model named nobody-knows-this; `stenobot model list` shows those there are",
        )
        .await;
}

#[tokio::test]
async fn a_data_path_that_is_no_folder_fails() {
    let mut setup = TestSetup::good().await;
    let file = setup.folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    setup.set("STENOBOT_DATA_DIR", file.to_str().unwrap());
    let sentence = "the data folder cannot be used: File exists (os error 17); make it writable for this user or set \
                    another data_dir";
    setup.assert_failure("data folder", sentence).await;
}

#[tokio::test]
async fn a_foreign_audio_folder_fails_and_is_not_changed() {
    let setup = TestSetup::good().await;
    let audio = setup.data().join("audio");
    std::fs::create_dir(&audio).unwrap();
    let refuses = async |name: &str| {
        let sentence = format!(
            "the folder audio in the data folder holds {name:?}, which is not the bot's, and the bot removes recordings \
             there by itself: move it away, or set another data_dir"
        );
        setup.assert_failure("data folder", &sentence).await;
    };
    let song = audio.join("song.mp3");
    std::fs::write(&song, "music").unwrap();
    refuses("song.mp3").await;
    std::fs::remove_file(&song).unwrap();
    for name in ["01.audio", "1.audio.part", "-1.audio", ".audio", "1.AUDIO"] {
        std::fs::write(audio.join(name), "music").unwrap();
        refuses(name).await;
        std::fs::remove_file(audio.join(name)).unwrap();
    }
    symlink("/etc/hostname", audio.join("1.audio")).unwrap();
    refuses("1.audio").await;
    std::fs::remove_file(audio.join("1.audio")).unwrap();

    std::fs::write(audio.join("1.audio"), "music").unwrap();
    let sentence = "the folder audio in the data folder holds \"1.audio\", but there is no store of a bot that made it: \
                    move it away, or set another data_dir";
    setup.assert_failure("data folder", sentence).await;
    assert_eq!(std::fs::read_to_string(audio.join("1.audio")).unwrap(), "music");

    let elsewhere = setup.folder.path().join("music");
    std::fs::rename(&audio, &elsewhere).unwrap();
    symlink(&elsewhere, &audio).unwrap();
    let sentence =
        "audio in the data folder is no folder of its own (a link is none): remove it, or set another data_dir";
    setup.assert_failure("data folder", sentence).await;
    assert_eq!(std::fs::read_to_string(elsewhere.join("1.audio")).unwrap(), "music");
}

#[tokio::test]
async fn a_store_or_a_token_readable_by_others_is_reported() {
    let setup = TestSetup::good().await;
    let database = setup.data().join("stenobot.db");
    Store::open(&StoreUrl::sqlite(&database), Clock::System).await.unwrap().close().await;
    let rights = |path: &Path, mode| std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    for mode in [0o640, 0o604] {
        rights(&database, mode);
        let report = setup.doctor().await;
        assert_eq!(report.failed(), ["journal"]);
        let sentence = "other users of this machine can read the store, which holds names: `chmod 600 ";
        assert_eq!(report.line("journal").1, format!("{sentence}{}`", database.display()));
    }
    rights(&setup.data(), 0o755);
    let (_, text) = setup.doctor().await.line("journal");
    assert!(text.ends_with(&format!("` and `chmod 700 {}`", setup.data().display())), "{text}");
    rights(&database, 0o600);
    let report = setup.doctor().await;
    assert_eq!(report.failed(), [""; 0]);
    assert_eq!(report.line("data folder").0, "warning");

    assert_eq!(report.line(".env").0, "ok");
    let dotenv = setup.folder.path().join(".env");
    std::fs::write(&dotenv, "TELOXIDE_TOKEN=1:no\n").unwrap();
    rights(&dotenv, 0o644);
    let sentence = "other users of this machine can read the token in .env: `chmod 600 .env`";
    assert_eq!(setup.doctor().await.line(".env"), ("warning".to_owned(), sentence.to_owned()));
    rights(&dotenv, 0o600);
    assert_eq!(setup.doctor().await.line(".env").0, "ok");
}

#[tokio::test]
async fn a_store_of_another_bot_fails_until_it_is_adopted() {
    let setup = TestSetup::good().await;
    let database = setup.data().join("stenobot.db");
    let store = Store::open(&StoreUrl::sqlite(&database), Clock::System).await.unwrap();
    store.belongs_to(UserId(7_000_000_002)).await.unwrap();
    store.close().await;
    std::fs::set_permissions(&database, Permissions::from_mode(0o600)).unwrap();
    let sentence = "the store belongs to the bot 7000000002, and the token is that of the bot 7000000001: set the token \
                    of 7000000002, or give this bot a data_dir of its own; `stenobot adopt` hands the store over and \
                    ends what waits in it";
    setup.assert_failure("journal", sentence).await;

    let adopted = setup.run(&["adopt"]).await;
    let said = String::from_utf8(adopted.stdout).unwrap();
    assert!(said.starts_with("the store was the bot 7000000002's and is now the bot 7000000001's\n"), "{said}");
    assert_eq!(setup.doctor().await.line("journal").0, "ok");
}

#[tokio::test]
async fn control_characters_of_a_server_do_not_reach_the_terminal() {
    let settings =
        Settings { username: "bot\u{1b}[2J\nok      token          all is well".into(), ..Settings::default() };
    let mut setup = TestSetup::good().await;
    setup.api = BotApi::start(settings).await.unwrap();
    setup.set("TELEGRAM_BOT_TOKEN", setup.api.token().to_owned());
    setup.set("STENOBOT_TELEGRAM_API_URL", setup.api.url().to_string());
    let output = setup.run(&["doctor"]).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains(r"accepted: @bot\u001b[2J\nok"), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
}

async fn create_newer_store(path: &Path) {
    Store::open(&StoreUrl::sqlite(path), Clock::System).await.unwrap().close().await;
    std::fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
    let mut connection = SqliteConnectOptions::new().filename(path).connect().await.unwrap();
    let migration = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                     VALUES (9999, 'later', 1, x'00', 0)";
    sqlx::query(migration).execute(&mut connection).await.unwrap();
}

#[tokio::test]
async fn a_store_of_a_newer_version_fails() {
    let setup = TestSetup::good().await;
    create_newer_store(&setup.data().join("stenobot.db")).await;
    let sentence = "the store could not be migrated: a newer version wrote it (schema 9999 is unknown here); run \
                    that version again, or restore a backup";
    setup.assert_failure("journal", sentence).await;
}

#[tokio::test]
async fn a_store_that_is_no_database_is_reported() {
    let setup = TestSetup::good().await;
    let database = setup.data().join("stenobot.db");
    std::fs::write(&database, "a shopping list, and no database at all".repeat(100)).unwrap();
    std::fs::set_permissions(&database, Permissions::from_mode(0o600)).unwrap();
    let sentence = "the store is damaged or is no SQLite database: put a backup back with `stenobot restore FILE`, \
                    or set another database_url";
    setup.assert_failure("journal", sentence).await;
}

#[tokio::test]
async fn a_port_in_use_fails() {
    let mut setup = TestSetup::good().await;
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let addr = taken.local_addr().unwrap();
    setup.set("STENOBOT_METRICS_ADDR", addr.to_string());
    let sentence = format!(
        "metrics_addr = {addr} cannot be used (Address already in use (os error 98)); set another, or stop what uses it"
    );
    setup.assert_failure("metrics", &sentence).await;
}

#[tokio::test]
async fn a_running_bot_is_checked_without_disturbing_it() {
    let mut scene = Scene::of(Simulation::start(bot_with_engine(&stand_in(), &[])).await.unwrap());
    let mut setup = TestSetup::good().await;
    setup.set("TELEGRAM_BOT_TOKEN", scene.api().token());
    setup.set("STENOBOT_TELEGRAM_API_URL", scene.api().url().as_str());
    setup.set("STENOBOT_DATA_DIR", scene.bot.data().to_str().unwrap());
    setup.set("STENOBOT_METRICS_ADDR", scene.bot.metrics_addr().to_string());

    let report = setup.doctor().await;
    assert_eq!(report.failed(), [""; 0]);
    assert!(report.line("data folder").1.contains("the bot is running"));
    assert!(report.line("metrics").1.ends_with("is served by the running bot"));
    assert!(report.line("journal").1.starts_with("sound, up to date"));

    let sent = scene.send_voice(&scripted(3, "say всё хорошо"));
    assert_eq!(scene.text(&sent).await, "всё хорошо");
    let health = async |arguments: &[&str]| {
        let output = setup.run(arguments).await;
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(health(&["health"]).await, (Some(0), "ready\n".to_owned()));
    assert_eq!(health(&["health", "--live"]).await, (Some(0), "ok\n".to_owned()));
    let url = format!("http://{}", scene.bot.metrics_addr());
    assert_eq!(health(&["health", "--url", &url]).await, (Some(0), "ready\n".to_owned()));
    scene.shut_down().await;
    let (code, said) = health(&["health"]).await;
    assert_eq!((code, said.as_str()), (Some(1), ""));
}
