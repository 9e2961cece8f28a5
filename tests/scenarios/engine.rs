//! The engine crashes, hangs, or fails on a recording.

use rustix::process::Signal;
use stenobot_host::ProcessUsage;
use stenobot_simulator::server::Method;

use crate::recordings::{Gate, sample, scripted};
use crate::scene::{SCENARIO_TIMEOUT, Scene, failed, real, row_of, signal};

#[tokio::test]
async fn a_killed_engine_costs_one_more_attempt() {
    let mut scene = Scene::start(&[]).await;
    let gate = Gate::new().await;
    let sent = scene.send_voice(&scripted(3, &format!("progress 30;{};say вторая попытка", gate.instruction())));
    let held = gate.wait_reached().await;
    signal(held.pid, Signal::KILL);
    drop(held);
    let again = gate.wait_reached().await;
    let other = scene.send_voice(&scripted(3, "say следом"));
    again.release();
    assert_eq!(scene.text(&sent).await, "вторая попытка");
    assert_eq!(scene.text(&other).await, "следом");
    assert_eq!(sent.trail().answers.len(), 1);
    assert_eq!(scene.calls(Method::Download), 2, "the audio was still here");

    let page = scene.bot.metrics().await.unwrap();
    assert_eq!(page.value("stenobot_engine_restarts_total"), Some(1.0));
    assert_eq!(page.value("stenobot_stage_retries_total{stage=\"transcribing\"}"), Some(1.0));
    scene.shut_down().await;
}

#[tokio::test]
async fn a_recording_that_crashes_the_engine_fails_without_delaying_others() {
    let mut scene = Scene::start(&[]).await;
    let poison = scene.send_voice(&scripted(3, "segfault"));
    let others = ["один", "два"].map(|text| scene.send_voice(&scripted(3, &format!("say {text}"))));
    for (sent, text) in others.iter().zip(["один", "два"]) {
        assert_eq!(scene.text(sent).await, text);
    }
    let sentence = failed(scene.answer(&poison).await);
    assert_eq!(sentence, "Произошла ошибка при обработке. Пожалуйста, попробуйте еще раз.");
    let page = scene.bot.metrics().await.unwrap();
    assert_eq!(page.value("stenobot_engine_restarts_total"), Some(3.0));
    let given_up = "stenobot_stage_failures_total{stage=\"transcribing\",reason=\"poison\"}";
    assert_eq!(page.value(given_up), Some(1.0));

    let rows = scene.shut_down().await;
    let row = row_of(&rows, &poison);
    assert_eq!((row.stage.as_str(), row.reason.as_deref()), ("failed", Some("poison")));
    assert_eq!(poison.trail().answers.len(), 1);
}

#[tokio::test]
async fn a_hanging_engine_is_killed_at_the_deadline_and_the_next_request_is_served() {
    let mut scene = Scene::start(&[("transcription_timeout_seconds", "5")]).await;
    let stuck = scene.send_voice(&scripted(3, "unresponsive"));
    let next = scene.send_voice(&scripted(3, "say дальше"));
    let sentence = failed(scene.answer(&stuck).await);
    assert_eq!(sentence, "Обработка заняла слишком много времени. Пожалуйста, отправьте запись покороче.");
    assert_eq!(scene.text(&next).await, "дальше");
    let rows = scene.shut_down().await;
    let row = row_of(&rows, &stuck);
    assert_eq!((row.stage.as_str(), row.reason.as_deref()), ("failed", Some("deadline")));
    let took = row.finished_at.unwrap() - row.started_at.unwrap();
    assert!((5_000..15_000).contains(&took), "{took} ms");
}

/// Process id of the bot's only engine.
fn engine_of(bot: u32) -> u32 {
    let is_engine = |pid: &u32| {
        let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        command.split('\0').nth(1) == Some("engine")
    };
    ProcessUsage::children_of(bot).map(|(pid, _)| pid).find(is_engine).expect("the bot has an engine")
}

#[tokio::test]
async fn a_stopped_real_engine_is_killed_at_the_deadline_and_replaced() {
    let (_lock, mut scene) = real(&[("transcription_timeout_seconds", "20")]).await;
    let stuck = scene.send_voice(&sample("ru-110s-1"));
    stuck.wait_for("it has begun", SCENARIO_TIMEOUT, |trail| trail.started).await.unwrap();
    let bot = scene.bot.process().unwrap().pid();
    let engine = engine_of(bot);
    // A stopped process reacts neither to a cancellation nor to the end of its input.
    signal(engine, Signal::STOP);
    let next = scene.send_voice(&sample("en-short-01"));
    let sentence = failed(scene.answer(&stuck).await);
    assert_eq!(sentence, "Обработка заняла слишком много времени. Пожалуйста, отправьте запись покороче.");
    assert!(!scene.text(&next).await.is_empty());
    assert_ne!(engine_of(bot), engine);
    let restarts = scene.bot.metrics().await.unwrap().value("stenobot_engine_restarts_total");
    assert_eq!(restarts, Some(1.0));
    let rows = scene.shut_down().await;
    let row = row_of(&rows, &stuck);
    assert_eq!((row.stage.as_str(), row.reason.as_deref()), ("failed", Some("deadline")));
    let took = row.finished_at.unwrap() - row.started_at.unwrap();
    assert!((20_000..40_000).contains(&took), "{took} ms");
}
