//! The commands on the terminal: transcripts of files, and messages about failures.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Output};

use stenobot_simulator::harness::Simulation;
use stenobot_simulator::wer::word_errors;

use crate::recordings::{asset, sample, scripted};
use crate::scene::{REAL_ENGINE_LOCK, Scene, bot_with_engine, stand_in};

pub(crate) const TOKEN: &str = "123456789:AAE-no-bot-of-anybody-has-this-token";

/// The program in `folder`, with no more of this environment than it needs.
pub(crate) fn stenobot(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stenobot"));
    command.args(arguments).current_dir(folder).env_clear().envs(variables.iter().copied());
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).output().unwrap()
}

/// Asserts a failure with exactly this sentence.
pub(crate) fn one_sentence(output: &Output, sentence: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said.trim_end(), format!("stenobot: {sentence}"));
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
}

fn transcribe(arguments: &[&str]) -> Output {
    let _turn = REAL_ENGINE_LOCK.blocking_lock();
    let data = asset("data");
    let mut all = vec!["transcribe", "--data-dir", data.to_str().unwrap(), "--language", "ru"];
    all.extend(arguments);
    stenobot(&asset("samples"), &all, &[])
}

#[test]
fn files_are_transcribed_in_four_forms() {
    let voice = sample("ru-short-05");
    let right = |text: &str| {
        let rate = word_errors(&voice.text, text).rate().unwrap();
        assert!(rate <= 0.3, "{rate:.2}: {text}");
    };
    let print = |format: &str| {
        let output = transcribe(&["--format", format, "ru-short-05.ogg"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let text = print("text");
    assert_eq!(text.lines().count(), 1);
    right(&text);

    let json: serde_json::Value = serde_json::from_str(&print("json")).unwrap();
    assert_eq!(json["outcome"], "text");
    assert_eq!((json["file"].as_str(), json["language"].as_str()), (Some("ru-short-05.ogg"), Some("ru")));
    assert!((json["duration_seconds"].as_f64().unwrap() - voice.duration.as_secs_f64()).abs() < 0.1);
    right(json["text"].as_str().unwrap());
    let last = json["segments"].as_array().unwrap().last().unwrap();
    assert!(last["end"].as_f64().unwrap() <= json["duration_seconds"].as_f64().unwrap() + 0.01);

    let srt = print("srt");
    assert!(srt.starts_with("1\n00:00:0") && srt.contains(" --> 00:00:0") && srt.contains(','), "{srt}");
    let vtt = print("vtt");
    assert!(vtt.starts_with("WEBVTT\n\n") && vtt.contains(" --> "), "{vtt}");
}

#[test]
fn files_that_are_no_recordings_are_reported_and_the_others_transcribed() {
    let output = transcribe(&["nowhere.ogg", "ru-short-03.txt", "ru-short-01.ogg"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 2, "{said}");
    assert_eq!(lines[0], "stenobot: nowhere.ogg: there is no such file");
    assert!(lines[1].starts_with("stenobot: ru-short-03.txt: the file is of a kind that cannot be read"), "{said}");
    let text = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines.len(), lines[0]), (2, "==> ru-short-01.ogg <=="), "{text}");
}

#[test]
fn standard_input_and_a_recording_without_speech_are_transcribed() {
    let _turn = REAL_ENGINE_LOCK.blocking_lock();
    let data = asset("data");
    let transcribe = |arguments: &[&str], input: std::fs::File| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stenobot"));
        command.env_clear().args(["transcribe", "--language", "ru", "--json", "--data-dir"]).arg(&data);
        command.args(arguments).stdin(input).output().unwrap()
    };
    let voice = std::fs::File::open(asset("samples/ru-short-01.ogg")).unwrap();
    let output = transcribe(&["-"], voice);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((json["file"].as_str(), json["outcome"].as_str()), (Some("-"), Some("text")));

    let silence = tempfile::NamedTempFile::with_suffix(".wav").unwrap();
    let samples = vec![0_u8; 2 * 16_000];
    let length = u32::try_from(samples.len()).unwrap();
    let mut wav = b"RIFF".to_vec();
    wav.extend((36 + length).to_le_bytes());
    wav.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0\x80\x3e\0\0\0\x7d\0\0\x02\0\x10\0data");
    wav.extend(length.to_le_bytes());
    wav.extend(samples);
    std::fs::write(silence.path(), wav).unwrap();
    let path = silence.path().to_str().unwrap();
    let output = transcribe(&[path], std::fs::File::open("/dev/null").unwrap());
    assert!(output.status.success());
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["outcome"], "no_speech");
    assert!(json["language"].is_null() && json["confidence"].is_null(), "{json}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said.trim_end(), format!("stenobot: {path}: no speech was found"));

    let output = transcribe(&["-"], std::fs::File::open("/dev/null").unwrap());
    one_sentence(&output, "-: standard input is empty");
}

#[test]
fn missing_files_and_names_that_are_not_utf8_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let name = folder.path().join(OsStr::from_bytes(b"caf\xe9.ogg"));
    std::fs::copy(asset("samples/ru-short-01.ogg"), &name).unwrap();
    let _turn = REAL_ENGINE_LOCK.blocking_lock();
    let mut command = Command::new(env!("CARGO_BIN_EXE_stenobot"));
    command.env_clear().args(["transcribe", "--language", "ru", "--data-dir"]).arg(asset("data"));
    let output =
        command.args([folder.path(), fifo.as_path(), Path::new("/dev/null"), name.as_path()]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    let ends = [
        "it is a folder, not a file: name the recordings in it",
        "it is not a regular file",
        "it is not a regular file",
    ];
    assert_eq!(said.lines().count(), ends.len(), "{said}");
    for (line, end) in said.lines().zip(ends) {
        assert!(line.contains(end), "{said}");
    }
    assert!(!String::from_utf8_lossy(&output.stdout).trim().is_empty());
}

#[test]
fn a_failed_start_is_explained_in_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let run = |variables: &[(&str, &str)]| stenobot(folder.path(), &["run"], variables);
    one_sentence(
        &run(&[]),
        "no token: get one from @BotFather on Telegram (https://t.me/BotFather) and set TELEGRAM_BOT_TOKEN",
    );
    let wrong = run(&[("TELEGRAM_BOT_TOKEN", "hunter2")]);
    one_sentence(
        &wrong,
        "TELEGRAM_BOT_TOKEN does not look like a bot token: @BotFather gives tokens of the form 123456789:AAE...",
    );
    for (key, value, sentence) in [
        ("STENOBOT_MAX_QUEUE_SIZE", "0", "max_queue_size = 0 is not allowed: give 1 to 100000"),
        ("STENOBOT_MAX_CONCURRENT_WORKERS", "1000", "max_concurrent_workers = 1000 is not allowed: give 1 to 64"),
        (
            "STENOBOT_TRANSCRIPTION_TIMEOUT_SECONDS",
            "x",
            "transcription_timeout_seconds = x is not allowed: give 5 to 14400",
        ),
        (
            "STENOBOT_MAX_QUEU_SIZE",
            "5",
            "max_queu_size (STENOBOT_MAX_QUEU_SIZE in the environment) is no setting: did you mean `max_queue_size`?",
        ),
    ] {
        one_sentence(&run(&[("TELEGRAM_BOT_TOKEN", TOKEN), (key, value)]), sentence);
    }
    let missing = stenobot(folder.path(), &["--config", "mine.toml", "run"], &[("TELEGRAM_BOT_TOKEN", TOKEN)]);
    one_sentence(&missing, "configuration file mine.toml does not exist");
}

