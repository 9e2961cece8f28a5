use std::time::Duration;

use super::*;

pub(super) fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

pub(super) fn assemble(
    sources: &Sources,
    dotenv: &[(String, String)],
    environment: &[(String, String)],
) -> Result<Config, ConfigError> {
    Layers::assemble(sources, dotenv.to_vec(), environment.to_vec())?.into_config()
}

fn from_env(list: &[(&str, &str)]) -> Result<Config, ConfigError> {
    assemble(&Sources::default(), &[], &pairs(list))
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
    assert_eq!(config.storage.database, stenobot_store::StoreUrl::sqlite("data/stenobot.db"));
    assert!(config.telegram.token.is_none());
}

#[test]
fn the_address_of_the_dashboard_is_a_url_without_user() {
    let dashboard = |url: &str| from_env(&[("STENOBOT_DASHBOARD_URL", url)]).map(|config| config.telemetry.dashboard);
    assert_eq!(dashboard("").unwrap(), None);
    let url = "http://127.0.0.1:3000/d/stenobot?var-instance=a";
    assert_eq!(dashboard(url).unwrap(), Some(url.parse().unwrap()));
    for refused in ["grafana", "ftp://grafana.example/", "https://me:verborgen@grafana.example/"] {
        assert!(matches!(dashboard(refused), Err(ConfigError::Refused { key: "dashboard_url", .. })), "{refused}");
    }
}

#[test]
fn a_webhook_needs_https_or_this_machine() {
    let updates = |url: &str| from_env(&[("STENOBOT_WEBHOOK_URL", url)]).map(|config| config.telegram.updates);
    assert_eq!(updates("").unwrap(), UpdateSource::Polling);
    for allowed in
        ["https://bot.example.org/hook/1", "http://127.0.0.1:8443/", "http://[::1]:1/a", "http://localhost/a"]
    {
        let addr = "127.0.0.1:8443".parse().unwrap();
        let wanted = UpdateSource::Webhook(Webhook { url: allowed.parse().unwrap(), addr });
        assert_eq!(updates(allowed).unwrap(), wanted);
    }
    for refused in [
        "bot.example.org",
        "http://bot.example.org/hook",
        "http://10.0.0.1/hook",
        "ftp://127.0.0.1/hook",
        "https://bot.example.org/hook?secret=1",
        "https://bot.example.org/hook#1",
        "https://user:password@bot.example.org/hook",
    ] {
        assert!(matches!(updates(refused), Err(ConfigError::Refused { key: "webhook_url", .. })), "{refused}");
    }
}

#[test]
fn the_file_limit_is_at_most_the_bot_api_server_s() {
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
    let config = assemble(
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
        ("STENOBOT_MAX_QUEUE_SIZE", "0", "max_queue_size = 0 is not allowed: give 1 to 100000"),
        ("STENOBOT_MAX_QUEUE_SIZE", "-3", "max_queue_size = -3 is not allowed: give 1 to 100000"),
        ("STENOBOT_MAX_QUEUE_SIZE", "many", "max_queue_size = many is not allowed: give 1 to 100000"),
        ("STENOBOT_MAX_CONCURRENT_WORKERS", "65", "max_concurrent_workers = 65 is not allowed: give 1 to 64"),
        ("STENOBOT_TELEGRAM_API_URL", "ftp://x", "telegram_api_url = ftp://x is not allowed: give http or https URL"),
        (
            "STENOBOT_DATABASE_URL",
            "mysql://x",
            "database_url = mysql://x is not allowed: give empty, sqlite://FILE or postgres://USER@HOST/DATABASE",
        ),
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
    for (name, value) in [("STENOBOT_LANGUAGE", "Klingon"), ("STENOBOT_LANGUAGES", "ru, Klingon")] {
        let message = from_env(&[(name, value)]).unwrap_err().to_string();
        assert!(message.contains("language") && message.contains("Klingon"), "{message}");
    }
    let message = from_env(&[("STENOBOT_LANGUAGE", "ru,uk")]).unwrap_err().to_string();
    assert!(message.contains("give auto, or a code"), "{message}");
}

#[test]
fn likely_languages_are_a_text_or_a_list() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("languages.toml");
    std::fs::write(&file, "languages = [\"uk\", \"ru\"]\n").unwrap();
    let sources = Sources { file: Some(file), ..Sources::default() };
    let listed = assemble(&sources, &[], &[]).unwrap().engine.languages;
    assert_eq!(listed, from_env(&[("STENOBOT_LANGUAGES", "ru, uk")]).unwrap().engine.languages);
    assert_eq!(listed.iter().collect::<Vec<_>>(), ["ru", "uk"]);
    assert!(from_env(&[]).unwrap().engine.languages.is_empty());
}

