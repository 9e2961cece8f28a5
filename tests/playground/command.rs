//! `stenobot playground` as a process.

use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::recordings::asset;
use crate::scene::{eventually, scripted_engine};

#[tokio::test]
async fn ctrl_c_stops_everything_and_leaves_no_files() {
    let model = asset("data/models/ggml-base-q8_0.bin");
    let data = model.ancestors().nth(2).unwrap();
    let temporary = tempfile::tempdir().unwrap();
    let mut playground = Command::new(env!("CARGO_BIN_EXE_stenobot"))
        .args(["--data-dir".as_ref(), data.as_os_str(), "playground".as_ref()])
        .arg("--engine-program")
        .arg(scripted_engine())
        .env("TMPDIR", temporary.path())
        .current_dir(temporary.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(playground.stdout.take().unwrap()).lines();
    let url = eventually("the address is printed", lines.next_line()).await.unwrap().unwrap();
    assert!(url.starts_with("http://127.0.0.1:"), "{url}");
    let page = reqwest::get(&url).await.unwrap().text().await.unwrap();
    assert!(page.contains("<title>Stenobot playground</title>"));
    // An open event stream does not delay the shutdown.
    let mut events = reqwest::get(format!("{url}people/1/en/chat")).await.unwrap();
    let first = eventually("the chat is sent", events.chunk()).await.unwrap().unwrap();
    assert!(first.starts_with(b"data: {\"fresh\":true"), "{first:?}");

    let pid = Pid::from_raw(playground.id().unwrap().cast_signed()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let status = eventually("it ends", playground.wait()).await.unwrap();
    assert!(status.success(), "{status}");
    let left: Vec<_> = std::fs::read_dir(temporary.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn the_browser_command_line_does_not_contain_the_secret_address() {
    use std::os::unix::fs::PermissionsExt;
    const TOKEN: &str = "123456789:AAE-no-bot-of-anybody-has-this-token";
    let model = asset("data/models/ggml-base-q8_0.bin");
    let data = model.ancestors().nth(2).unwrap();
    let (temporary, programs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let record = programs.path().join("record");
    assert!(std::process::Command::new("mkfifo").arg(&record).status().unwrap().success());
    let script = format!(
        "#!/bin/sh\n{{ echo \"$# $1\"; stat -c %a \"$1\" \"$(dirname \"$1\")\"; env; echo PAGE; cat \"$1\"; }} > {}\n",
        record.display()
    );
    let browser = programs.path().join("xdg-open");
    std::fs::write(&browser, script).unwrap();
    std::fs::set_permissions(&browser, std::fs::Permissions::from_mode(0o700)).unwrap();
    let path = format!("{}:{}", programs.path().display(), std::env::var("PATH").unwrap());
    let mut playground = Command::new(env!("CARGO_BIN_EXE_stenobot"))
        .args(["--data-dir".as_ref(), data.as_os_str(), "playground".as_ref(), "--open".as_ref()])
        .arg("--engine-program")
        .arg(scripted_engine())
        .env("TMPDIR", temporary.path())
        .env("PATH", path)
        .env("TELEGRAM_BOT_TOKEN", TOKEN)
        .current_dir(temporary.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(playground.stdout.take().unwrap()).lines();
    let url = eventually("the address is printed", lines.next_line()).await.unwrap().unwrap();
    let record = eventually("the browser is started", tokio::fs::read_to_string(record)).await.unwrap();
    let (arguments, page) = record.split_once("PAGE\n").unwrap();
    let key = url.trim_end_matches('/').rsplit('/').next().unwrap();
    assert!(!arguments.contains(key), "{arguments}");
    assert!(!arguments.contains(TOKEN), "the browser gets the token");
    let said: Vec<&str> = arguments.lines().take(3).collect();
    assert!(said[0].starts_with("1 /"), "{arguments}");
    assert_eq!(said[1..], ["600", "700"]);
    assert!(page.contains(&format!("content=\"0; url={url}\"")), "{page}");

    let pid = Pid::from_raw(playground.id().unwrap().cast_signed()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    assert!(eventually("it ends", playground.wait()).await.unwrap().success());
    let left: Vec<_> = std::fs::read_dir(temporary.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.is_empty(), "{left:?}");
}
