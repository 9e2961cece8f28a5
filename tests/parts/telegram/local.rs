//! Files of a Bot API server that keeps them on this machine.

use std::path::Path;
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::json;
use stenobot_telegram::{Disposition, DownloadError};

use super::stub::{Answer, Stub};

const LIMIT: u64 = 1_000;

/// Downloads with a server that gives `file` as its path.
async fn download(folder: &Path, file: &Path) -> Result<u64, DownloadError> {
    let answer = json!({"file_id": "x", "file_unique_id": "y", "file_path": file.to_str().unwrap()});
    let stub = Stub::start([Answer::ok(answer)]).await;
    let target = tempfile::tempdir().unwrap();
    let to = target.path().join("one");
    let client = stub.client().with_local_files(folder.to_owned());
    let download = client.download("id", &to, LIMIT);
    let result = tokio::time::timeout(Duration::from_secs(30), download).await.expect("nothing is waited for");
    assert_eq!(result.is_ok(), std::fs::read_dir(target.path()).unwrap().next().is_some());
    result
}

#[tokio::test]
async fn only_regular_files_in_the_server_s_folder_are_copied() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("server");
    std::fs::create_dir_all(folder.join("bot/voice")).unwrap();
    std::os::unix::fs::symlink(&folder, root.path().join("link to the server")).unwrap();
    let voice = folder.join("bot/voice");
    std::fs::write(voice.join("file_1.oga"), "sound").unwrap();
    std::fs::write(voice.join("large"), vec![1; 1_001]).unwrap();
    std::fs::write(root.path().join("outside"), "secret").unwrap();

    assert_eq!(download(&folder, &voice.join("file_1.oga")).await.unwrap(), 5);
    let linked = root.path().join("link to the server/bot/voice/file_1.oga");
    assert_eq!(download(&root.path().join("link to the server"), &linked).await.unwrap(), 5);
    let large = download(&folder, &voice.join("large")).await.unwrap_err();
    assert!(matches!(large, DownloadError::TooBig { limit: LIMIT }), "{large:?}");
    let gone = download(&folder, &voice.join("nothing")).await.unwrap_err();
    assert!(matches!(gone, DownloadError::Gone), "{gone:?}");

    let mode = Mode::RUSR | Mode::WUSR;
    mknodat(CWD, voice.join("pipe"), FileType::Fifo, mode, 0).unwrap();
    let _listener = std::os::unix::net::UnixListener::bind(voice.join("socket")).unwrap();
    std::os::unix::fs::symlink(voice.join("file_1.oga"), voice.join("link")).unwrap();
    std::os::unix::fs::symlink(root.path().join("outside"), voice.join("link out")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", voice.join("device")).unwrap();
    std::os::unix::fs::symlink(voice.join("loop"), voice.join("loop")).unwrap();
    for name in ["pipe", "socket", "link", "link out", "device", "loop", ""] {
        let error = download(&folder, &voice.join(name)).await.unwrap_err();
        assert!(matches!(error, DownloadError::NotRegular), "{name}: {error:?}");
        assert_eq!(error.disposition(), Disposition::Final);
        assert_eq!(error.to_string(), "what the Bot API server gives is no regular file");
    }

    std::os::unix::fs::symlink(root.path(), voice.join("way out")).unwrap();
    for file in
        [voice.join("way out/outside"), voice.join("../../../outside"), "/dev/zero".into(), "/etc/passwd".into()]
    {
        let error = download(&folder, &file).await.unwrap_err();
        assert!(matches!(error, DownloadError::ServerLocal), "{error:?}");
    }
}
