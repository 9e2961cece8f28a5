//! Slow responses, retry-after, and lost files or messages at Telegram.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use stenobot_simulator::server::{Call, CallOutcome, Effect, FaultAction, Method, Refusal, ScriptedFault};

use crate::recordings::{Gate, scripted};
use crate::scene::{Scene, answered, failed, row_of};

/// Refuses the first `times` edits, and lets all other calls pass.
fn refuse_edits(scene: &Scene, times: u32, refusal: Refusal) {
    let left = AtomicU32::new(times);
    let fault = move |call: &Call| -> FaultAction {
        let applies = call.method == Method::EditMessageText
            && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if applies { Effect::Refuse(refusal.clone()).into() } else { Effect::Pass.into() }
    };
    scene.api().set_fault(Some(Arc::new(fault)));
}

#[tokio::test]
async fn retry_after_is_honoured_and_the_answer_arrives() {
    let pause = Duration::from_secs(2);
    let mut scene = Scene::start(&[("progress_update_interval_seconds", "1")]).await;
    let gate = Gate::new().await;
    // The first is an edit of the status. Whether the second is one too or the answer already, the third is the answer.
    refuse_edits(&scene, 2, Refusal::TooMany(pause));
    let sent = scene.send_voice(&scripted(10, &format!("progress 40;{};say терпение", gate.instruction())));
    let held = gate.wait_reached().await;
    let refused = |outcome: &CallOutcome| matches!(outcome, CallOutcome::Refused(Refusal::TooMany(_)));
    scene.wait_for_call("an edit is refused", |call| refused(&call.outcome)).await;
    held.release();
    assert_eq!(scene.text(&sent).await, "терпение");

    let calls = scene.api().read(|state| state.calls.clone());
    let edits: Vec<_> = calls.iter().filter(|call| call.method == Method::EditMessageText).collect();
    assert_eq!(edits.iter().filter(|call| refused(&call.outcome)).count(), 2);
    assert!(calls.iter().all(|call| !call.impatient), "a call came within a pause: {calls:#?}");
    for pair in edits.windows(2).filter(|pair| refused(&pair[0].outcome)) {
        assert!(pair[1].at >= pair[0].at + pause, "{pair:?}");
    }
    assert_eq!(sent.trail().answers.len(), 1);
    let page = scene.bot.metrics().await.unwrap();
    assert_eq!(page.value("stenobot_telegram_requests_total{method=\"editMessageText\",outcome=\"429\"}"), Some(2.0));
    scene.shut_down().await;
}

#[tokio::test]
async fn a_temporarily_unavailable_file_is_retried_and_an_invalid_one_is_not() {
    let mut scene = Scene::start(&[]).await;
    let api = scene.api().clone();
    let refuse = |times, refusal| {
        let fault = ScriptedFault::new(Method::GetFile, times, Effect::Refuse(refusal));
        api.set_fault(Some(Arc::new(fault)));
    };
    // More often than the tries of one claim: the request is released and claimed again.
    refuse(4, Refusal::FILE_NOT_FOUND);
    let anna = scene.new_user("Анна", "ru");
    let sent = anna.send_voice(&scripted(3, "say всё же пришло"));
    assert_eq!(answered(scene.answer(&sent).await), "всё же пришло");
    scene.spoken.add("всё же пришло");
    let asked = scene.api().read(|state| {
        let asked = state.calls.iter().filter(|call| call.method == Method::GetFile);
        asked.map(|call| call.at).collect::<Vec<_>>()
    });
    assert_eq!(asked.len(), 5);
    let pauses: Vec<u64> = asked.windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).collect();
    assert!(pauses[0] >= 1 && pauses[1] >= 2 && pauses[2] >= 5, "{pauses:?}");

    refuse(u32::MAX, Refusal::FILE_INVALID);
    let sent = anna.send_voice(&scripted(3, "say никогда"));
    assert!(failed(scene.answer(&sent).await).contains("Не удалось загрузить файл"));
    assert_eq!(scene.calls(Method::GetFile), 6, "a wrong file id is final");
    scene.shut_down().await;
}

#[tokio::test]
async fn the_answer_is_sent_as_a_new_message_when_the_status_message_is_deleted() {
    let mut scene = Scene::start(&[]).await;
    refuse_edits(&scene, u32::MAX, Refusal::EDIT_NOT_FOUND);
    let sent = scene.send_voice(&scripted(3, "say новое сообщение"));
    assert_eq!(scene.text(&sent).await, "новое сообщение");
    let answers = sent.trail().answers;
    assert_eq!(answers.len(), 1);
    assert_ne!(Some(answers[0].message), sent.status());
    scene.shut_down().await;
}

#[tokio::test]
async fn a_sender_who_blocks_the_bot_does_not_affect_others() {
    let mut scene = Scene::start(&[("log_format", "json")]).await;
    let gate = Gate::new().await;
    let gone = scene.new_user("Дарья", "ru");
    let while_heard = gone.send_voice(&scripted(3, &format!("{};say никому", gate.instruction())));
    let held = gate.wait_reached().await;
    gone.block_bot();
    let from_the_start = gone.send_voice(&scripted(3, "say никому"));
    let other = scene.send_voice(&scripted(3, "say дальше"));
    held.release();
    assert_eq!(scene.text(&other).await, "дальше");

    scene.spoken.add("никому");
    let rows = scene.shut_down().await;
    for sent in [while_heard, from_the_start] {
        let row = row_of(&rows, &sent);
        assert_eq!((row.stage.as_str(), row.reason.as_deref()), ("cancelled", Some("chat_gone")));
        assert!(sent.trail().answers.is_empty());
    }
}

#[tokio::test]
async fn broken_connections_neither_lose_nor_duplicate_answers() {
    // Libraries may log addresses that contain the token.
    let mut scene = Scene::start(&[("log_level", "debug,stenobot=debug")]).await;
    // Of three calls of a method the first breaks, the second fails at Telegram, the third passes; downloads, which need two
    // calls, fail less often. An edit that breaks was accepted, which the bot can repeat safely. A new message that breaks may
    // have been accepted, too, and would then be sent twice.
    let counts = Mutex::new(HashMap::new());
    let fault = move |call: &Call| -> FaultAction {
        let mut counts = counts.lock().unwrap();
        let count = counts.entry((call.method, call.chat)).or_insert(0_u32);
        *count += 1;
        let turn = if matches!(call.method, Method::GetFile | Method::Download) { 7 } else { 3 };
        match *count % turn {
            1 if call.method == Method::EditMessageText => Effect::BreakAfter.into(),
            1 => Effect::BreakBefore.into(),
            2 => Effect::Answer(502, "<html>Bad Gateway</html>").into(),
            _ => Effect::Pass.into(),
        }
    };
    scene.api().set_fault(Some(Arc::new(fault)));
    let mut sent = Vec::new();
    for _ in 0..6 {
        sent.push(scene.send_voice(&scripted(3, "progress 50;wait 50;say несмотря ни на что")));
    }
    for sent in &sent {
        assert_eq!(scene.text(sent).await, "несмотря ни на что");
    }
    scene.api().set_fault(None);
    let rows = scene.shut_down().await;
    assert_eq!(rows.iter().filter(|row| row.stage == "done").count(), sent.len());
    for sent in &sent {
        assert_eq!(sent.trail().answers.len(), 1, "{}", sent.history());
    }
}
