//! Recordings that are not on the machine that is to transcribe them.

use std::path::PathBuf;
use std::sync::Arc;

use stenobot_domain::RequestId;
use stenobot_simulator::answers::RequestOutcome;
use stenobot_simulator::server::{Effect, Method, Refusal, ScriptedFault};
use stenobot_simulator::users::{SentMessage, User};
use stenobot_telegram::{Action, RerunChoice};

use super::recordings::{Gate, WaitingEngine, scripted};
use super::scene::{Scene, TestBot, failed, row_of};
use super::{SCENARIO_TIMEOUT, eventually};

/// Where the bot keeps a request's recording.
async fn recording<B: TestBot>(scene: &Scene<B>, sent: &SentMessage) -> PathBuf {
    let id = scene.request(sent).await;
    scene.bot.environment().data().join(format!("audio/{id}.audio"))
}

/// A bot whose engine works on one request until it is released.
struct Missing<B: TestBot> {
    scene: Scene<B>,
    first: SentMessage,
    held: WaitingEngine,
    /// Sender of the second request.
    user: User,
    /// Waits, and its recording is gone.
    second: SentMessage,
}

async fn with_a_missing_recording<B: TestBot>() -> Missing<B> {
    let mut scene = Scene::<B>::start(&[]).await;
    let gate = Gate::new().await;
    let first = scene.send_voice(&scripted(3, &format!("{};say первая", gate.instruction())));
    let held = gate.wait_reached().await;
    let user = scene.new_user("Борис", "ru");
    let second = user.send_voice(&scripted(3, "say вторая"));
    scene.wait_for_positions(std::slice::from_ref(&second), &[1]).await;
    assert_eq!((scene.calls(Method::GetFile), scene.calls(Method::Download)), (2, 2));
    std::fs::remove_file(recording(&scene, &second).await).unwrap();
    Missing { scene, first, held, user, second }
}

pub(crate) async fn a_recording_that_is_gone_when_its_request_is_claimed_is_fetched_again<B: TestBot>() {
    let Missing { mut scene, first, held, second, .. } = with_a_missing_recording::<B>().await;
    let third = scene.send_voice(&scripted(3, "say третья"));
    scene.wait_for_positions(&[second.clone(), third.clone()], &[1, 2]).await;
    held.release();
    for (sent, text) in [(&first, "первая"), (&second, "вторая"), (&third, "третья")] {
        assert_eq!(scene.text(sent).await, text);
        assert_eq!(sent.trail().answers.len(), 1);
    }
    assert_eq!((scene.calls(Method::GetFile), scene.calls(Method::Download)), (4, 4), "one more than recordings");
    for row in scene.shut_down().await {
        assert_eq!((row.stage.as_str(), row.reason), ("done", None));
    }
}

pub(crate) async fn others_are_transcribed_while_a_recording_is_fetched_again<B: TestBot>() {
    let Missing { mut scene, first, held, user, second } = with_a_missing_recording::<B>().await;
    let third = scene.send_voice(&scripted(3, "say третья"));
    scene.wait_for_positions(&[second.clone(), third.clone()], &[1, 2]).await;
    let stall = Effect::Slow { piece: 1, pause: SCENARIO_TIMEOUT };
    scene.api().set_fault(Some(Arc::new(ScriptedFault::new(Method::Download, 1, stall))));
    held.release();
    assert_eq!(scene.text(&first).await, "первая");
    assert_eq!(scene.text(&third).await, "третья");
    assert_eq!(scene.row(&second).await.stage, "queued");

    let message = scene.wait_for_status(&second).await;
    let id = scene.request(&second).await;
    scene.press(&user, message, &Action::Cancel(id)).await;
    assert_eq!(scene.answer(&second).await, RequestOutcome::Cancelled);
    let rows = scene.shut_down().await;
    assert_eq!(row_of(&rows, &second).stage, "cancelled");
}

pub(crate) async fn a_recording_that_telegram_refuses_to_give_again_ends_its_request<B: TestBot>() {
    let Missing { mut scene, first, held, second, .. } = with_a_missing_recording::<B>().await;
    let refuse = Effect::Refuse(Refusal::Bad("wrong file identifier"));
    scene.api().set_fault(Some(Arc::new(ScriptedFault::new(Method::GetFile, 1, refuse))));
    held.release();
    assert_eq!(scene.text(&first).await, "первая");
    assert!(failed(scene.answer(&second).await).contains("Не удалось"));
    let rows = scene.shut_down().await;
    let row = row_of(&rows, &second);
    assert_eq!((row.stage.as_str(), row.reason.as_deref()), ("failed", Some("download")));
}

pub(crate) async fn a_kept_recording_that_is_gone_is_fetched_to_be_transcribed_again<B: TestBot>() {
    let mut scene = Scene::<B>::start(&[("audio_retention_seconds", "600")]).await;
    let anna = scene.new_user("Анна", "ru");
    let sent = anna.send_voice(&scripted(3, "language"));
    assert_eq!(scene.text(&sent).await, "auto");
    let of: RequestId = scene.request(&sent).await;
    scene.wait_until_closed().await;
    std::fs::remove_file(recording(&scene, &sent).await).unwrap();
    let again = Action::Rerun { of, choice: RerunChoice::Language("de".parse().unwrap()) };
    let press = anna.send_callback(sent.status().unwrap(), &again.encode());
    eventually("the press is answered", press.wait_for_answer()).await;
    let texts = scene.api().wait_for(|state| {
        let mut replies = state.replies(sent.chat(), sent.id()).filter_map(|message| message.content.text());
        replies.find(|text| text.contains("de")).map(str::to_owned)
    });
    eventually("the answer in the other language", texts).await;
    assert_eq!((scene.calls(Method::GetFile), scene.calls(Method::Download)), (2, 2));
    scene.wait_until_closed().await;
    scene.into_stopped_with_audio().await;
}
