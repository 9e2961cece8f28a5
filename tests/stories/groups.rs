//! Transcription in groups: on request, or for every recording when group admins turn that on.

use stenobot_domain::{ChatId, MessageId};
use stenobot_simulator::group::Group;
use stenobot_simulator::server::{Author, MemberStatus};
use stenobot_simulator::users::User;
use stenobot_telegram::Action;

use super::eventually;
use super::recordings::scripted;
use super::scene::{Scene, TestBot};

pub(crate) const GROUP: ChatId = ChatId(-100_200_300);

/// A group in which the bot sees every message, with an administrator and a member.
pub(crate) fn open_group<B: TestBot>(scene: &Scene<B>) -> (User, User) {
    let group = Group::new(scene.api(), GROUP, "Мы");
    group.set_bot_status(MemberStatus::Administrator);
    let anna = group.add_member_as(&scene.new_user("Анна", "ru"), MemberStatus::Administrator);
    let boris = group.add_member(&scene.new_user("Борис", "ru"));
    (anna, boris)
}

pub(crate) fn send_voice(from: &User, script: &str) -> MessageId {
    from.send_voice(&scripted(3, script)).id()
}

pub(crate) fn send_text(from: &User, text: &str, reply_to: Option<MessageId>) -> MessageId {
    match reply_to {
        Some(message) => from.replying_to(message).send_text(text).id(),
        None => from.send_text(text).id(),
    }
}

/// Waits for a reply to a message of the group that begins with `sign`.
pub(crate) async fn answer<B: TestBot>(scene: &Scene<B>, to: MessageId, sign: &str) -> String {
    let found = scene.api().wait_for(|state| {
        let mut replies = state.replies(GROUP, to).filter(|reply| reply.author == Author::Bot);
        replies.find_map(|reply| reply.content.text().filter(|text| text.starts_with(sign)).map(str::to_owned))
    });
    eventually(&format!("an answer with {sign}"), found).await
}

pub(crate) async fn a_recording_is_transcribed_on_request_by_reply<B: TestBot>() {
    let scene = Scene::<B>::start(&[]).await;
    let (anna, boris) = open_group(&scene);
    let sound = send_voice(&anna, "say по просьбе");
    send_text(&boris, "/transcribe", Some(sound));
    assert_eq!(answer(&scene, sound, "✅").await, "✅ Готово!\n\nпо просьбе");
    let other = send_voice(&anna, "say по имени");
    send_text(&boris, "@stenobot_simulated_bot, что там?", Some(other));
    assert_eq!(answer(&scene, other, "✅").await, "✅ Готово!\n\nпо имени");
    let how = send_text(&boris, "/transcribe@stenobot_simulated_bot", None);
    assert!(answer(&scene, how, "🎙").await.contains("Ответьте этой командой"));

    // A recording without a request creates no row.
    let ignored = send_voice(&anna, "say никто не просил");
    let rows = scene.shut_down().await;
    assert_eq!(rows.len(), 2);
    assert!(rows.iter().all(|row| row.message_id != Some(ignored.0)));
}

pub(crate) async fn group_admins_turn_automatic_transcription_on_and_off<B: TestBot>() {
    let scene = Scene::<B>::start(&[]).await;
    let (anna, boris) = open_group(&scene);
    let asked = send_text(&boris, "/auto on", None);
    assert!(answer(&scene, asked, "🔒").await.contains("только администраторы"));
    let asked = send_text(&anna, "/auto on", None);
    assert!(answer(&scene, asked, "👥").await.contains("все голосовые"));
    let sound = send_voice(&boris, "say всё подряд");
    assert_eq!(answer(&scene, sound, "✅").await, "✅ Готово!\n\nвсё подряд");

    // An anonymous administrator needs no further check.
    let asked = anna.anonymously().send_text("/auto off").id();
    assert!(answer(&scene, asked, "👥").await.contains("только по просьбе"));
    let sound = send_voice(&boris, "say больше не надо");
    let last = send_text(&anna, "/auto", None);
    answer(&scene, last, "👥").await;
    let rows = scene.shut_down().await;
    assert!(rows.iter().all(|row| row.message_id != Some(sound.0)));
}

pub(crate) async fn only_group_admins_choose_the_language_of_a_group<B: TestBot>() {
    let scene = Scene::<B>::start(&[]).await;
    let (anna, boris) = open_group(&scene);
    let asked = send_text(&anna, "/language", None);
    answer(&scene, asked, "🌐").await;
    let message = scene.api().read(|state| state.replies(GROUP, asked).next().unwrap().id);
    let data = Action::SetLanguage("uk".parse().unwrap()).encode();
    let refused = eventually("the press is answered", boris.send_callback(message, &data).wait_for_answer()).await;
    assert!(refused.text.contains("только администраторы"), "{}", refused.text);
    let _pressed = anna.send_callback(message, &data);
    let set = scene.api().wait_for(|state| {
        let mut said = state.chats.get(&GROUP)?.messages.values().filter_map(|message| message.content.text());
        said.any(|text| text.contains("Українська")).then_some(())
    });
    eventually("the language is set", set).await;
    let sound = send_voice(&boris, "language");
    send_text(&boris, "/transcribe", Some(sound));
    assert_eq!(answer(&scene, sound, "✅").await, "✅ Готово!\n\nuk");

    let asked = send_text(&boris, "/language ru uk", None);
    assert!(answer(&scene, asked, "🔒").await.contains("только администраторы"));
    let asked = send_text(&anna, "/language ru uk", None);
    assert!(answer(&scene, asked, "🌐").await.contains("Русский, Українська"));
    let sound = send_voice(&boris, "language");
    send_text(&boris, "/transcribe", Some(sound));
    assert_eq!(answer(&scene, sound, "✅").await, "✅ Готово!\n\nru,uk");
    scene.shut_down().await;
}
