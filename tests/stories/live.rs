//! The text while it is transcribed, and the button that ends the request with it.

use stenobot_domain::MessageId;
use stenobot_simulator::answers::{BotText, RequestOutcome, read};
use stenobot_simulator::users::SentMessage;
use stenobot_telegram::Action;

use super::recordings::{Gate, scripted};
use super::scene::{Scene, TestBot, row_of};
use super::{SCENARIO_TIMEOUT, eventually};

const FIRST: &str = "Сегодня мы посмотрели квартиру на улице Ленина, она нам очень понравилась.";
const SECOND: &str = "Теперь о цене: хозяин просит немного больше, чем мы рассчитывали.";
/// The shortest.
const EVERY_SECOND: (&str, &str) = ("progress_update_interval_seconds", "1");

/// A recording of a minute, of which the first sentence is known when the recogniser stands at the gate.
fn script(gate: &Gate) -> String {
    format!("length 60;progress 30;segment 0 20000 {FIRST};{};segment 20000 60000 {SECOND}", gate.instruction())
}

/// Waits until the state shows this text; gives the message.
async fn wait_for_live_text<B: TestBot>(scene: &Scene<B>, sent: &SentMessage, text: &str) -> MessageId {
    let shown = scene.api().wait_for(|state| {
        let status = state.replies(sent.chat(), sent.id()).next()?;
        status.content.text().filter(|shown| shown.starts_with("🔄") && shown.contains(text)).map(|_| status.id)
    });
    eventually("the text so far is shown", shown).await
}

pub(crate) async fn the_text_so_far_is_shown_and_the_button_ends_the_request_with_it<B: TestBot>() {
    let mut scene = Scene::<B>::start(&[EVERY_SECOND]).await;
    let gate = Gate::new().await;
    let (anna, boris) = (scene.new_user("Анна", "ru"), scene.new_user("Борис", "ru"));
    scene.spoken.add(FIRST);
    let sent = anna.send_voice(&scripted(3, &script(&gate)));
    let held = gate.wait_reached().await;
    let message = wait_for_live_text(&scene, &sent, FIRST).await;
    let texts = sent.texts();
    let progress: Vec<&String> = texts.iter().filter(|text| matches!(read(text), BotText::Progress { .. })).collect();
    assert!(!progress[0].contains(FIRST) && !progress[0].contains("\n\n"), "{progress:?}");
    assert!(
        progress[1].starts_with("🔄 Обработка [") && progress[1].ends_with(&format!("\n\n0:00 {FIRST}")),
        "{progress:?}"
    );

    let id = scene.request(&sent).await;
    let button = anna.keyboard(message).into_iter().flatten().next().unwrap();
    assert_eq!(button.data, Action::Stop(id).encode());
    // The request is its sender's.
    let stolen = boris.send_callback(message, &button.data);
    assert_ne!(eventually("an answer", stolen.wait_for_answer()).await.text, "Останавливаю...");
    scene.press(&anna, message, &Action::Stop(id)).await;
    assert_eq!(scene.text(&sent).await, format!("0:00 {FIRST}"));
    assert_eq!(sent.texts().last(), Some(&format!("⏹️ Остановлено на 0:20 из 1:00\n\n0:00 {FIRST}")));
    drop(held);

    // The engine is free, and the next one is answered.
    let next = scene.send_voice(&scripted(3, "say следующая"));
    assert_eq!(scene.text(&next).await, "следующая");
    anna.send_text("/mydata");
    scene.wait_for_text(anna.chat(), "остановлено раньше: 1").await;
    let late = anna.send_callback(message, &Action::Stop(id).encode());
    assert_eq!(eventually("an answer", late.wait_for_answer()).await.text, "Эта запись уже обработана.");
    let page = scene.bot.metrics().await;
    assert_eq!(page.value("stenobot_requests_finished_total{outcome=\"stopped\"}"), Some(1.0));
    let rows = scene.shut_down().await;
    let row = row_of(&rows, &sent);
    assert_eq!((row.stage.as_str(), row.reason.as_deref(), row.answered), ("done", Some("stopped"), true));
    assert_eq!(row.transcription_length, Some(FIRST.chars().count() as i64));
    assert_eq!(row_of(&rows, &next).reason, None);
}

pub(crate) async fn joined_requests_get_the_whole_text_of_a_request_that_is_stopped<B: TestBot>() {
    let mut scene = Scene::<B>::start(&[EVERY_SECOND]).await;
    let (busy, gate) = (Gate::new().await, Gate::new().await);
    let first = scene.send_voice(&scripted(3, &format!("{};say занято", busy.instruction())));
    let occupied = busy.wait_reached().await;
    let anna = scene.new_user("Анна", "ru");
    let stopped = anna.send_voice(&scripted(3, &script(&gate)));
    scene.wait_for_positions(std::slice::from_ref(&stopped), &[1]).await;
    let others = [scene.new_user("Борис", "ru"), scene.new_user("Вера", "ru")];
    let joined = others.map(|other| other.forward(&stopped).unwrap());
    for sent in &joined {
        sent.wait_for("it waits", SCENARIO_TIMEOUT, |trail| trail.latest.clone()).await.unwrap();
    }
    occupied.release();
    scene.text(&first).await;
    let held = gate.wait_reached().await;
    let message = wait_for_live_text(&scene, &stopped, FIRST).await;
    scene.press(&anna, message, &Action::Stop(scene.request(&stopped).await)).await;
    assert_eq!(scene.text(&stopped).await, format!("0:00 {FIRST}"));

    // One of the others shows the progress from now on.
    wait_for_live_text(&scene, &joined[0], FIRST).await;
    held.release();
    for sent in &joined {
        assert_eq!(scene.text(sent).await, format!("0:00 {FIRST} {SECOND}"));
    }
    let rows = scene.shut_down().await;
    let reasons = |sent: &SentMessage| row_of(&rows, sent).reason;
    assert_eq!(reasons(&stopped).as_deref(), Some("stopped"));
    assert!(joined.iter().all(|sent| reasons(sent).is_none() && row_of(&rows, sent).stage == "done"));
}

