//! Groups: on request only, unless their administrators want more; with the engine's stand-in.

use stenobot::model::{ChatId, MessageId};
use stenobot::simulator::group::Group;
use stenobot::simulator::people::Person;
use stenobot::simulator::server::{Author, Rank};
use stenobot::telegram::Action;

use crate::recordings::scripted;
use crate::scene::{Scene, soon};

const GROUP: ChatId = ChatId(-100_200_300);

/// A group in which the bot sees everything, with an administrator and a member.
fn open(scene: &Scene) -> (Person, Person) {
    let group = Group::new(scene.simulation.api(), GROUP, "Мы");
    group.makes_bot(Rank::Administrator);
    let anna = group.joins_as(&scene.simulation.person("Анна", "ru"), Rank::Administrator);
    let boris = group.joins(&scene.simulation.person("Борис", "ru"));
    (anna, boris)
}

fn voice(from: &Person, script: &str) -> MessageId {
    from.sends_voice(&scripted(3, script)).id()
}

fn writes(from: &Person, text: &str, reply_to: Option<MessageId>) -> MessageId {
    match reply_to {
        Some(message) => from.replying_to(message).sends_text(text).id(),
        None => from.sends_text(text).id(),
    }
}

/// The answer of the bot under a message of the group, once it begins with the sign.
async fn answer(scene: &Scene, to: MessageId, sign: &str) -> String {
    let found = scene.simulation.api().until(|state| {
        let mut replies = state.replies(GROUP, to).filter(|reply| reply.author == Author::Bot);
        replies.find_map(|reply| reply.content.text().filter(|text| text.starts_with(sign)).map(str::to_owned))
    });
    soon(&format!("an answer with {sign}"), found).await
}

#[tokio::test]
async fn a_recording_is_transcribed_when_somebody_asks_under_it() {
    let scene = Scene::stand_in(&[]).await;
    let (anna, boris) = open(&scene);
    let sound = voice(&anna, "say по просьбе");
    writes(&boris, "/transcribe", Some(sound));
    assert_eq!(answer(&scene, sound, "✅").await, "✅ Готово!\n\nпо просьбе");
    let other = voice(&anna, "say по имени");
    writes(&boris, "@stenobot_simulated_bot, что там?", Some(other));
    assert_eq!(answer(&scene, other, "✅").await, "✅ Готово!\n\nпо имени");
    let how = writes(&boris, "/transcribe@stenobot_simulated_bot", None);
    assert!(answer(&scene, how, "🎙").await.contains("Ответьте этой командой"));

    // What nobody asked for has cost nothing.
    let ignored = voice(&anna, "say никто не просил");
    let rows = scene.end().await;
    assert_eq!(rows.len(), 2);
    assert!(rows.iter().all(|row| row.message_id != ignored.0));
}

#[tokio::test]
async fn administrators_switch_it_on_for_everything_and_off_again() {
    let scene = Scene::stand_in(&[]).await;
    let (anna, boris) = open(&scene);
    let asked = writes(&boris, "/auto on", None);
    assert!(answer(&scene, asked, "🔒").await.contains("только администраторы"));
    let asked = writes(&anna, "/auto on", None);
    assert!(answer(&scene, asked, "👥").await.contains("все голосовые"));
    let sound = voice(&boris, "say всё подряд");
    assert_eq!(answer(&scene, sound, "✅").await, "✅ Готово!\n\nвсё подряд");

    // An administrator who speaks as the group needs no further proof.
    let asked = anna.anonymously().sends_text("/auto off").id();
    assert!(answer(&scene, asked, "👥").await.contains("только по просьбе"));
    let sound = voice(&boris, "say больше не надо");
    let last = writes(&anna, "/auto", None);
    answer(&scene, last, "👥").await;
    let rows = scene.end().await;
    assert!(rows.iter().all(|row| row.message_id != sound.0));
}

#[tokio::test]
async fn the_language_of_a_group_is_its_administrators_choice() {
    let scene = Scene::stand_in(&[]).await;
    let (anna, boris) = open(&scene);
    let asked = writes(&anna, "/language", None);
    answer(&scene, asked, "🌐").await;
    let message = scene.simulation.api().read(|state| state.replies(GROUP, asked).next().unwrap().id);
    let data = Action::SetLanguage("uk".parse().unwrap()).encode();
    let _pressed = boris.presses_anyway(message, &data);
    let refused = scene.simulation.api().until(|state| {
        let mut said = state.chats.get(&GROUP)?.messages.values().filter_map(|message| message.content.text());
        said.any(|text| text.starts_with("🔒")).then_some(())
    });
    soon("a refusal", refused).await;
    let _pressed = anna.presses_anyway(message, &data);
    let set = scene.simulation.api().until(|state| {
        let mut said = state.chats.get(&GROUP)?.messages.values().filter_map(|message| message.content.text());
        said.any(|text| text.contains("Українська")).then_some(())
    });
    soon("the language is set", set).await;
    let sound = voice(&boris, "language");
    writes(&boris, "/transcribe", Some(sound));
    assert_eq!(answer(&scene, sound, "✅").await, "✅ Готово!\n\nuk");
    scene.end().await;
}

#[tokio::test]
async fn an_answer_stays_in_its_topic_and_what_a_channel_carries_over_is_left_alone() {
    let scene = Scene::stand_in(&[]).await;
    let (anna, boris) = open(&scene);
    let group = Group::new(scene.simulation.api(), GROUP, "Мы");
    let topic = group.opens_topic(&anna, "Записи").unwrap();
    let asked = boris.in_topic(topic);
    let sound = voice(&asked, "say в теме");
    asked.replying_to(sound).sends_text("/transcribe");
    answer(&scene, sound, "✅").await;
    let shown = scene.simulation.api().read(|state| state.replies(GROUP, sound).next().unwrap().topic);
    assert_eq!(shown, Some(topic));
    scene.end().await;
}
