//! Everyday use: a long recording, one that is too long, several at once. Scene and recordings are parameters, so that these
//! run with a real model as well. `check` compares a transcript with its recording.

use std::sync::Arc;
use std::time::Duration;

use stenobot_simulator::answers::{BotText, RequestOutcome, read};
use stenobot_simulator::server::{Attachment, Effect, FaultAction, Method, ScriptedFault};
use stenobot_simulator::users::SentMessage;
use stenobot_simulator::voices::Voice;

use super::SCENARIO_TIMEOUT;
use super::scene::{Scene, TestBot, assert_processed_in_order, position, rejected, row_of};

/// Positions in the queue that the sender was shown, in order.
fn positions(sent: &SentMessage) -> Vec<u32> {
    sent.texts().iter().filter_map(|text| position(&read(text))).collect()
}

/// Percentages that the sender was shown, in order.
fn percentages(sent: &SentMessage) -> Vec<u32> {
    let shown = sent.texts().into_iter().filter_map(|text| match read(&text) {
        BotText::Progress { percent } => Some(percent.expect("progress has a percentage")),
        _ => None,
    });
    shown.collect()
}

/// `voice` takes the recogniser at least a second, so that progress is shown; `progress_update_interval_seconds` is 1.
pub(crate) async fn a_minute_of_voice_is_recorded_in_stages_and_answered_after_progress<B: TestBot>(
    mut scene: Scene<B>,
    voice: &Voice,
    model: &str,
    check: impl Fn(&str, &Voice),
) {
    // Long enough to read the row meanwhile.
    let slow = FaultAction { delay: Duration::from_secs(3), effect: Effect::Pass };
    scene.api().set_fault(Some(Arc::new(ScriptedFault::new(Method::Download, 1, slow))));
    let sent = scene.send_voice(voice);

    // On receipt.
    sent.wait_for("the first message", SCENARIO_TIMEOUT, |trail| trail.latest.clone()).await.unwrap();
    let row = scene.row(&sent).await;
    assert_eq!(row.stage, "received");
    assert!(row.voice_file_id.starts_with("AwAC"), "{row:?}");
    assert_eq!((row.voice_duration_seconds, row.model_size, row.transcription_length), (None, None, None));
    assert_eq!(row.processing_time_seconds, None);
    assert_eq!(sent.texts(), ["📥 Загружаю файл..."]);

    // After the download.
    let progress = |said: &BotText| matches!(said, BotText::Progress { .. });
    sent.wait_for("progress", SCENARIO_TIMEOUT, |trail| {
        trail.latest.as_ref().filter(|said| progress(said)).map(|_| ())
    })
    .await
    .unwrap();
    let transcribing = scene.row(&sent).await;
    assert_eq!(transcribing.stage, "transcribing");
    let length = transcribing.voice_duration_seconds.unwrap();
    assert!((length - voice.duration.as_secs_f64()).abs() < 0.1, "{length}");
    assert_eq!(
        (transcribing.model_size, transcribing.transcription_length, transcribing.processing_time_seconds),
        (None, None, None)
    );

    let text = scene.text(&sent).await;
    check(&text, voice);
    let texts = sent.texts();
    assert_eq!(texts.last(), Some(&format!("✅ Готово!\n\n{text}")));
    let shown = percentages(&sent);
    assert!(!shown.is_empty() && shown.is_sorted() && shown.iter().all(|percent| *percent <= 99), "{shown:?}");
    let bar = texts.iter().find(|text| text.starts_with("🔄")).unwrap();
    assert!(bar.starts_with("🔄 Обработка [") && bar.contains("\n⏱️ Прошло: "), "{bar}");

    // After the transcription.
    let rows = scene.shut_down().await;
    let done = row_of(&rows, &sent);
    assert_eq!(rows.len(), 1);
    assert_eq!(done.stage, "done");
    assert_eq!(done.model_size.as_deref(), Some(model));
    assert!(done.processing_time_seconds.unwrap() > 1.0);
    // The length is that of the words, without times and breaks.
    let words: Vec<&str> = text.split("\n\n").map(without_time).collect();
    assert_eq!(done.transcription_length, Some(words.join(" ").chars().count() as i64));
    assert_eq!(done.created_at, row.created_at);
    assert!(done.updated_at > transcribing.updated_at);
}