pub(crate) async fn a_joined_request_that_goes_on_gets_no_text_that_depends_on_another_sender<B: TestBot>() {
    let mut scene = Scene::<B>::start(&[EVERY_SECOND]).await;
    let (busy, gate) = (Gate::new().await, Gate::new().await);
    let first = scene.send_voice(&scripted(3, &format!("{};say занято", busy.instruction())));
    let occupied = busy.wait_reached().await;
    let anna = scene.new_user("Анна", "ru");
    let script = format!("length 60;progress 30;segment 0 20000 {FIRST};{};likely", gate.instruction());
    let stopped = anna.send_voice(&scripted(3, &script));
    scene.wait_for_positions(std::slice::from_ref(&stopped), &[1]).await;
    let others = [scene.new_user("Boris", "en"), scene.new_user("Вера", "ru")];
    let [of_boris, of_vera] = others.map(|other| other.forward(&stopped).unwrap());
    for sent in [&of_boris, &of_vera] {
        sent.wait_for("it waits", SCENARIO_TIMEOUT, |trail| trail.latest.clone()).await.unwrap();
    }
    occupied.release();
    scene.text(&first).await;
    let held = gate.wait_reached().await;
    let message = wait_for_live_text(&scene, &stopped, FIRST).await;
    scene.press(&anna, message, &Action::Stop(scene.request(&stopped).await)).await;
    assert_eq!(scene.text(&stopped).await, format!("0:00 {FIRST}"));

    wait_for_live_text(&scene, &of_boris, FIRST).await;
    held.release();
    assert_eq!(scene.text(&of_vera).await, format!("0:00 {FIRST} ru* 0.75"), "she is likely to speak the same");
    gate.wait_reached().await.release();
    assert_eq!(scene.text(&of_boris).await, format!("0:00 {FIRST} en* 0.50, ru 0.25"), "his own");
    assert_eq!(scene.bot.log().matches("separated from the one it was joined to").count(), 1);
    let rows = scene.shut_down().await;
    assert!([&of_boris, &of_vera].iter().all(|sent| row_of(&rows, sent).stage == "done"));
}

pub(crate) async fn a_joined_request_that_goes_on_can_be_stopped_too<B: TestBot>() {
    let mut scene = Scene::<B>::start(&[EVERY_SECOND]).await;
    let (busy, gate) = (Gate::new().await, Gate::new().await);
    let first = scene.send_voice(&scripted(3, &format!("{};say занято", busy.instruction())));
    let occupied = busy.wait_reached().await;
    let (anna, boris) = (scene.new_user("Анна", "ru"), scene.new_user("Борис", "ru"));
    let one = anna.send_voice(&scripted(3, &script(&gate)));
    scene.wait_for_positions(std::slice::from_ref(&one), &[1]).await;
    let two = boris.forward(&one).unwrap();
    two.wait_for("it waits", SCENARIO_TIMEOUT, |trail| trail.latest.clone()).await.unwrap();
    occupied.release();
    scene.text(&first).await;
    let _held = gate.wait_reached().await;
    for (user, sent) in [(&anna, &one), (&boris, &two)] {
        let message = wait_for_live_text(&scene, sent, FIRST).await;
        scene.press(user, message, &Action::Stop(scene.request(sent).await)).await;
        assert_eq!(scene.text(sent).await, format!("0:00 {FIRST}"));
        assert_eq!(sent.texts().last(), Some(&format!("⏹️ Остановлено на 0:20 из 1:00\n\n0:00 {FIRST}")));
    }
    let next = scene.send_voice(&scripted(3, "say следующая"));
    assert_eq!(scene.text(&next).await, "следующая");
    let rows = scene.shut_down().await;
    assert_eq!(rows.iter().filter(|row| row.reason.as_deref() == Some("stopped")).count(), 2);
}

pub(crate) async fn a_restart_loses_the_text_so_far_and_nothing_else<B: TestBot>() {
    let mut scene = Scene::<B>::start(&[EVERY_SECOND, ("shutdown_timeout_seconds", "1")]).await;
    let (start, gate) = (Gate::new().await, Gate::new().await);
    let anna = scene.new_user("Анна", "ru");
    let sent = anna.send_voice(&scripted(3, &format!("{};{}", start.instruction(), script(&gate))));
    start.wait_reached().await.release();
    let held = gate.wait_reached().await;
    let message = wait_for_live_text(&scene, &sent, FIRST).await;
    let stop = Action::Stop(scene.request(&sent).await);
    scene.bot.restart_with("progress_update_interval_seconds", "2").await;
    drop(held);

    // The button under the message is of the text that is lost.
    let begun = start.wait_reached().await;
    let early = anna.send_callback(message, &stop.encode());
    eventually("an answer", early.wait_for_answer()).await;
    begun.release();
    let held = gate.wait_reached().await;
    assert!(sent.trail().is_lost());
    held.release();
    assert_eq!(scene.text(&sent).await, format!("0:00 {FIRST} {SECOND}"));
    assert_eq!(scene.answer(&sent).await, RequestOutcome::Answered(format!("0:00 {FIRST} {SECOND}")));
    let rows = scene.shut_down().await;
    assert_eq!((row_of(&rows, &sent).stage.as_str(), row_of(&rows, &sent).reason), ("done", None));
}
