//! Commands, the language menu and the erasure of user data.

use stenobot_telegram::Action;

use super::SCENARIO_TIMEOUT;
use super::recordings::{Gate, scripted};
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
    assert_eq!(scene.text(&first).await, "en* 0.50, ru 0.25");
    // The scripted recogniser reported Russian for the first.
    let second = boris.send_voice(&scripted(3, "likely"));
    assert_eq!(scene.text(&second).await, "ru* 0.40, en* 0.40");
}

pub(crate) async fn several_languages_are_chosen_by_a_command<B: TestBot>() {
    let mut scene = Scene::<B>::start(&[("languages", "ru, pl")]).await;
    let anna = scene.new_user("Анна", "ru");
    let sent = anna.send_voice(&scripted(3, "likely"));
    assert_eq!(scene.text(&sent).await, "ru* 0.67, pl* 0.17", "the operator's list counts");
    anna.send_text("/language Русский, klingon");
    scene.wait_for_text(anna.chat(), "/language ru uk — несколько").await;
    anna.send_text("/language uk ru");
    scene.wait_for_text(anna.chat(), "Языки записей: Русский, Українська. Другой").await;
    let sent = anna.send_voice(&scripted(3, "language"));
    assert_eq!(scene.text(&sent).await, "ru,uk");
    let sent = anna.send_voice(&scripted(3, "likely"));
    assert!(!scene.text(&sent).await.contains('*'), "the chosen languages are the only candidates");
    anna.send_text("/mydata");
    let (_, data) = scene.wait_for_text(anna.chat(), "Что хранится о вас").await;
    assert!(
        data.contains("Язык записей: Русский, Українська\nРаспознано в последних записях: Русский (3)\n"),
        "{data}"
    );
    anna.send_text("/language auto");
    scene.wait_for_text(anna.chat(), "теперь определяется автоматически").await;
    let sent = anna.send_voice(&scripted(3, "language"));
    assert_eq!(scene.text(&sent).await, "auto");
}

pub(crate) async fn a_text_that_depends_on_the_sender_s_languages_is_not_shared<B: TestBot>() {
    let mut scene = Scene::<B>::start(&[]).await;
    let gate = Gate::new().await;
    let dora = scene.new_user("Дора", "ru");
    let first = dora.send_voice(&scripted(3, &format!("{};say занято", gate.instruction())));
    let held = gate.wait_reached().await;
    let [anna, boris, clara] =
        [("Анна", "ru"), ("Boris", "en"), ("Клара", "ru")].map(|(name, tag)| scene.new_user(name, tag));
    let second = anna.send_voice(&scripted(3, "likely"));
    scene.wait_for_positions(std::slice::from_ref(&second), &[1]).await;
    let [of_boris, of_clara] = [&boris, &clara].map(|user| user.forward(&second).unwrap());
    for sent in [&of_boris, &of_clara] {
        sent.wait_for("it stands in the queue", SCENARIO_TIMEOUT, |trail| trail.latest.clone()).await.unwrap();
    }
    held.release();
    scene.text(&first).await;
    assert_eq!(scene.text(&second).await, "ru* 0.75");
    assert_eq!(scene.text(&of_clara).await, "ru* 0.75", "she is likely to speak the same");
    assert_eq!(scene.text(&of_boris).await, "en* 0.50, ru 0.25", "his own");
    assert_eq!(scene.bot.log().matches("separated from the one it was joined to").count(), 1);
}
