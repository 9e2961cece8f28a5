//! SIGHUP: settings, texts and the log's filter change in the running bot.

use rustix::process::Signal;
use stenobot_simulator::harness::Simulation;

use crate::recordings::scripted;
use crate::scene::{Scene, bot_with_engine, eventually, rejected, signal, stand_in};

fn hang_up(simulation: &mut Simulation) {
    let pid = simulation.process().unwrap().pid();
    signal(pid, Signal::HUP);
}

/// Waits until the log contains a text so many times.
async fn logged(simulation: &Simulation, what: &str, times: usize) {
    let there = async {
        while std::fs::read_to_string(simulation.log()).unwrap().matches(what).count() < times {
            // A command that the bot answers takes a suitable time between two checks of the log.
            let _ = simulation.metrics().await.unwrap();
        }
    };
    eventually(what, there).await;
}

#[tokio::test]
async fn settings_texts_and_log_change_without_a_restart() {
    let mut simulation = Simulation::prepare(bot_with_engine(&stand_in(), &[])).await.unwrap();
    let folder = simulation.data().parent().unwrap().to_path_buf();
    let config = folder.join("stenobot.toml");
    std::fs::write(&config, "max_queue_size = 7\n").unwrap();
    simulation.restart().await.unwrap();
    let mut scene = Scene::of(simulation);
    let sent = scene.send_voice(&scripted(11, "say раз"));
    assert_eq!(scene.text(&sent).await, "раз");

    std::fs::create_dir_all(folder.join("texts/ru")).unwrap();
    std::fs::write(
        folder.join("texts/ru/main.ftl"),
        "too-long-unknown = ⚠️ Короче { $limit }, пожалуйста.\ntoo-long = ⚠️ Короче { $limit }, пожалуйста.\n",
    )
    .unwrap();
    let settings = "max_queue_size = 3\nmax_voice_duration_seconds = 10\ntexts_dir = \"texts\"\nthreads = 3\n";
    std::fs::write(&config, settings).unwrap();
    hang_up(&mut scene.bot);
    logged(&scene.bot, "settings and texts were read again", 1).await;
    let log = std::fs::read_to_string(scene.bot.log()).unwrap();
    assert!(log.contains("changed=\"max_queue_size, max_voice_duration_seconds, texts_dir\""), "{log}");
    assert!(log.contains("settings=\"threads\""), "{log}");
    let limit = scene.bot.metrics().await.unwrap().value("stenobot_queue_limit");
    assert_eq!(limit, Some(3.0));
    let sent = scene.send_voice(&scripted(11, "say два"));
    assert_eq!(rejected(scene.answer(&sent).await), "Короче 10с, пожалуйста.");

    std::fs::write(&config, "max_queue_size = 0\n").unwrap();
    hang_up(&mut scene.bot);
    logged(&scene.bot, "max_queue_size = 0 is not allowed: give 1 to 100000", 1).await;
    let sent = scene.send_voice(&scripted(11, "say три"));
    assert_eq!(rejected(scene.answer(&sent).await), "Короче 10с, пожалуйста.", "nothing has changed");

    std::fs::remove_file(&config).unwrap();
    hang_up(&mut scene.bot);
    logged(&scene.bot, "settings and texts were read again", 2).await;
    let sent = scene.send_voice(&scripted(11, "say четыре"));
    assert_eq!(scene.text(&sent).await, "четыре");
    scene.shut_down().await;
}

#[tokio::test]
async fn a_reload_does_not_reset_the_rate_limit() {
    let settings = [("user_requests_per_minute", "1")];
    let simulation = Simulation::prepare(bot_with_engine(&stand_in(), &settings)).await.unwrap();
    let config = simulation.data().parent().unwrap().join("stenobot.toml");
    let mut scene = Scene::of(simulation);
    scene.bot.restart().await.unwrap();
    let anna = scene.new_user("Анна", "ru");
    let first = anna.send_voice(&scripted(3, "say раз"));
    assert_eq!(scene.text(&first).await, "раз");
    std::fs::write(&config, "max_queue_size = 7\n").unwrap();
    hang_up(&mut scene.bot);
    logged(&scene.bot, "settings and texts were read again", 1).await;
    // The poll under way at the reload still has the old settings; the second one follows it.
    let refused = anna.send_voice(&scripted(3, "say два"));
    rejected(scene.answer(&refused).await);
    let silenced = anna.send_voice(&scripted(3, "say три"));
    let other = scene.send_voice(&scripted(3, "say четыре"));
    assert_eq!(scene.text(&other).await, "четыре");
    assert!(silenced.trail().answers.is_empty(), "one sentence is enough");
    assert_eq!(scene.shut_down().await.len(), 3);
}

#[tokio::test]
async fn recursive_texts_are_refused_and_the_bot_continues() {
    let simulation = Simulation::prepare(bot_with_engine(&stand_in(), &[])).await.unwrap();
    let folder = simulation.data().parent().unwrap().to_path_buf();
    let mut scene = Scene::of(simulation);
    scene.bot.restart().await.unwrap();
    std::fs::create_dir_all(folder.join("texts/ru")).unwrap();
    std::fs::write(folder.join("texts/ru/main.ftl"), format!("queue-full = {}\n", "{".repeat(200_000))).unwrap();
    std::fs::write(folder.join("stenobot.toml"), "texts_dir = \"texts\"\n").unwrap();
    hang_up(&mut scene.bot);
    logged(&scene.bot, "ru/main.ftl cannot be read: line 1 nests more than 32 braces", 1).await;
    let sent = scene.send_voice(&scripted(3, "say раз"));
    assert_eq!(scene.text(&sent).await, "раз");
    scene.shut_down().await;
}
