use super::*;

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn from_env(list: &[(&str, &str)]) -> Result<Config, ConfigError> {
    Config::assemble(&Sources::default(), &[], &pairs(list))
}

#[test]
fn the_defaults_are_those_of_the_readme() {
    let config = from_env(&[]).unwrap();
    assert_eq!(config.limits.queue, 50);
    assert_eq!(config.engine.workers, 1);
    assert_eq!(config.limits.voice, Duration::from_secs(120));
    assert_eq!(config.limits.file_bytes, 20 * 1024 * 1024);
    assert_eq!(config.timing.progress_interval, Duration::from_secs(5));
    assert_eq!(config.timing.transcription, Duration::from_secs(120));
    assert_eq!(config.telemetry.addr.to_string(), "127.0.0.1:9464");
    assert_eq!(config.storage.database, Path::new("data/stenobot.db"));
    assert!(config.telegram.token.is_none());
}

#[test]
fn a_file_may_be_as_large_as_the_bot_api_server_gives() {
    const MIB: u64 = 1 << 20;
    for (bytes, api_url, local_dir, limit) in [
        (50 * MIB, "https://api.telegram.org", "", 20 * MIB),
        (50 * MIB, "http://127.0.0.1:8081", "", 20 * MIB),
        (50 * MIB, "http://127.0.0.1:8081", "/files", 50 * MIB),
        (50 * MIB, "https://api.telegram.org", "/files", 20 * MIB),
        (5 * MIB, "https://api.telegram.org", "", 5 * MIB),
        (20 * MIB, "https://api.telegram.org", "", 20 * MIB),
    ] {
        let config = from_env(&[
            ("STENOBOT_MAX_FILE_SIZE_BYTES", &bytes.to_string()),
            ("STENOBOT_TELEGRAM_API_URL", api_url),
            ("STENOBOT_TELEGRAM_LOCAL_DIR", local_dir),
        ])
        .unwrap();
        assert_eq!(config.limits.file_bytes, limit, "{bytes} {api_url} {local_dir}");
        assert_eq!(config.unreachable_file_size(), (limit < bytes).then_some(bytes));
        assert_eq!(config.values()["max_file_size_bytes"], bytes.to_string());
    }
}

#[test]
fn flags_outrank_environment_outranks_dotenv_outranks_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("my.toml");
    std::fs::write(
        &file,
        "max_queue_size = 1\nmax_concurrent_workers = 2\nmax_voice_duration_seconds = 3\nthreads = 4\n",
    )
    .unwrap();
    let overrides = Overrides { max_queue_size: Some(40), ..Overrides::default() };
    let config = Config::assemble(
        &Sources { file: Some(file), overrides },
        &pairs(&[
            ("STENOBOT_MAX_QUEUE_SIZE", "20"),
            ("STENOBOT_MAX_CONCURRENT_WORKERS", "20"),
            ("STENOBOT_MAX_VOICE_DURATION_SECONDS", "20"),
        ]),
        &pairs(&[("STENOBOT_MAX_QUEUE_SIZE", "30"), ("STENOBOT_MAX_CONCURRENT_WORKERS", "30")]),
    )
    .unwrap();
    assert_eq!(config.limits.queue, 40);
    assert_eq!(config.engine.workers, 30);
    assert_eq!(config.limits.voice, Duration::from_secs(20));
    assert_eq!(config.engine.threads, 4);
}

#[test]
fn absurd_values_are_refused_with_key_value_and_range() {
    for (name, value, wanted) in [
        ("STENOBOT_MAX_QUEUE_SIZE", "0", "max_queue_size = 0 is not allowed: give 1 to 10000"),
        ("STENOBOT_MAX_QUEUE_SIZE", "-3", "max_queue_size = -3 is not allowed: give 1 to 10000"),
        ("STENOBOT_MAX_QUEUE_SIZE", "many", "max_queue_size = many is not allowed: give 1 to 10000"),
        ("STENOBOT_MAX_CONCURRENT_WORKERS", "65", "max_concurrent_workers = 65 is not allowed: give 1 to 64"),
        ("STENOBOT_TELEGRAM_API_URL", "ftp://x", "telegram_api_url = ftp://x is not allowed: give http or https URL"),
        ("STENOBOT_DATABASE_URL", "mysql://x", "database_url = mysql://x is not allowed: give empty, or sqlite://FILE"),
        ("STENOBOT_DEFAULT_LOCALE", "xx", "default_locale = xx is not allowed: give ru, en, uk, kk, es, de, pt or tr"),
        (
            "STENOBOT_LOG_LEVEL",
            "a=b=c",
            "log_level = a=b=c is not allowed: give a tracing filter such as info or stenobot=debug",
        ),
    ] {
        assert_eq!(from_env(&[(name, value)]).unwrap_err().to_string(), wanted);
    }
    let message = from_env(&[("STENOBOT_METRICS_ADDR", "nowhere")]).unwrap_err().to_string();
    assert!(message.contains("metrics_addr") && message.contains("address:port"), "{message}");
    let message = from_env(&[("STENOBOT_LANGUAGE", "Klingon")]).unwrap_err().to_string();
    assert!(message.contains("language") && message.contains("Klingon"), "{message}");
}

