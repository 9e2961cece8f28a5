//! Cancelling requests.

use stenobot_simulator::answers::RequestOutcome;
use stenobot_telegram::Action;

use super::eventually;
use super::recordings::{Gate, scripted};
use super::scene::{Scene, TestBot, row_of};

pub(crate) async fn a_queued_request_can_be_cancelled_and_the_others_move_up<B: TestBot>() {
    let mut scene = Scene::<B>::start(&[]).await;
    let gate = Gate::new().await;
    let first = scene.send_voice(&scripted(3, &format!("{};say первая", gate.instruction())));
    let held = gate.wait_reached().await;
    let anna = scene.new_user("Анна", "ru");
    let boris = scene.new_user("Борис", "en");
    let second = anna.send_voice(&scripted(3, "say вторая"));
    scene.wait_for_positions(std::slice::from_ref(&second), &[1]).await;
    let third = boris.send_voice(&scripted(3, "say третья"));
    scene.wait_for_positions(&[second.clone(), third.clone()], &[1, 2]).await;

    let id = scene.request(&second).await;
    let (message, other) = (scene.wait_for_status(&second).await, scene.wait_for_status(&third).await);
    // Callback data names the request, not the user: the request of another user stays.
    let stolen = boris.send_callback(other, &Action::Cancel(id).encode());
    assert_eq!(eventually("an answer", stolen.wait_for_answer()).await.text, "This is somebody else's recording.");
    assert_eq!(scene.row(&second).await.stage, "queued");

    scene.press(&anna, message, &Action::Cancel(id)).await;
    assert_eq!(scene.answer(&second).await, RequestOutcome::Cancelled);
    scene.wait_for_positions(std::slice::from_ref(&third), &[1]).await;
    held.release();
    assert_eq!(scene.text(&first).await, "первая");
    assert_eq!(scene.text(&third).await, "третья");
    let rows = scene.shut_down().await;
    let row = row_of(&rows, &second);
    assert_eq!((row.stage.as_str(), row.reason.as_deref(), row.started_at), ("cancelled", Some("sender"), None));
}

pub(crate) async fn a_running_request_can_be_cancelled<B: TestBot>() {
    let mut scene = Scene::<B>::start(&[]).await;
    let gate = Gate::new().await;
    let anna = scene.new_user("Анна", "ru");
    let first = anna.send_voice(&scripted(3, &format!("{};linger 10;say никогда", gate.instruction())));
    let held = gate.wait_reached().await;
    let second = scene.send_voice(&scripted(3, "say следующая"));
    held.release();
    let message = scene.wait_for_status(&first).await;
    let id = scene.request(&first).await;
    scene.press(&anna, message, &Action::Cancel(id)).await;
    assert_eq!(scene.answer(&first).await, RequestOutcome::Cancelled);
    assert_eq!(scene.text(&second).await, "следующая");
    assert_eq!(scene.bot.metrics().await.value("stenobot_engine_restarts_total"), Some(0.0));
    let rows = scene.shut_down().await;
    assert_eq!(row_of(&rows, &first).stage, "cancelled");
}
