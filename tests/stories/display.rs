//! How a group sees the state of requests: by reactions, in messages, or not at all.

use stenobot_domain::MessageId;
use stenobot_simulator::group::Group;
use stenobot_simulator::server::{Author, Method, State};
use stenobot_simulator::users::User;

use super::eventually;
use super::groups::{GROUP, answer, open_group, send_text, send_voice};
use super::recordings::{Gate, scripted};
use super::scene::{Scene, TestBot};

/// The bot's messages in the group.
fn said(state: &State) -> Vec<String> {
    let messages = state.chats.get(&GROUP).into_iter().flat_map(|chat| chat.messages.values());
    let own = messages.filter(|message| message.author == Author::Bot && message.deleted.is_none());
    own.filter_map(|message| message.content.text().map(str::to_owned)).collect()
}

/// The reactions that a message has had, oldest first.
fn reactions<B: TestBot>(scene: &Scene<B>, message: MessageId) -> Vec<String> {
    let shown = |state: &State| state.message(GROUP, message).unwrap().reactions.clone();
    scene.api().read(shown).into_iter().map(|(_, emoji)| emoji).collect()
}

/// Waits until a message has this reaction; empty for none.
pub(crate) async fn reacts<B: TestBot>(scene: &Scene<B>, message: MessageId, emoji: &str) {
    let shown = scene.api().wait_for(|state| {
        let message = state.message(GROUP, message)?;
        (message.reaction() == emoji && !message.reactions.is_empty()).then_some(())
    });
    eventually(&format!("the reaction {emoji:?}"), shown).await;
}

/// Gives a command and waits for an answer with this beginning.
pub(crate) async fn set<B: TestBot>(scene: &Scene<B>, admin: &User, command: &str, sign: &str) -> String {
    let asked = send_text(admin, command, None);
    answer(scene, asked, sign).await
}

pub(crate) async fn a_reaction_shows_the_state_until_the_text_is_there<B: TestBot>() {
    let scene = Scene::<B>::start(&[]).await;
    let (anna, boris) = open_group(&scene);
    set(&scene, &anna, "/auto on", "👥").await;
    let gate = Gate::new().await;
    let works = send_voice(&boris, &format!("{};say первая", gate.instruction()));
    let held = gate.wait_reached().await;
    let waits = send_voice(&boris, "say вторая");
    for message in [works, waits] {
        reacts(&scene, message, "👀").await;
    }
    assert_eq!(scene.api().read(|state| said(state).len()), 1, "nothing but the answer to the command");
    held.release();
    for (message, text) in [(works, "первая"), (waits, "вторая")] {
        assert_eq!(answer(&scene, message, "✅").await, format!("✅ Готово!\n\n{text}"));
        reacts(&scene, message, "").await;
        assert_eq!(reactions(&scene, message), ["👀", ""]);
    }
    assert_eq!(scene.api().read(|state| said(state).len()), 3, "no message but the texts");
    // Private chats are as before.
    let sent = scene.new_user("Вера", "ru").send_voice(&scripted(3, "say наедине"));
    scene.wait_for_status(&sent).await;
    scene.wait_until_closed().await;
    scene.shut_down().await;
}

pub(crate) async fn a_recording_without_speech_gets_a_reaction_and_no_message<B: TestBot>() {
    let scene = Scene::<B>::start(&[]).await;
    let (anna, boris) = open_group(&scene);
    set(&scene, &anna, "/auto on", "👥").await;
    let silent = send_voice(&boris, "wait 10");
    reacts(&scene, silent, "🤷").await;
    scene.wait_until_closed().await;
    assert_eq!(scene.api().read(|state| said(state).len()), 1);
    let rows = scene.shut_down().await;
    assert_eq!((rows[0].stage.as_str(), rows[0].transcription_length), ("done", Some(0)));
}

pub(crate) async fn where_reactions_are_not_allowed_messages_show_the_state<B: TestBot>() {
    let scene = Scene::<B>::start(&[]).await;
    let (anna, boris) = open_group(&scene);
    set(&scene, &anna, "/auto on", "👥").await;
    Group::new(scene.api(), GROUP, "Мы").allow_reactions(&["👍"]);
    let gate = Gate::new().await;
    let works = send_voice(&boris, &format!("{};say сообщением", gate.instruction()));
    let held = gate.wait_reached().await;
    // The state is in a message, with its button.
    answer(&scene, works, "⚙️").await;
    held.release();
    assert_eq!(answer(&scene, works, "✅").await, "✅ Готово!\n\nсообщением");
    scene.wait_until_closed().await;
    assert_eq!(scene.api().read(|state| state.replies(GROUP, works).count()), 1, "the answer takes its place");
    assert_eq!(scene.calls(Method::SetMessageReaction), 1);
    // What was refused is not tried again at once.
    let silent = send_voice(&boris, "wait 10");
    answer(&scene, silent, "🤷").await;
    assert_eq!(scene.calls(Method::SetMessageReaction), 1);
    assert!(reactions(&scene, works).is_empty() && reactions(&scene, silent).is_empty());
    scene.shut_down().await;
}