#[test]
fn an_unknown_key_is_refused_by_name() {
    let message = from_env(&[("STENOBOT_MAX_QUEU_SIZE", "5")]).unwrap_err().to_string();
    assert_eq!(message, "max_queu_size is no setting; `stenobot --help` lists them");
}

#[test]
fn a_token_is_found_and_never_printed() {
    let secret = "123456789:AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc";
    let config = from_env(&[("TELOXIDE_TOKEN", secret)]).unwrap();
    assert_eq!(config.telegram.token.as_ref().map(BotToken::expose), Some(secret));
    assert!(!format!("{config:?}").contains("AAEhBO"));

    let message = from_env(&[("TELEGRAM_BOT_TOKEN", "my secret word")]).unwrap_err().to_string();
    assert!(message.starts_with("TELEGRAM_BOT_TOKEN does not look like"));
    assert!(!message.contains("secret word"));
}

#[test]
fn the_table_names_every_key_with_its_default() {
    let table = table();
    assert!(table.contains("| `max_queue_size` | `50` | 1 to 10000 |"));
    assert_eq!(table.lines().count(), SETTINGS.len() + 2);
}

#[test]
fn a_reload_takes_on_what_it_can_and_names_what_waits() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("my.toml");
    let sources = Sources { file: Some(file.clone()), ..Sources::default() };
    std::fs::write(&file, "threads = 2\n").unwrap();
    let running = Config::assemble(&sources, &[], &[]).unwrap();

    std::fs::write(&file, "threads = 4\nmax_queue_size = 9\n").unwrap();
    let (config, changes) = running.reload(&sources).unwrap();
    assert_eq!((config.limits.queue, config.engine.threads), (9, 2));
    let live = Change { key: "max_queue_size", reload: Reload::live };
    assert_eq!(changes, [live, Change { key: "threads", reload: Reload::fixed }]);
    let (_, changes) = config.reload(&sources).unwrap();
    assert_eq!(changes, [Change { key: "threads", reload: Reload::fixed }], "it still waits");
}

#[test]
fn the_values_are_those_that_would_be_given_in_the_environment() {
    let given =
        [("STENOBOT_MAX_QUEUE_SIZE", "7"), ("STENOBOT_LANGUAGE", "ru"), ("STENOBOT_METRICS_ADDR", "[::1]:9000")];
    let values = from_env(&given).unwrap().values();
    for (name, value) in given {
        assert_eq!(values[name.strip_prefix(ENV_PREFIX).unwrap().to_ascii_lowercase().as_str()], value);
    }
    assert_eq!(values.len(), SETTINGS.len());
}

#[test]
fn numbers_of_people_come_in_every_form() {
    for (given, wanted) in [("7", &[7][..]), ("7, -1009876543", &[7, -1_009_876_543]), ("[7, 8]", &[7, 8]), ("", &[])] {
        let config = from_env(&[("STENOBOT_ALLOWED_USERS", given)]).unwrap();
        assert_eq!(config.people.allowed.iter().collect::<Vec<_>>(), wanted, "{given}");
        // A simulated bot gets its settings by way of its environment.
        let again = config.values()["allowed_users"].clone();
        let again = from_env(&[("STENOBOT_ALLOWED_USERS", &again)]).unwrap();
        assert_eq!(again.people.allowed, config.people.allowed);
    }
    assert!(from_env(&[("STENOBOT_ADMIN_USERS", "anna")]).unwrap_err().to_string().contains("admin_users"));
}
