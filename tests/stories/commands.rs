//! Commands, the language menu and the erasure of user data.

use stenobot_telegram::Action;

use super::recordings::scripted;
use super::scene::{Scene, TestBot};

pub(crate) async fn commands_are_answered_and_forget_erases_the_user<B: TestBot>() {
    let mut scene = Scene::<B>::start(&[("audio_retention_seconds", "600")]).await;
    let anna = scene.new_user("Анна Каренина", "ru");
    let sent = anna.send_voice(&scripted(30, "say слово"));
    assert_eq!(scene.text(&sent).await, "слово");
    for (command, wanted) in [
        ("/start", "👋"),
        ("/help", "@stenobot_simulated_bot"),
        ("/queue", "Ваших записей в очереди нет"),
        ("/cancel", "Отменять нечего"),
        ("/privacy", "через 10м после ответа"),
        ("/mydata", "Анна Каренина"),
        ("/auto on", "Эта команда для групп"),
        ("/transcribe", "Ответьте этой командой"),
        ("/stats", "/privacy"),
        ("/nonsense", "/privacy"),
    ] {
        anna.send_text(command);
        let (_, text) = scene.wait_for_text(anna.chat(), wanted).await;
        assert!(!text.contains("Unknown"), "{text}");
    }
    anna.send_text("/language");
    let (message, _) = scene.wait_for_text(anna.chat(), "🌐 Язык записей определяется автоматически. Если").await;
    scene.press(&anna, message, &Action::SetLanguage("kk".parse().unwrap())).await;
    scene.wait_for_text(anna.chat(), "Язык записей: Қазақша").await;
    let sent = anna.send_voice(&scripted(3, "language"));
    assert_eq!(scene.text(&sent).await, "kk");

    anna.send_text("/forget");
    let (message, _) = scene.wait_for_text(anna.chat(), "Удалить все").await;
    scene.press(&anna, message, &Action::Forget).await;
    scene.wait_for_text(anna.chat(), "Все о вас удалено").await;
    for name in ["stenobot.db", "stenobot.db-wal"] {
        let bytes = std::fs::read(scene.bot.environment().data().join(name)).unwrap_or_default();
        let name = "Анна Каренина".as_bytes();
        assert!(!bytes.windows(name.len()).any(|window| window == name), "a name is left behind");
    }
    let audio = std::fs::read_dir(scene.bot.environment().data().join("audio")).unwrap().count();
    assert_eq!(audio, 0, "recordings are left behind");
}

pub(crate) async fn the_engine_is_given_the_likely_languages_of_the_sender<B: TestBot>() {
    let mut scene = Scene::<B>::start(&[]).await;
    let boris = scene.new_user("Борис", "en");
    let first = boris.send_voice(&scripted(3, "likely"));
    assert_eq!(scene.text(&first).await, "en 0.50, ru 0.25");
    // The scripted recogniser reported Russian for the first.
    let second = boris.send_voice(&scripted(3, "likely"));
    assert_eq!(scene.text(&second).await, "ru 0.40, en 0.40");
}
