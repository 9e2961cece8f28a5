//! The engine dies, hangs, or is poisoned: its stand-in does so on demand.

use rustix::process::{Pid, Signal, kill_process};
use stenobot::simulator::server::Method;

use crate::recordings::{Gate, scripted};
use crate::scene::{Scene, failed, of};

#[tokio::test]
async fn an_engine_that_is_killed_costs_one_more_attempt() {
    let mut scene = Scene::stand_in(&[]).await;
    let gate = Gate::new().await;
    let sent = scene.somebody_sends(&scripted(3, &format!("progress 30;{};say вторая попытка", gate.instruction())));
    let held = gate.reached().await;
    kill_process(Pid::from_raw(held.pid).unwrap(), Signal::KILL).unwrap();
    drop(held);
    let again = gate.reached().await;
    let other = scene.somebody_sends(&scripted(3, "say следом"));
    again.open();
    assert_eq!(scene.text(&sent).await, "вторая попытка");
    assert_eq!(scene.text(&other).await, "следом");
    assert_eq!(sent.trail().answers.len(), 1);
    assert_eq!(scene.calls(Method::Download), 2, "the audio was still here");

    let page = scene.simulation.metrics().await.unwrap();
    assert_eq!(page.value("stenobot_engine_restarts_total"), Some(1.0));
    assert_eq!(page.value("stenobot_stage_retries_total{stage=\"transcribing\"}"), Some(1.0));
    scene.end().await;
}

#[tokio::test]
async fn a_recording_that_kills_the_engine_is_given_up_and_holds_nobody_up() {
    let mut scene = Scene::stand_in(&[]).await;
    let poison = scene.somebody_sends(&scripted(3, "segfault"));
    let others = ["один", "два"].map(|text| scene.somebody_sends(&scripted(3, &format!("say {text}"))));
    for (sent, text) in others.iter().zip(["один", "два"]) {
        assert_eq!(scene.text(sent).await, text);
    }
    let sentence = failed(scene.answer(&poison).await);
    assert_eq!(sentence, "Произошла ошибка при обработке. Пожалуйста, попробуйте еще раз.");
    let page = scene.simulation.metrics().await.unwrap();
    assert_eq!(page.value("stenobot_engine_restarts_total"), Some(3.0));
    let given_up = "stenobot_stage_failures_total{stage=\"transcribing\",reason=\"poison\"}";
    assert_eq!(page.value(given_up), Some(1.0));

    let rows = scene.end().await;
    let row = of(&rows, &poison);
    assert_eq!((row.stage.as_str(), row.reason.as_deref()), ("failed", Some("poison")));
    assert_eq!(poison.trail().answers.len(), 1);
}

#[tokio::test]
async fn an_engine_that_hangs_is_killed_at_the_deadline_and_the_next_is_served() {
    let mut scene = Scene::stand_in(&[("transcription_timeout_seconds", "5")]).await;
    let stuck = scene.somebody_sends(&scripted(3, "deaf"));
    let next = scene.somebody_sends(&scripted(3, "say дальше"));
    let sentence = failed(scene.answer(&stuck).await);
    assert_eq!(sentence, "Обработка заняла слишком много времени. Пожалуйста, отправьте запись короче.");
    assert_eq!(scene.text(&next).await, "дальше");
    let rows = scene.end().await;
    let row = of(&rows, &stuck);
    assert_eq!((row.stage.as_str(), row.reason.as_deref()), ("failed", Some("deadline")));
    let took = row.finished_at.unwrap() - row.started_at.unwrap();
    assert!((5_000..15_000).contains(&took), "{took} ms");
}