#[test]
fn a_bare_level_below_info_is_that_of_this_program() {
    for (given, wanted) in [
        ("info", "info"),
        ("debug", "info,stenobot=debug"),
        ("TRACE", "info,stenobot=trace"),
        ("debug,sqlx=warn", "debug,sqlx=warn"),
    ] {
        assert_eq!(from_env(&[("STENOBOT_LOG_LEVEL", given)]).unwrap().telemetry.level, wanted);
    }
}

#[test]
fn a_role_besides_all_is_refused_with_an_sqlite_store() {
    assert_eq!(from_env(&[("STENOBOT_ROLE", "all")]).unwrap().role, Role::All);
    for role in ["bot", "worker"] {
        let message = from_env(&[("STENOBOT_ROLE", role)]).unwrap_err().to_string();
        let wanted = format!(
            "role = {role} needs a PostgreSQL store, since several processes cannot share an SQLite file: set database_url \
             to it, or role to all"
        );
        assert_eq!(message, wanted);
    }
    let message = from_env(&[("STENOBOT_ROLE", "leader")]).unwrap_err().to_string();
    assert!(message.contains("role") && message.contains("give all, bot or worker"), "{message}");
}

#[test]
fn an_unknown_key_is_refused_by_name() {
    let message = from_env(&[("STENOBOT_MAX_QUEU_SIZE", "5")]).unwrap_err().to_string();
    let wanted = "(STENOBOT_MAX_QUEU_SIZE in the environment) is no setting: did you mean `max_queue_size`?";
    assert_eq!(message, format!("max_queu_size {wanted}"));
    let dotenv = pairs(&[("STENOBOT_ZZZ", "5")]);
    let message = assemble(&Sources::default(), &dotenv, &[]).unwrap_err().to_string();
    assert_eq!(message, "zzz (STENOBOT_ZZZ in .env) is no setting; `stenobot run --help` lists them");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("my.toml");
    std::fs::write(&file, "threads = 2\n\nlog_levels = \"debug\"\n").unwrap();
    let sources = Sources { file: Some(file.clone()), ..Sources::default() };
    let message = assemble(&sources, &[], &[]).unwrap_err().to_string();
    assert_eq!(message, format!("log_levels ({}:3) is no setting: did you mean `log_level`?", file.display()));
}

#[test]
fn each_value_has_the_origin_that_outranks_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("my.toml");
    std::fs::write(&file, "# all of it\nthreads = 4\nmodel = \"a\"\nlanguage = \"ru\"\nlog_level = \"warn\"\n")
        .unwrap();
    let overrides = Overrides { threads: Some(1), ..Overrides::default() };
    let sources = Sources { file: Some(file.clone()), overrides };
    let dotenv = pairs(&[("STENOBOT_THREADS", "2"), ("STENOBOT_MODEL", "b"), ("STENOBOT_LANGUAGE", "en")]);
    let environment = pairs(&[("STENOBOT_THREADS", "3"), ("STENOBOT_MODEL", "c"), ("TELOXIDE_TOKEN", "1:x")]);
    let layers = Layers::assemble(&sources, dotenv, environment).unwrap();
    let origins = layers.origins();
    for (key, wanted) in [
        ("threads", "--threads".to_owned()),
        ("model", "STENOBOT_MODEL in the environment".to_owned()),
        ("language", "STENOBOT_LANGUAGE in .env".to_owned()),
        ("log_level", format!("{}:5", file.display())),
        ("data_dir", "default".to_owned()),
    ] {
        assert_eq!(origins[key].to_string(), wanted);
    }
    assert_eq!(layers.origin_of_token().unwrap().to_string(), "TELOXIDE_TOKEN in the environment");
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
    assert!(table.contains("| `max_queue_size` | `50` | 1 to 100000 |"));
    assert_eq!(table.lines().count(), SETTINGS.len() + 2);
}

