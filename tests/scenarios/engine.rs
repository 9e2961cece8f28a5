//! The engine dies, hangs, or is poisoned: its stand-in does so on demand.

use rustix::process::Signal;
use stenobot_host::ProcessUsage;
use stenobot_simulator::server::Method;

use crate::recordings::{Gate, sample, scripted};
use crate::scene::{PATIENCE, Scene, failed, of, signal};

#[tokio::test]
async fn an_engine_that_is_killed_costs_one_more_attempt() {
    let mut scene = Scene::stand_in(&[]).await;
    let gate = Gate::new().await;
    let sent = scene.somebody_sends(&scripted(3, &format!("progress 30;{};say вторая попытка", gate.instruction())));
    let held = gate.reached().await;
    signal(held.pid, Signal::KILL);
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
    let stuck = scene.somebody_sends(&scripted(3, "unresponsive"));
    let next = scene.somebody_sends(&scripted(3, "say дальше"));
    let sentence = failed(scene.answer(&stuck).await);
    assert_eq!(sentence, "Обработка заняла слишком много времени. Пожалуйста, отправьте запись покороче.");
    assert_eq!(scene.text(&next).await, "дальше");
    let rows = scene.end().await;
    let row = of(&rows, &stuck);
    assert_eq!((row.stage.as_str(), row.reason.as_deref()), ("failed", Some("deadline")));
    let took = row.finished_at.unwrap() - row.started_at.unwrap();
    assert!((5_000..15_000).contains(&took), "{took} ms");
}

/// The process of the bot's only engine.
fn engine_of(bot: u32) -> u32 {
    let is_engine = |pid: &u32| {
        let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        command.split('\0').nth(1) == Some("engine")
    };
    ProcessUsage::children_of(bot).map(|(pid, _)| pid).find(is_engine).expect("the bot has an engine")
}

#[tokio::test]
async fn a_real_engine_that_stands_still_is_killed_at_the_deadline_and_replaced() {
    let mut scene = Scene::real(&[("transcription_timeout_seconds", "20")]).await;
    let stuck = scene.somebody_sends(&sample("ru-110s-1"));
    stuck.until("it has begun", PATIENCE, |trail| trail.started).await.unwrap();
    let bot = scene.simulation.bot().unwrap().pid();
    let engine = engine_of(bot);
    // It hears neither that it is to stop nor that its input is closed.
    signal(engine, Signal::STOP);
    let next = scene.somebody_sends(&sample("en-short-01"));
    let sentence = failed(scene.answer(&stuck).await);
    assert_eq!(sentence, "Обработка заняла слишком много времени. Пожалуйста, отправьте запись покороче.");
    assert!(!scene.text(&next).await.is_empty());
    assert_ne!(engine_of(bot), engine);
    let restarts = scene.simulation.metrics().await.unwrap().value("stenobot_engine_restarts_total");
    assert_eq!(restarts, Some(1.0));
    let rows = scene.end().await;
    let row = of(&rows, &stuck);
    assert_eq!((row.stage.as_str(), row.reason.as_deref()), ("failed", Some("deadline")));
    let took = row.finished_at.unwrap() - row.started_at.unwrap();
    assert!((20_000..40_000).contains(&took), "{took} ms");
}
