//! Updates that come by a webhook, with the bot as a process.

use stenobot_simulator::harness::Simulation;

use crate::recordings::scripted;
use crate::scene::{SCENARIO_TIMEOUT, Scene};
use crate::stories::run_stories;
use crate::stories::webhook::{Hook, statuses};

run_stories!(
    Simulation,
    webhook: an_update_by_webhook_is_answered_and_the_webhook_stays,
    requests_other_than_telegram_s_are_refused,
    an_update_that_cannot_be_recorded_is_sent_again_and_answered_once,
    without_the_setting_the_bot_polls_again,
    the_webhook_of_another_program_stays,
);

#[tokio::test]
async fn a_kill_between_commit_and_acknowledgement_leaves_one_answer() {
    let hook = Hook::new();
    let mut scene = Scene::start(&hook.settings()).await;
    scene.bot.set_variable("CRASH_AT", Some("after admission"));
    scene.bot.restart().await.unwrap();
    let sent = scene.send_voice(&scripted(3, "say один раз"));
    scene.bot.wait_for_exit(SCENARIO_TIMEOUT).await.unwrap();
    assert_eq!(scene.rows().await.len(), 1, "the request was committed");
    assert!(!statuses(scene.api()).contains(&Some(200)), "the update was not acknowledged");

    scene.bot.set_variable("CRASH_AT", None);
    scene.bot.restart().await.unwrap();
    assert_eq!(scene.text(&sent).await, "один раз");
    // Telegram sends the update until it is acknowledged.
    let acknowledged = scene.api().wait_for(|state| state.pending.is_empty().then_some(()));
    crate::scene::eventually("the update is acknowledged", acknowledged).await;
    let rows = scene.shut_down().await;
    assert_eq!(rows.len(), 1);
    assert_eq!(sent.trail().answers.len(), 1, "{}", sent.history());
}
