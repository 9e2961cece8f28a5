//! `stenobot playground` as a process.

use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::recordings::asset;
use crate::scene::{soon, stand_in};

#[tokio::test]
async fn ctrl_c_ends_all_and_nothing_is_kept() {
    let model = asset("data/models/ggml-base-q8_0.bin");
    let data = model.ancestors().nth(2).unwrap();
    let temporary = tempfile::tempdir().unwrap();
    let mut playground = Command::new(env!("CARGO_BIN_EXE_stenobot"))
        .args(["--data-dir".as_ref(), data.as_os_str(), "playground".as_ref()])
        .arg("--engine-program")
        .arg(stand_in())
        .env("TMPDIR", temporary.path())
        .current_dir(temporary.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(playground.stdout.take().unwrap()).lines();
    let url = soon("the address is printed", lines.next_line()).await.unwrap().unwrap();
    assert!(url.starts_with("http://127.0.0.1:"), "{url}");
    let page = reqwest::get(&url).await.unwrap().text().await.unwrap();
    assert!(page.contains("<title>Stenobot playground</title>"));
    // A page that listens does not hold the end up.
    let mut events = reqwest::get(format!("{url}people/1/en/chat")).await.unwrap();
    let first = soon("the chat is told", events.chunk()).await.unwrap().unwrap();
    assert!(first.starts_with(b"data: {\"fresh\":true"), "{first:?}");

    let pid = Pid::from_raw(playground.id().unwrap().cast_signed()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let status = soon("it ends", playground.wait()).await.unwrap();
    assert!(status.success(), "{status}");
    let left: Vec<_> = std::fs::read_dir(temporary.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.is_empty(), "{left:?}");
}
