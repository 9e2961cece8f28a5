//! Downloads: a failed one leaves no file.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::json;
use stenobot_telegram::{CallOutcome, Disposition, DownloadError, Method, TelegramError};

use super::TOKEN;
use super::stub::{Answer, Stub};

const LIMIT: u64 = 100_000;

/// Answer of `getFile`.
fn get_file_answer() -> Answer {
    get_file_answer_of(10)
}

fn get_file_answer_of(size: u64) -> Answer {
    Answer::ok(json!({
        "file_id": "AwACAgIAAxkBAAIBRmVoice",
        "file_unique_id": "AgADRgADvoice",
        "file_size": size,
        "file_path": "voice/file 1?.oga",
    }))
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).unwrap().next().is_none()
}

/// A download that must fail and leave nothing.
async fn failing(answers: impl IntoIterator<Item = Answer>) -> (DownloadError, Stub) {
    let folder = tempfile::tempdir().unwrap();
    let stub = Stub::start(answers).await;
    let error = stub.client().download("id", &folder.path().join("one"), LIMIT).await.unwrap_err();
    assert!(is_empty(folder.path()), "{error:?} left something");
    for shown in [format!("{error}"), format!("{error:?}")] {
        assert!(!shown.contains(TOKEN) && !shown.contains("://") && !shown.contains("/tmp"), "{shown}");
    }
    (error, stub)
}

#[tokio::test]
async fn a_downloaded_file_is_whole_and_private() {
    let bytes: Vec<u8> = (0..LIMIT).map(|at| at as u8).collect();
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("one");
    let stub = Stub::start([get_file_answer(), Answer::Whole(200, bytes.clone())]).await;
    assert_eq!(stub.client().download("the id", &to, LIMIT).await.unwrap(), LIMIT);
    assert_eq!(std::fs::read(&to).unwrap(), bytes);
    assert_eq!(std::fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o600);
    let asked = stub.asked();
    assert_eq!(asked[0].body, json!({"file_id": "the id"}));
    assert_eq!(asked[1].path, format!("/file/bot{TOKEN}/voice/file%201%3F.oga"));
    let calls: Vec<_> = stub.calls().iter().map(|call| (call.method, call.outcome)).collect();
    assert_eq!(calls, [(Method::GetFile, CallOutcome::Ok), (Method::Download, CallOutcome::Ok)]);
}

#[tokio::test]
async fn an_empty_file_is_downloaded() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("one");
    let stub = Stub::start([get_file_answer_of(0), Answer::Whole(200, Vec::new())]).await;
    assert_eq!(stub.client().download("id", &to, LIMIT).await.unwrap(), 0);
    assert_eq!(std::fs::metadata(&to).unwrap().len(), 0);
}

#[tokio::test]
async fn a_file_over_the_limit_is_refused_whether_announced_or_not() {
    let too_big = "Bad Request: file is too big";
    for answers in [
        vec![get_file_answer(), Answer::Whole(200, vec![0; LIMIT as usize + 1])],
        vec![get_file_answer(), Answer::Endless],
        vec![Answer::refusal(400, too_big)],
    ] {
        let (error, _) = failing(answers).await;
        assert!(matches!(error, DownloadError::TooBig { limit: LIMIT }), "{error:?}");
        assert_eq!(error.disposition(), Disposition::Final);
    }
}

#[tokio::test]
async fn a_refusal_for_size_names_the_public_limit() {
    let stub = Stub::start([Answer::refusal(400, "Bad Request: file is too big")]).await;
    let folder = tempfile::tempdir().unwrap();
    let error = stub.client().download("id", &folder.path().join("one"), 50 << 20).await.unwrap_err();
    assert!(matches!(error, DownloadError::TooBig { limit } if limit == 20 << 20), "{error:?}");
}

#[tokio::test]
async fn a_transfer_cut_midway_leaves_nothing_and_is_transient() {
    let (error, stub) = failing([get_file_answer(), Answer::Cut(5000, vec![1; 1000])]).await;
    assert!(matches!(error, DownloadError::Telegram(TelegramError::Network(_))), "{error:?}");
    assert!(matches!(error.disposition(), Disposition::Retry { .. }));
    assert_eq!(stub.calls()[1].outcome, CallOutcome::Network);
}

