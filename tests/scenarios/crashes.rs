//! The bot is killed, or signalled to stop.

use std::sync::Arc;
use std::time::Duration;

use stenobot_simulator::server::{Call, CallOutcome, Effect, FaultAction, Method, Refusal, State};
use stenobot_simulator::users::SentMessage;

use crate::recordings::{Gate, scripted};
use crate::scene::{SCENARIO_TIMEOUT, Scene, row_of};

/// From the restart to the engine at work again, without waiting for leases to expire.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(30);

fn answered_once(sent: &SentMessage) {
    let trail = sent.trail();
    assert_eq!(trail.answers.len(), 1, "{}", sent.history());
    assert!(!trail.overwritten, "{}", sent.history());
}

#[tokio::test]
async fn repeated_kills_leave_one_answer_for_each_request() {
    let mut scene = Scene::start(&[]).await;
    let gate = Gate::new().await;
    let first = scene.send_voice(&scripted(3, &format!("{};say первая", gate.instruction())));
    let held = gate.wait_reached().await;
    let others = ["вторая", "третья"].map(|text| scene.send_voice(&scripted(3, &format!("say {text}"))));
    scene.wait_for_positions(&others, &[1, 2]).await;
    // Kill while one request is transcribed and two wait, and again during the repeated transcription.
    scene.bot.kill().await.unwrap();
    drop(held);
    scene.bot.restart().await.unwrap();
    let before = scene.api().now();
    let held = gate.wait_reached().await;
    assert!(scene.api().now() - before < RECOVERY_TIMEOUT);
    scene.bot.kill().await.unwrap();
    drop(held);
    scene.bot.restart().await.unwrap();
    gate.wait_reached().await.release();

    for (sent, text) in std::iter::once(&first).chain(&others).zip(["первая", "вторая", "третья"]) {
        assert_eq!(scene.text(sent).await, text);
    }
    let messages = scene.calls(Method::SendMessage);
    let rows = scene.shut_down().await;
    assert_eq!((rows.len(), messages), (3, 3), "the same messages go on");
    for sent in std::iter::once(&first).chain(&others) {
        answered_once(sent);
        assert_eq!(row_of(&rows, sent).stage, "done");
    }
}

#[tokio::test]
async fn a_kill_during_a_download_repeats_the_download() {
    let mut scene = Scene::start(&[]).await;
    let stall = |call: &Call| -> FaultAction {
        let delay = if call.method == Method::Download { SCENARIO_TIMEOUT } else { Duration::ZERO };
        FaultAction { delay, effect: Effect::Pass }
    };
    scene.api().set_fault(Some(Arc::new(stall)));
    let sent = scene.send_voice(&scripted(3, "say скачано"));
    sent.wait_for("the file is being fetched", SCENARIO_TIMEOUT, |trail| trail.latest.clone()).await.unwrap();
    scene.wait_for_call("the file is asked for", |call| call.method == Method::GetFile).await;
    scene.bot.kill().await.unwrap();
    scene.api().set_fault(None);
    scene.bot.restart().await.unwrap();
    assert_eq!(scene.text(&sent).await, "скачано");
    scene.shut_down().await;
    answered_once(&sent);
}

#[tokio::test]
async fn a_kill_before_delivery_is_committed_repeats_the_same_edit() {
    let mut scene = Scene::start(&[]).await;
    let gate = Gate::new().await;
    let sent = scene.send_voice(&scripted(3, &format!("{};say дошло", gate.instruction())));
    let held = gate.wait_reached().await;
    sent.wait_for("it has begun", SCENARIO_TIMEOUT, |trail| trail.started).await.unwrap();
    // From now on Telegram accepts every edit, and the response is lost.
    let mute = |call: &Call| -> FaultAction {
        let silence = Effect::Slow { piece: 1, pause: SCENARIO_TIMEOUT };
        if call.method == Method::EditMessageText { silence.into() } else { Effect::Pass.into() }
    };
    scene.api().set_fault(Some(Arc::new(mute)));
    held.release();
    assert_eq!(scene.text(&sent).await, "дошло");
    assert_eq!(scene.row(&sent).await.stage, "transcribed");
    scene.bot.kill().await.unwrap();
    scene.api().set_fault(None);
    scene.bot.restart().await.unwrap();
    gate.wait_reached().await.release();
    let texts = sent.texts();
    let before = scene.calls(Method::EditMessageText);
    scene.wait_for_calls(Method::EditMessageText, before + 1).await;
    let edit = |state: &State| state.calls.iter().rfind(|call| call.method == Method::EditMessageText).cloned();
    let repeated = scene.api().read(edit).unwrap();
    assert_eq!(repeated.outcome, CallOutcome::Refused(Refusal::NOT_MODIFIED));

    let rows = scene.shut_down().await;
    assert_eq!(row_of(&rows, &sent).stage, "done");
    assert_eq!(sent.texts(), texts, "nothing was shown over the answer");
    answered_once(&sent);
}

#[tokio::test]
async fn shutdown_finishes_work_that_fits_into_the_grace_period() {
    let mut scene = Scene::start(&[]).await;
    let gate = Gate::new().await;
    let running = scene.send_voice(&scripted(3, &format!("{};say успел", gate.instruction())));
    let held = gate.wait_reached().await;
    let waiting = scene.send_voice(&scripted(3, "say после перезапуска"));
    scene.wait_for_positions(std::slice::from_ref(&waiting), &[1]).await;
    let (status, ()) = tokio::join!(scene.bot.terminate(Duration::from_secs(30)), async { held.release() });
    assert!(status.unwrap().success());
    assert_eq!(running.trail().answers.len(), 1, "{}", running.history());
    assert_eq!(scene.text(&running).await, "успел");

    scene.bot.restart().await.unwrap();
    assert_eq!(scene.text(&waiting).await, "после перезапуска");
    scene.shut_down().await;
    answered_once(&running);
    answered_once(&waiting);
}

#[tokio::test]
async fn shutdown_ends_in_time_and_work_resumes_after_the_next_start() {
    let mut scene = Scene::start(&[("shutdown_timeout_seconds", "1")]).await;
    let gate = Gate::new().await;
    let sent = scene.send_voice(&scripted(3, &format!("{};say потом", gate.instruction())));
    let held = gate.wait_reached().await;
    // A scripted engine at a gate does not respond to a cancellation.
    let before = scene.api().now();
    let status = scene.bot.terminate(Duration::from_secs(25)).await.unwrap();
    let took = scene.api().now() - before;
    assert!(status.success(), "{status}");
    assert!(took < Duration::from_secs(20), "{took:?}");
    drop(held);
    assert!(sent.trail().answers.is_empty());
    assert_eq!(scene.row(&sent).await.stage, "queued");

    scene.bot.restart().await.unwrap();
    gate.wait_reached().await.release();
    assert_eq!(scene.text(&sent).await, "потом");
    scene.shut_down().await;
    answered_once(&sent);
}