#[tokio::test]
async fn a_second_bot_on_the_same_data_is_refused() {
    let mut scene = Scene::of(Simulation::start(bot_with_engine(&stand_in(), &[])).await.unwrap());
    let data = scene.bot.data();
    let folder = tempfile::tempdir().unwrap();
    let second = tokio::task::spawn_blocking(move || {
        let variables = [("TELEGRAM_BOT_TOKEN", TOKEN), ("STENOBOT_DATA_DIR", data.to_str().unwrap())];
        stenobot(folder.path(), &["run"], &variables)
    });
    one_sentence(
        &second.await.unwrap(),
        "another stenobot uses this data folder: stop it, or give this one a data_dir of its own",
    );
    let sent = scene.send_voice(&scripted(3, "say как ни в чём не бывало"));
    assert_eq!(scene.text(&sent).await, "как ни в чём не бывало");
    scene.shut_down().await;
}

#[tokio::test]
async fn an_unknown_token_ends_the_bot_with_one_sentence() {
    let simulation = Simulation::prepare(bot_with_engine(&stand_in(), &[])).await.unwrap();
    let url = simulation.api().url().to_string();
    let folder = tempfile::tempdir().unwrap();
    let run = tokio::task::spawn_blocking(move || {
        let variables = [
            ("TELEGRAM_BOT_TOKEN", TOKEN),
            ("STENOBOT_TELEGRAM_API_URL", url.as_str()),
            ("STENOBOT_METRICS_ADDR", "127.0.0.1:0"),
            ("STENOBOT_LOG_LEVEL", "error"),
        ];
        stenobot(folder.path(), &["run"], &variables)
    });
    one_sentence(&run.await.unwrap(), "Telegram does not accept the token: take the current one from @BotFather");
}
