//! Calls of the bot in chats that it is not in: the stories, and a kill before the bot's answer there is recorded.

use stenobot_domain::RequestId;
use stenobot_simulator::harness::Simulation;
use stenobot_simulator::server::Author;
use stenobot_simulator::wer::word_errors;
use stenobot_telegram::Action;

use crate::recordings::{Gate, sample, scripted};
use crate::scene::{Scene, eventually, real};
use crate::stories::guests::{ON, answer, buttons, call, press};
use crate::stories::run_stories;

#[tokio::test]
async fn a_press_finds_the_answer_that_was_posted_by_a_process_which_died() {
    // Before the answer is recorded, with the press while the text is made; and with the press after the end.
    for is_late in [false, true] {
        let mut scene = Scene::start(&[ON]).await;
        scene.bot.set_variable("CRASH_AT", Some("before guest message"));
        scene.bot.restart().await.unwrap();
        let anna = scene.new_user("Anna", "en");
        anna.send_command("start");
        scene.wait_for_text_beginning(anna.chat(), "👋").await;
        let gate = Gate::new().await;
        let called = call(&mut scene, &anna, &scripted(3, &format!("{};say survived", gate.instruction())));
        let posted = answer(&scene, &called, "the state", |text| text.starts_with("📥")).await;
        let bot = scene.bot.process().unwrap();
        eventually("the bot dies", bot.wait_for_exit()).await.unwrap();
        scene.bot.set_variable("CRASH_AT", None);
        scene.bot.restart().await.unwrap();
        let held = gate.wait_reached().await;
        let id = RequestId(scene.rows().await[0].id);
        let refresh = Action::Refresh(id);
        assert_eq!(buttons(&posted)[0], refresh.encode(), "the button names the request");
        if is_late {
            held.release();
            scene.wait_for_text(anna.chat(), "survived").await;
            scene.wait_until_closed().await;
            assert_eq!(press(&scene, &called, &anna, &refresh).await, "This recording is done already.");
            answer(&scene, &called, "where the text is", |text| text.starts_with("⌛")).await;
        } else {
            assert_eq!(press(&scene, &called, &anna, &refresh).await, "");
            answer(&scene, &called, "the state is shown", |text| text.starts_with("⚙️")).await;
            held.release();
            answer(&scene, &called, "the text", |text| text.ends_with("survived")).await;
            scene.wait_until_closed().await;
        }
        let rows = scene.into_stopped_with_audio().await.rows().await;
        let stages: Vec<&str> = rows.iter().map(|row| row.stage.as_str()).collect();
        assert_eq!(stages, ["done"]);
    }
}

#[tokio::test]
async fn a_kill_leaves_one_answer_where_the_bot_was_called() {
    // When the answer to the call is recorded, while the text is made, and when the text is there.
    for moment in [Some("after guest message"), None, Some("before done")] {
        let mut scene = Scene::start(&[ON]).await;
        scene.bot.set_variable("CRASH_AT", moment);
        scene.bot.restart().await.unwrap();
        let anna = scene.new_user("Anna", "en");
        let gate = Gate::new().await;
        let called = call(&mut scene, &anna, &scripted(3, &format!("{};say survived", gate.instruction())));
        if moment != Some("after guest message") {
            let held = gate.wait_reached().await;
            if moment.is_none() {
                scene.bot.kill().await.unwrap();
            }
            held.release();
        }
        if moment.is_some() {
            let bot = scene.bot.process().unwrap();
            eventually("the bot dies", bot.wait_for_exit()).await.unwrap();
        }
        scene.bot.set_variable("CRASH_AT", None);
        scene.bot.restart().await.unwrap();
        gate.wait_reached().await.release();
        answer(&scene, &called, "the text", |text| text.ends_with("survived")).await;
        scene.wait_until_closed().await;
        let said = scene.api().read(|state| {
            let messages = state.chats.get(&anna.chat()).into_iter().flat_map(|chat| chat.messages.values());
            messages.filter(|message| message.author == Author::Bot).count()
        });
        assert_eq!(said, 0, "nothing in the private chat: {moment:?}");
        let rows = scene.into_stopped_with_audio().await.rows().await;
        assert_eq!(rows.iter().map(|row| row.stage.as_str()).collect::<Vec<_>>(), ["done"], "{moment:?}");
    }
}

#[tokio::test]
async fn a_call_is_answered_by_the_real_engine() {
    let (_lock, mut scene) = real(&[ON]).await;
    let (anna, voice) = (scene.new_user("Анна", "ru"), sample("ru-30s-1"));
    let called = call(&mut scene, &anna, &voice);
    let done = answer(&scene, &called, "the text", |text| text.starts_with("✅")).await;
    let (_, text) = done.text.split_once("\n\n").unwrap();
    scene.spoken.add(text);
    let rate = word_errors(&voice.text, text).rate().unwrap();
    assert!(rate <= 0.25, "{rate:.3} of the words are wrong in: {text}");
    assert!(done.edits.iter().any(|edit| edit.before.starts_with("📥")), "{:?}", done.edits);
    scene.wait_until_closed().await;
    scene.shut_down().await;
}

run_stories!(
    Simulation,
    guests: a_call_is_answered_where_it_was_made,
    what_does_not_fit_goes_to_the_private_chat_if_there_is_one,
    a_call_that_cannot_be_answered_any_more_is_answered_in_private,
    refusals_are_told_where_the_bot_was_called,
    only_the_caller_can_press_and_only_under_the_own_answer,
    the_text_so_far_is_shown_and_kept_where_the_bot_was_called,
    calls_are_neither_asked_for_nor_mentioned_unless_they_are_allowed,
);