pub(crate) async fn a_voice_that_is_too_long_is_refused_by_claimed_or_measured_length<B: TestBot>(
    mut scene: Scene<B>,
    long: Voice,
    minute: Voice,
) {
    let claiming = scene.new_user("Борис", "ru");
    let sent = claiming.send_file(Attachment::voice(Duration::from_secs(130)), long.bytes);
    let sentence = rejected(scene.answer(&sent).await);
    assert_eq!(sentence, "Максимальная длительность: 120с (2 мин)\nВаш файл: 130с (2 мин)");
    assert_eq!((scene.calls(Method::GetFile), scene.calls(Method::Download)), (0, 0));

    scene.bot.restart_with("max_voice_duration_seconds", "20").await;
    let underclaiming = scene.new_user("Вера", "ru");
    let sent = underclaiming.send_file(Attachment::voice(Duration::from_secs(10)), minute.bytes);
    let sentence = rejected(scene.answer(&sent).await);
    assert_eq!(sentence, "Максимальная длительность: 20с\nВаш файл длиннее.");
    assert_eq!(scene.calls(Method::Download), 1);

    let rows = scene.shut_down().await;
    let ends: Vec<_> = rows.iter().map(|row| (row.stage.as_str(), row.reason.as_deref(), row.started_at)).collect();
    assert_eq!(ends, [("rejected", Some("too_long"), None); 2]);
}

pub(crate) async fn three_concurrent_users_see_their_positions_and_are_answered_in_order<B: TestBot>(
    mut scene: Scene<B>,
    voices: [Voice; 3],
    check: impl Fn(&str, &Voice),
) {
    let sent: Vec<SentMessage> = voices.iter().map(|voice| scene.send_voice(voice)).collect();
    for (sent, voice) in sent.iter().zip(&voices) {
        check(&scene.text(sent).await, voice);
    }
    let last = sent.iter().max_by_key(|sent| sent.trail().started).unwrap();
    let seen = positions(last);
    // Status messages are edited every few seconds at most, so that a position may be skipped.
    assert!(seen[0] >= 2 && seen.is_sorted_by(|one, next| one > next), "{seen:?}");
    let waited = last.texts().into_iter().find(|text| text.starts_with("📋")).unwrap();
    assert!(waited.contains("\n⏱️ Примерное время ожидания: ~"), "{waited}");

    let rows = scene.shut_down().await;
    assert_eq!(rows.iter().filter(|row| row.stage == "done").count(), 3);
    assert_processed_in_order(&rows);
}

pub(crate) async fn five_recordings_of_one_user_are_processed_one_at_a_time<B: TestBot>(
    mut scene: Scene<B>,
    voices: [Voice; 5],
    check: impl Fn(&str, &Voice),
) {
    let user = scene.new_user("Галина", "ru");
    let mut sent = Vec::new();
    for voice in &voices {
        scene.spoken.add(&voice.text);
        sent.push(user.send_voice(voice));
    }
    for (sent, voice) in sent.iter().zip(&voices) {
        check(&scene.text(sent).await, voice);
        let page = scene.bot.metrics().await;
        assert!(page.value("stenobot_workers_busy").unwrap() <= 1.0);
        assert_eq!(page.value("stenobot_workers"), Some(1.0));
    }
    let answers: Vec<_> = sent.iter().map(|sent| sent.trail().answers).collect();
    for answers in &answers {
        assert!(matches!(&answers[..], [one] if matches!(one.outcome, RequestOutcome::Answered(_))), "{answers:?}");
    }
    let rows = scene.shut_down().await;
    assert_eq!(rows.iter().filter(|row| row.stage == "done").count(), 5);
    assert_processed_in_order(&rows);
}

/// A paragraph without the time at which it begins, if it has one.
fn without_time(paragraph: &str) -> &str {
    let is_time = |word: &str| word.contains(':') && word.chars().all(|c| c.is_ascii_digit() || c == ':');
    paragraph.split_once(' ').filter(|(first, _)| is_time(first)).map_or(paragraph, |(_, words)| words)
}