#[test]
fn a_reload_applies_live_settings_and_lists_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("my.toml");
    let sources = Sources { file: Some(file.clone()), ..Sources::default() };
    std::fs::write(&file, "threads = 2\n").unwrap();
    let running = assemble(&sources, &[], &[]).unwrap();

    std::fs::write(&file, "threads = 4\nmax_queue_size = 9\n").unwrap();
    let (config, changes) = running.reload(&sources).unwrap();
    assert_eq!((config.limits.queue, config.engine.threads), (9, 2));
    let live = Change { key: "max_queue_size", reload: Reload::live };
    assert_eq!(changes, [live, Change { key: "threads", reload: Reload::fixed }]);
    let (_, changes) = config.reload(&sources).unwrap();
    assert_eq!(changes, [Change { key: "threads", reload: Reload::fixed }], "it still waits");
}

#[test]
fn values_have_the_form_of_the_environment() {
    let given =
        [("STENOBOT_MAX_QUEUE_SIZE", "7"), ("STENOBOT_LANGUAGE", "ru"), ("STENOBOT_METRICS_ADDR", "[::1]:9000")];
    let values = from_env(&given).unwrap().values();
    for (name, value) in given {
        assert_eq!(values[name.strip_prefix(ENV_PREFIX).unwrap().to_ascii_lowercase().as_str()], value);
    }
    assert_eq!(values.len(), SETTINGS.len());
}

