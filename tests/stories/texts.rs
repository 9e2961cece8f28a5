//! How a text is shown: paragraphs, times, folding, the button that copies it, the heading.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use stenobot_domain::{ChatId, MessageId};
use stenobot_simulator::answers::RequestOutcome;
use stenobot_simulator::server::{Call, Effect, FaultAction, Method, Refusal, State, keyboard};

use super::eventually;
use super::groups::{GROUP, answer, open_group, send_text, send_voice};
use super::recordings::scripted;
use super::scene::{Scene, TestBot};

const FIRST: &str = "Сегодня мы посмотрели квартиру на улице Ленина, она нам очень понравилась.";
const SECOND: &str = "Теперь о цене: хозяин просит немного больше, чем мы рассчитывали.";

/// The folded part of a message.
fn folded<B: TestBot>(scene: &Scene<B>, chat: ChatId, message: MessageId) -> Option<String> {
    scene.api().read(|state| {
        let message = state.message(chat, message).expect("the message is there");
        Some(message.content.text()?[message.decoration.folded.clone()?].to_owned())
    })
}

/// The texts that buttons under a message copy.
fn copied<B: TestBot>(scene: &Scene<B>, chat: ChatId, message: MessageId) -> Vec<String> {
    scene.api().read(|state| {
        let markup = state.message(chat, message).and_then(|message| message.markup.as_ref());
        let rows = markup.map(keyboard::rows).unwrap_or_default();
        rows.into_iter().flatten().filter_map(|button| button.copies).collect()
    })
}

pub(crate) async fn a_long_recording_has_paragraphs_with_their_times_until_they_are_switched_off<B: TestBot>() {
    let mut scene = Scene::<B>::start(&[]).await;
    let anna = scene.new_user("Анна", "ru");
    let script = format!("length 70;segment 0 31000 {FIRST};segment 32400 70000 {SECOND}");
    for text in [FIRST, SECOND] {
        scene.spoken.add(text);
    }
    let timed = anna.send_voice(&scripted(3, &script));
    assert_eq!(scene.text(&timed).await, format!("0:00 {FIRST}\n\n0:32 {SECOND}"));
    let short = anna.send_voice(&scripted(3, &script.replace("length 70", "length 44")));
    assert_eq!(scene.text(&short).await, format!("{FIRST}\n\n{SECOND}"));

    anna.send_text("/times");
    scene.wait_for_text(anna.chat(), "/times off").await;
    anna.send_text("/times off");
    scene.wait_for_text(anna.chat(), "без времени").await;
    let untimed = anna.send_voice(&scripted(3, &script));
    assert_eq!(scene.text(&untimed).await, format!("{FIRST}\n\n{SECOND}"));
    scene.shut_down().await;
}

pub(crate) async fn a_short_text_has_a_button_that_copies_it_and_a_long_one_is_folded<B: TestBot>() {
    let mut scene = Scene::<B>::start(&[]).await;
    let anna = scene.new_user("Анна", "ru");
    let short = anna.send_voice(&scripted(3, "say перезвоню завтра"));
    assert_eq!(scene.text(&short).await, "перезвоню завтра");
    let message = scene.wait_for_status(&short).await;
    assert_eq!(copied(&scene, anna.chat(), message), ["перезвоню завтра"]);
    assert_eq!(folded(&scene, anna.chat(), message), None);

    // Characters of two units before and in the text.
    let long = "очень длинный рассказ 🎧 ".repeat(40).trim().to_owned();
    let sent = anna.send_voice(&scripted(3, &format!("say {long}")));
    assert_eq!(scene.text(&sent).await, long);
    let message = scene.wait_for_status(&sent).await;
    assert_eq!(folded(&scene, anna.chat(), message), Some(long));
    assert!(copied(&scene, anna.chat(), message).is_empty());
    scene.shut_down().await;
}

pub(crate) async fn every_text_is_folded_in_a_group_and_its_admins_switch_times_off<B: TestBot>() {
    let scene = Scene::<B>::start(&[]).await;
    let (anna, boris) = open_group(&scene);
    let sound = send_voice(&anna, "length 50;say по просьбе");
    send_text(&boris, "/transcribe", Some(sound));
    assert_eq!(answer(&scene, sound, "✅").await, "✅ Готово!\n\n0:00 по просьбе");
    let message = scene.api().read(|state| state.replies(GROUP, sound).next().unwrap().id);
    assert_eq!(folded(&scene, GROUP, message).as_deref(), Some("0:00 по просьбе"));

    let asked = send_text(&boris, "/times off", None);
    assert!(answer(&scene, asked, "🔒").await.contains("только администраторы"));
    let asked = send_text(&anna, "/times off", None);
    answer(&scene, asked, "⏱").await;
    let sound = send_voice(&anna, "length 50;say без времени");
    send_text(&boris, "/transcribe", Some(sound));
    assert_eq!(answer(&scene, sound, "✅").await, "✅ Готово!\n\nбез времени");
    scene.shut_down().await;
}

pub(crate) async fn with_the_bare_style_the_text_is_the_whole_answer<B: TestBot>() {
    let mut scene = Scene::<B>::start(&[("answer_style", "bare")]).await;
    let sent = scene.send_voice(&scripted(3, "say перезвоню завтра"));
    assert_eq!(scene.text(&sent).await, "перезвоню завтра");
    assert_eq!(sent.texts().last().map(String::as_str), Some("перезвоню завтра"));
    let silent = scene.send_voice(&scripted(3, "say "));
    assert_eq!(scene.answer(&silent).await, RequestOutcome::NoSpeech);
    scene.shut_down().await;
}

pub(crate) async fn a_server_that_knows_no_copying_button_is_sent_the_text_without_it<B: TestBot>() {
    let mut scene = Scene::<B>::start(&[]).await;
    let has_refused = AtomicBool::new(false);
    let refusing = move |call: &Call<'_>| {
        let is_answer = call.method == Method::EditMessageText && call.text.starts_with('✅');
        let is_refused = is_answer && !has_refused.swap(true, Ordering::SeqCst);
        let effect = if is_refused { Effect::Refuse(Refusal::Bad("BUTTON_TYPE_INVALID")) } else { Effect::Pass };
        FaultAction { delay: Duration::ZERO, effect }
    };
    scene.api().set_fault(Some(Arc::new(refusing)));
    let sent = scene.send_voice(&scripted(3, "say перезвоню завтра"));
    assert_eq!(scene.text(&sent).await, "перезвоню завтра");
    let message = scene.wait_for_status(&sent).await;
    assert!(copied(&scene, sent.chat(), message).is_empty());
    scene.shut_down().await;
}

pub(crate) async fn words_that_the_model_doubts_are_underlined<B: TestBot>() {
    let mut scene = Scene::<B>::start(&[]).await;
    let anna = scene.new_user("Анна", "ru");
    let words = "раз два три ~четыри~ пять шесть семь восемь девять десять";
    scene.spoken.add(&words.replace('~', ""));
    let sent = anna.send_voice(&scripted(3, &format!("say {words}")));
    let underlined = |state: &State| {
        let reply = state.replies(sent.chat(), sent.id()).next()?;
        let text = reply.content.text().filter(|text| text.ends_with("десять"))?;
        Some(reply.decoration.underlined.iter().map(|at| text[at.clone()].to_owned()).collect::<Vec<_>>())
    };
    assert_eq!(eventually("the text", scene.api().wait_for(underlined)).await, ["четыри"]);
    scene.wait_until_closed().await;
    scene.shut_down().await;
}
