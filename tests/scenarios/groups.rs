//! Groups: on request only, unless their administrators want more; with the engine's stand-in.

use serde_json::json;
use stenobot::model::{ChatId, MessageId, UserId};
use stenobot::simulator::server::{Attachment, Author, Caller, ChatKind};
use stenobot::telegram::Action;

use crate::recordings::scripted;
use crate::scene::{Scene, soon};

const GROUP: ChatId = ChatId(-100_200_300);

struct Group {
    anna: Caller,
    boris: Caller,
}

impl Group {
    fn open(scene: &Scene) -> Self {
        let api = scene.simulation.api();
        api.open_chat(GROUP, ChatKind::Group, "Мы");
        let caller = |id, name: &str| Caller { id: UserId(id), name: name.into(), language_code: Some("ru".into()) };
        let group = Self { anna: caller(71, "Анна"), boris: caller(72, "Борис") };
        api.administrate(GROUP, group.anna.id);
        group
    }

    fn voice(&self, scene: &Scene, from: &Caller, script: &str) -> MessageId {
        let voice = scripted(3, script);
        scene.simulation.api().receive_file(GROUP, from, Attachment::voice(voice.duration), voice.bytes, None)
    }

    fn writes(&self, scene: &Scene, from: &Caller, text: &str, reply_to: Option<MessageId>) -> MessageId {
        scene.simulation.api().receive_text(GROUP, from, text, reply_to)
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
    let group = Group::open(&scene);
    let voice = group.voice(&scene, &group.anna, "say по просьбе");
    group.writes(&scene, &group.boris, "/transcribe", Some(voice));
    assert_eq!(answer(&scene, voice, "✅").await, "✅ Готово!\n\nпо просьбе");
    let other = group.voice(&scene, &group.anna, "say по имени");
    group.writes(&scene, &group.boris, "@stenobot_simulated_bot, что там?", Some(other));
    assert_eq!(answer(&scene, other, "✅").await, "✅ Готово!\n\nпо имени");
    let how = group.writes(&scene, &group.boris, "/transcribe@stenobot_simulated_bot", None);
    assert!(answer(&scene, how, "🎙").await.contains("Ответьте этой командой"));

    // What nobody asked for has cost nothing.
    let ignored = group.voice(&scene, &group.anna, "say никто не просил");
    let rows = scene.end().await;
    assert_eq!(rows.len(), 2);
    assert!(rows.iter().all(|row| row.message_id != ignored.0));
}

#[tokio::test]
async fn administrators_switch_it_on_for_everything_and_off_again() {
    let scene = Scene::stand_in(&[]).await;
    let group = Group::open(&scene);
    let asked = group.writes(&scene, &group.boris, "/auto on", None);
    assert!(answer(&scene, asked, "🔒").await.contains("только администраторы"));
    let asked = group.writes(&scene, &group.anna, "/auto on", None);
    assert!(answer(&scene, asked, "👥").await.contains("все голосовые"));
    let voice = group.voice(&scene, &group.boris, "say всё подряд");
    assert_eq!(answer(&scene, voice, "✅").await, "✅ Готово!\n\nвсё подряд");

    // An administrator who speaks as the group needs no further proof.
    let update = json!({"message_id": 5001, "date": 1, "text": "/auto off",
        "chat": {"id": GROUP.0, "type": "supergroup", "title": "Мы"},
        "from": {"id": 1_087_968_824, "is_bot": true, "first_name": "Group", "username": "GroupAnonymousBot"},
        "sender_chat": {"id": GROUP.0, "type": "supergroup", "title": "Мы"}});
    let update = scene.simulation.api().receive_raw("message", update);
    scene.confirmed(update).await;
    let voice = group.voice(&scene, &group.boris, "say больше не надо");
    let last = group.writes(&scene, &group.anna, "/auto", None);
    answer(&scene, last, "👥").await;
    let rows = scene.end().await;
    assert!(rows.iter().all(|row| row.message_id != voice.0));
}

#[tokio::test]
async fn the_language_of_a_group_is_its_administrators_choice() {
    let scene = Scene::stand_in(&[]).await;
    let group = Group::open(&scene);
    let asked = group.writes(&scene, &group.anna, "/language", None);
    answer(&scene, asked, "🌐").await;
    let message = scene.simulation.api().read(|state| state.replies(GROUP, asked).next().unwrap().id);
    let data = Action::SetLanguage("uk".parse().unwrap()).encode();
    scene.simulation.api().press(GROUP, &group.boris, message, &data).unwrap();
    let refused = scene.simulation.api().until(|state| {
        let mut said = state.chats.get(&GROUP)?.messages.values().filter_map(|message| message.content.text());
        said.any(|text| text.starts_with("🔒")).then_some(())
    });
    soon("a refusal", refused).await;
    scene.simulation.api().press(GROUP, &group.anna, message, &data).unwrap();
    let set = scene.simulation.api().until(|state| {
        let mut said = state.chats.get(&GROUP)?.messages.values().filter_map(|message| message.content.text());
        said.any(|text| text.contains("Українська")).then_some(())
    });
    soon("the language is set", set).await;
    let voice = group.voice(&scene, &group.boris, "language");
    group.writes(&scene, &group.boris, "/transcribe", Some(voice));
    assert_eq!(answer(&scene, voice, "✅").await, "✅ Готово!\n\nuk");
    scene.end().await;
}