#[test]
fn id_lists_parse_in_every_form() {
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

#[test]
fn proxies_come_from_the_setting_the_environment_and_dotenv() {
    let route = |dotenv: &[(&str, &str)], environment: &[(&str, &str)]| {
        let config = assemble(&Sources::default(), &pairs(dotenv), &pairs(environment)).unwrap();
        config.proxies.route(&config.telegram.api_url).map(ToString::to_string)
    };
    assert_eq!(route(&[], &[]), None);
    assert_eq!(route(&[("ALL_PROXY", "socks5h://d")], &[]).unwrap(), "socks5h://d:1080 (ALL_PROXY)");
    assert_eq!(route(&[("ALL_PROXY", "socks5h://d")], &[("ALL_PROXY", "h")]).unwrap(), "http://h:80 (ALL_PROXY)");
    assert_eq!(route(&[("ALL_PROXY", "socks5h://d")], &[("ALL_PROXY", "")]).unwrap(), "socks5h://d:1080 (ALL_PROXY)");
    assert_eq!(route(&[("HTTPS_PROXY", "s")], &[("ALL_PROXY", "h")]).unwrap(), "http://s:80 (HTTPS_PROXY)");
    assert_eq!(route(&[("HTTPS_PROXY", "s")], &[("no_proxy", "api.telegram.org")]), None);
    let setting = [("STENOBOT_PROXY_URL", "socks5://me:verborgen@p")];
    assert_eq!(route(&setting, &[("ALL_PROXY", "h")]).unwrap(), "socks5://p:1080 (proxy_url, with a password)");

    let config = from_env(&setting).unwrap();
    assert!(!format!("{config:?}").contains("verborgen"));
    assert!(
        !format!("{:?}", Overrides { proxy_url: "http://verborgen@p".parse().ok(), ..Overrides::default() })
            .contains("verborgen")
    );
    for (name, value, wanted) in [
        (
            "STENOBOT_PROXY_URL",
            "socks4://verborgen@p",
            "proxy_url names a proxy of the kind socks4, which is not supported",
        ),
        ("STENOBOT_PROXY_URL", "http://a b:verborgen@", "proxy_url is no address of a proxy"),
        ("STENOBOT_PROXY_URL", "[1, 2]", "proxy_url"),
        ("https_proxy", "quic://p", "https_proxy names a proxy of the kind quic, which is not supported"),
    ] {
        let message = from_env(&[(name, value)]).unwrap_err().to_string();
        assert!(message.starts_with(wanted) && !message.contains("verborgen"), "{message}");
    }
}

/// Names that begin as settings do, each with what follows it after `=`.
fn named(text: &str) -> Vec<(&str, Option<&str>)> {
    let is_name = |c: char| c.is_ascii_uppercase() || c == '_';
    let names = text.match_indices(ENV_PREFIX).map(|(at, _)| {
        let rest = &text[at..];
        let (name, rest) = rest.split_at(rest.find(|c| !is_name(c)).unwrap_or(rest.len()));
        let value = rest.strip_prefix('=').map(|value| {
            &value[..value.find(|c: char| c.is_whitespace() || "`'\"),;".contains(c)).unwrap_or(value.len())]
        });
        (name, value)
    });
    // `STENOBOT_*` and "a STENOBOT_ variable" name none.
    names.filter(|(name, _)| *name != ENV_PREFIX).collect()
}

#[test]
fn every_variable_that_the_files_of_the_deployment_name_is_accepted() {
    let compose = include_str!("../../compose.yaml");
    for (file, text) in [
        ("compose.yaml", compose),
        ("Dockerfile", include_str!("../../Dockerfile")),
        ("stenobot.service", include_str!("../../deploy/stenobot.service")),
        ("README.md", include_str!("../../README.md")),
        ("deployment.md", include_str!("../../docs/deployment.md")),
    ] {
        for (name, value) in named(text) {
            let key = name[ENV_PREFIX.len()..].to_ascii_lowercase();
            assert!(SETTINGS.iter().any(|setting| setting.key == key), "{file} names {name}, which is no setting");
            if let Some(value) = value {
                from_env(&[(name, value)]).unwrap_or_else(|error| panic!("{file} has {name}={value}: {error}"));
            }
        }
    }
    // All that Compose itself reads from .env comes to the bot with the rest of that file.
    let read: Vec<&str> = compose.split("${").skip(1).map(|rest| rest.split([':', '}', '-']).next().unwrap()).collect();
    assert!(read.contains(&"BOT_MEMORY"), "{read:?}");
    for name in read {
        from_env(&[(name, "1100m")]).unwrap_or_else(|error| panic!("{name} in .env stops the bot: {error}"));
    }
}

#[test]
fn the_shipped_settings_file_shows_the_defaults_of_live_settings() {
    let shipped = include_str!("../../deploy/config/stenobot.toml");
    let lines: Vec<&str> =
        shipped.lines().filter_map(|line| line.strip_prefix("# ")).filter(|line| line.contains(" = ")).collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("stenobot.toml");
    std::fs::write(&file, lines.join("\n")).unwrap();
    let config = assemble(&Sources { file: Some(file), ..Sources::default() }, &[], &[]).unwrap();
    assert_eq!(config.values(), from_env(&[]).unwrap().values());
    let shown: Vec<&str> = lines.iter().map(|line| line.split(' ').next().unwrap()).collect();
    let mut live: Vec<&str> =
        SETTINGS.iter().filter(|setting| setting.reload == Reload::live).map(|setting| setting.key).collect();
    let mut sorted = shown.clone();
    sorted.sort_unstable();
    live.sort_unstable();
    assert_eq!(sorted, live);
}