#[tokio::test]
async fn a_file_shorter_than_announced_is_incomplete() {
    let (error, stub) = failing([get_file_answer_of(1001), Answer::Whole(200, vec![1; 1000])]).await;
    assert!(matches!(error, DownloadError::Incomplete), "{error:?}");
    assert!(matches!(error.disposition(), Disposition::Retry { .. }));
    assert_eq!(stub.calls()[1].outcome, CallOutcome::Network);
}

#[tokio::test]
async fn an_expired_link_is_transient() {
    for status in [404, 410] {
        let (error, stub) = failing([get_file_answer(), Answer::refusal(status, "Not Found")]).await;
        assert!(matches!(error, DownloadError::Expired), "{error:?}");
        assert!(matches!(error.disposition(), Disposition::Retry { .. }));
        assert_eq!(stub.calls()[1].outcome, CallOutcome::Client4xx);
    }
}

#[tokio::test]
async fn a_transfer_that_stalls_times_out() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("one");
    let stub = Stub::start([get_file_answer(), Answer::Stall(vec![1; 1000])]).await;
    let client = stub.client();
    let download = tokio::spawn(async move { client.download("id", &to, LIMIT).await });
    stub.received(2).await;
    tokio::time::pause();
    let error = download.await.unwrap().unwrap_err();
    assert!(matches!(error, DownloadError::Telegram(TelegramError::Timeout)), "{error:?}");
    assert!(is_empty(folder.path()));
}

#[tokio::test]
async fn a_cancelled_download_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("one");
    let stub = Stub::start([get_file_answer(), Answer::Stall(vec![1; 1000])]).await;
    let client = stub.client();
    let under_way = async {
        stub.received(2).await;
        assert!(to.exists());
    };
    tokio::select! {
        done = client.download("id", &to, LIMIT) => panic!("{done:?}"),
        () = under_way => {}
    }
    assert!(is_empty(folder.path()));
}

#[tokio::test]
async fn an_existing_file_is_neither_overwritten_nor_removed() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("one");
    std::fs::write(&to, "another file").unwrap();
    let stub = Stub::start([get_file_answer(), Answer::Whole(200, vec![1])]).await;
    let error = stub.client().download("id", &to, LIMIT).await.unwrap_err();
    assert!(
        matches!(&error, DownloadError::Write(why) if why.kind() == std::io::ErrorKind::AlreadyExists),
        "{error:?}"
    );
    assert_eq!(std::fs::read_to_string(&to).unwrap(), "another file");
}

#[tokio::test]
async fn refusals_of_the_server_are_classified() {
    for answer in [
        Answer::refusal(400, "Bad Request: invalid file_id"),
        Answer::refusal(400, "Bad Request: wrong file identifier/HTTP URL specified"),
        Answer::refusal(400, "Bad Request: FILE_ID_INVALID"),
        Answer::ok(json!({"file_id": "x", "file_unique_id": "y"})),
    ] {
        let (error, _) = failing([answer]).await;
        assert!(matches!(error, DownloadError::Gone), "{error:?}");
        assert_eq!(error.disposition(), Disposition::Final);
    }
    for answer in [
        "Bad Request: wrong file_id or the file is temporarily unavailable",
        "Bad Request: file is temporarily unavailable",
    ] {
        let (error, _) = failing([Answer::refusal(400, answer)]).await;
        assert!(matches!(error, DownloadError::Unavailable), "{error:?}");
        assert!(matches!(error.disposition(), Disposition::Retry { .. }));
    }
    let (error, _) = failing([get_file_answer(), Answer::refusal(429, "Too Many Requests: retry after 9")]).await;
    let nine = std::time::Duration::from_secs(9);
    assert_eq!(error.disposition(), Disposition::ServerRequested(nine));

    let (error, _) = failing([get_file_answer(), Answer::Whole(503, b"<html>".to_vec())]).await;
    assert!(matches!(error, DownloadError::Telegram(TelegramError::Server)), "{error:?}");

    let (error, _) = failing([Answer::ok(json!({"file_path": "/var/lib/telegram-bot-api/x/voice/file_1.oga"}))]).await;
    assert!(matches!(error, DownloadError::ServerLocal), "{error:?}");

    let (error, _) = failing([get_file_answer(), Answer::Redirect("http://127.0.0.1:1/".into())]).await;
    assert!(matches!(error, DownloadError::Telegram(TelegramError::Server)), "{error:?}");
}