pub(crate) async fn a_refused_last_reaction_is_said_in_a_message<B: TestBot>() {
    let scene = Scene::<B>::start(&[]).await;
    let (anna, boris) = open_group(&scene);
    set(&scene, &anna, "/auto on", "👥").await;
    Group::new(scene.api(), GROUP, "Мы").allow_reactions(&["👀"]);
    let silent = send_voice(&boris, "wait 10");
    answer(&scene, silent, "🤷").await;
    reacts(&scene, silent, "").await;
    scene.shut_down().await;
}

pub(crate) async fn group_admins_choose_between_reactions_and_messages<B: TestBot>() {
    let scene = Scene::<B>::start(&[]).await;
    let (anna, boris) = open_group(&scene);
    set(&scene, &anna, "/auto on", "👥").await;
    assert!(set(&scene, &boris, "/status messages", "🔒").await.contains("только администраторы"));
    assert!(set(&scene, &anna, "/status", "👀").await.contains("/status reactions"));
    assert!(set(&scene, &anna, "/status messages", "👀").await.contains("в сообщении"));
    let gate = Gate::new().await;
    let works = send_voice(&boris, &format!("{};say в сообщении", gate.instruction()));
    let held = gate.wait_reached().await;
    answer(&scene, works, "⚙️").await;
    // The way of a request is that of its admission.
    assert!(set(&scene, &anna.anonymously(), "/status reactions", "👀").await.contains("реакция"));
    held.release();
    assert_eq!(answer(&scene, works, "✅").await, "✅ Готово!\n\nв сообщении");
    assert!(reactions(&scene, works).is_empty());
    let second = send_voice(&boris, "say реакцией");
    assert_eq!(answer(&scene, second, "✅").await, "✅ Готово!\n\nреакцией");
    reacts(&scene, second, "").await;
    scene.shut_down().await;
}

pub(crate) async fn cancelling_removes_the_reaction<B: TestBot>() {
    let scene = Scene::<B>::start(&[]).await;
    let (anna, boris) = open_group(&scene);
    set(&scene, &anna, "/auto on", "👥").await;
    let gate = Gate::new().await;
    let works = send_voice(&anna, &format!("{};say первая", gate.instruction()));
    let held = gate.wait_reached().await;
    let waits = send_voice(&boris, "say никогда");
    reacts(&scene, waits, "👀").await;
    let asked = send_text(&boris, "/cancel", None);
    answer(&scene, asked, "🚫").await;
    reacts(&scene, waits, "").await;
    held.release();
    answer(&scene, works, "✅").await;
    scene.wait_until_closed().await;
    assert_eq!(scene.api().read(|state| state.replies(GROUP, waits).count()), 0, "the command was answered");
    scene.shut_down().await;
}

pub(crate) async fn a_quiet_group_gets_texts_without_notifications_and_nothing_else<B: TestBot>() {
    let scene = Scene::<B>::start(&[("max_voice_duration_seconds", "60")]).await;
    let (anna, boris) = open_group(&scene);
    set(&scene, &anna, "/auto on", "👥").await;
    assert!(set(&scene, &boris, "/quiet on", "🔒").await.contains("только администраторы"));
    assert!(set(&scene, &anna, "/quiet", "🔕").await.contains("/quiet off"));
    assert!(set(&scene, &anna, "/quiet on", "🔕").await.contains("только тексты"));
    let before = scene.api().read(|state| said(state).len());
    let gate = Gate::new().await;
    let works = send_voice(&boris, &format!("{};say тихо", gate.instruction()));
    let held = gate.wait_reached().await;
    let long = boris.send_voice(&scripted(61, "say слишком долго")).id();
    reacts(&scene, long, "🙈").await;
    assert!(reactions(&scene, works).is_empty(), "the state is not shown");
    assert_eq!(scene.api().read(|state| said(state).len()), before);
    held.release();
    assert_eq!(answer(&scene, works, "✅").await, "✅ Готово!\n\nтихо");
    assert!(scene.api().read(|state| state.replies(GROUP, works).all(|reply| reply.is_silent)));
    let silent = send_voice(&boris, "wait 10");
    reacts(&scene, silent, "🤷").await;
    // Where the reaction is not allowed, nothing takes its place.
    Group::new(scene.api(), GROUP, "Мы").allow_reactions(&[]);
    boris.send_voice(&scripted(61, "say и это"));
    send_voice(&boris, "wait 10");
    let last = send_voice(&boris, "say последнее");
    answer(&scene, last, "✅").await;
    scene.wait_until_closed().await;
    assert_eq!(scene.api().read(|state| said(state).len()), before + 2);

    assert!(set(&scene, &anna, "/quiet off", "🔔").await.contains("снова"));
    Group::new(scene.api(), GROUP, "Мы").allow_reactions(&["👀"]);
    scene.shut_down().await;
}
