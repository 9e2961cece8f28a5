//! Files of every kind, recognised by their content; and recordings without speech.

use std::path::PathBuf;
use std::time::Duration;

use stenobot_simulator::answers::RequestOutcome;
use stenobot_simulator::server::{Attachment, Media};
use stenobot_simulator::users::SentMessage;

use crate::recordings::asset;
use crate::scene::{Scene, answered, failed, real};

fn files(folder: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(asset(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

/// Sends a file with a name and type that do not tell its kind.
fn sends(scene: &Scene, file: &PathBuf, media: Media) -> SentMessage {
    let user = scene.new_user("Анна", "ru");
    let attachment = Attachment::file(media, Duration::from_secs(3), "application/octet-stream", "file");
    user.send_file(attachment, std::fs::read(file).unwrap())
}

#[tokio::test]
async fn files_with_sound_are_transcribed_and_other_files_are_refused_by_kind() {
    let scene = Scene::start(&[("user_requests_per_minute", "600"), ("max_queue_size", "200")]).await;
    let mut with_sound = files("tests/fixtures/kinds/heard");
    with_sound.extend(files("tests/fixtures/formats/decoded"));
    let plain = files("tests/fixtures/audio").into_iter();
    with_sound.extend(plain.filter(|file| {
        let name = file.file_name().unwrap().to_str().unwrap();
        !name.ends_with(".gz") && !name.ends_with(".tsv") && !name.starts_with("silent")
    }));
    let sent: Vec<(PathBuf, SentMessage)> =
        with_sound.into_iter().map(|file| (file.clone(), sends(&scene, &file, Media::Document))).collect();
    for (file, sent) in &sent {
        match scene.answer(sent).await {
            RequestOutcome::Answered(_) => {}
            other => panic!("{}: {other:?}", file.display()),
        }
    }
    for file in [files("tests/fixtures/kinds/refused"), files("tests/fixtures/formats/named")].concat() {
        let sent = sends(&scene, &file, Media::Document);
        let sentence = failed(scene.answer(&sent).await);
        let codec = |name: &str| format!("Не умею читать звук в таком формате: {name}. ");
        let wanted = match file.file_name().unwrap().to_str().unwrap() {
            name if name.starts_with("silent") => "Видео не содержит аудиодорожки.".to_owned(),
            "ac3.mkv" | "ac3.mp4" => codec("AC-3"),
            "eac3.mkv" => codec("E-AC-3"),
            "speex.ogg" => codec("Speex"),
            "transport.ts" => codec("MPEG-TS"),
            "aac-5.1.aac" | "aac-5.1.m4a" => codec("AAC 5.1"),
            "gsm.wav" => codec("GSM 6.10"),
            "mp3.avi" => codec("AVI"),
            "mp3.flv" => codec("Flash Video (FLV)"),
            "wma.mkv" => codec("WMA"),
            "wma.wma" => codec("Windows Media (WMA, WMV)"),
            _ => "Не нахожу в этом файле звука".to_owned(),
        };
        assert!(sentence.starts_with(&wanted), "{}: {sentence}", file.display());
    }
    let silent = sends(&scene, &asset("tests/fixtures/audio/silent.mp4"), Media::Video);
    assert_eq!(failed(scene.answer(&silent).await), "Видео не содержит аудиодорожки.");
    let round = sends(&scene, &asset("tests/fixtures/audio/video.mp4"), Media::VideoNote);
    answered(scene.answer(&round).await);
    scene.shut_down().await;
}

#[tokio::test]
async fn recordings_without_speech_produce_no_text() {
    let (_lock, scene) = real(&[("user_requests_per_minute", "600")]).await;
    let sent: Vec<(PathBuf, SentMessage)> = files("tests/fixtures/nospeech")
        .into_iter()
        .map(|file| (file.clone(), sends(&scene, &file, Media::Voice)))
        .collect();
    for (file, sent) in &sent {
        assert_eq!(scene.answer(sent).await, RequestOutcome::NoSpeech, "{}", file.display());
    }
    let rows = scene.shut_down().await;
    assert!(rows.iter().all(|row| row.stage == "done" && row.transcription_length == Some(0)));
}
