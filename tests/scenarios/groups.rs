//! Groups: on request only, unless their administrators want more; with the engine's stand-in.

use stenobot_domain::{AnswerForm, ChatId, MessageId, RequestId};
use stenobot_simulator::group::Group;
use stenobot_simulator::people::Person;
use stenobot_simulator::server::{Attachment, Author, Channel, Content, Rank, keyboard};
use stenobot_telegram::{Action, RerunChoice};

use crate::recordings::{Gate, scripted};
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
    let refused = soon("the press is answered", boris.presses_anyway(message, &data).answered()).await;
    assert!(refused.text.contains("только администраторы"), "{}", refused.text);
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

// === What a chat asked for in its own name ===

/// Somebody else writes as this channel; Telegram carries its posts over into the group.
fn news() -> Channel {
    Channel { id: ChatId(-100_777), title: "Новости".into() }
}

const NAMED: &str = "@stenobot_simulated_bot";

/// The message under a recording that shows how far it is, or its answer.
async fn shown(scene: &Scene, to: MessageId) -> MessageId {
    let found = scene.simulation.api().until(|state| Some(state.replies(GROUP, to).next()?.id));
    soon("a message under the recording", found).await
}

async fn request_of(scene: &Scene, message: MessageId) -> RequestId {
    let rows = scene.rows().await;
    let row = rows.iter().find(|row| row.chat_id == GROUP.0 && row.message_id == message.0);
    RequestId(row.expect("the request has a row").id)
}

/// Presses a button and gives what is shown for it.
async fn toast(person: &Person, message: MessageId, action: &Action) -> String {
    soon("the press is answered", person.presses_anyway(message, &action.encode()).answered()).await.text
}

#[tokio::test]
async fn what_a_chat_asked_for_can_be_cancelled_by_any_admin_and_by_no_other_member() {
    let mut scene = Scene::stand_in(&[]).await;
    let (anna, boris) = open(&scene);
    let group = Group::new(scene.simulation.api(), GROUP, "Мы");
    let vera = group.joins_as(&scene.simulation.person("Вера", "ru"), Rank::Owner);
    let gate = Gate::new().await;
    let before = scene.somebody_sends(&scripted(3, &format!("{};say занято", gate.instruction())));
    let held = gate.reached().await;

    let sound = voice(&boris, "say от имени группы");
    let anonymous = writes(&anna.anonymously(), "/transcribe", Some(sound));
    let as_channel = writes(&boris.as_channel(news()), "/transcribe", Some(voice(&boris, "say от имени канала")));
    let recording = scripted(3, "say из канала");
    let file = Attachment::voice(recording.duration).captioned(NAMED);
    let carried_over = group.carries_over_file(news(), file, recording.bytes);
    // Someone else's stays theirs, whoever runs the group.
    let boriss = writes(&boris, "/transcribe", Some(voice(&boris, "say Борисово")));

    let mut asked = Vec::new();
    for message in [anonymous, as_channel, carried_over, boriss] {
        let replied = scene.simulation.api().read(|state| state.message(GROUP, message).unwrap().reply_to);
        asked.push((message, replied.unwrap_or(message)));
    }
    let own = asked.pop().unwrap();
    for (message, sound) in asked {
        // What is in the queue ends at once; a download would be stopped first.
        answer(&scene, sound, "📋").await;
        let status = shown(&scene, sound).await;
        let cancel = Action::Cancel(request_of(&scene, message).await);
        assert!(toast(&boris, status, &cancel).await.contains("только администраторам группы"));
        assert_eq!(toast(&vera, status, &cancel).await, "");
        assert_eq!(answer(&scene, sound, "🚫").await, "🚫 Отменено.");
    }
    let status = shown(&scene, own.1).await;
    let cancel = Action::Cancel(request_of(&scene, own.0).await);
    assert_eq!(toast(&vera, status, &cancel).await, "Это чужая запись.");
    held.open();
    assert_eq!(scene.text(&before).await, "занято");
    assert_eq!(answer(&scene, own.1, "✅").await, "✅ Готово!\n\nБорисово");
    let rows = scene.end().await;
    let cancelled =
        rows.iter().filter(|row| (row.stage.as_str(), row.reason.as_deref()) == ("cancelled", Some("sender")));
    assert_eq!(cancelled.count(), 3);
}

#[tokio::test]
async fn what_the_engine_works_on_for_a_chat_can_be_cancelled_by_its_admin() {
    let scene = Scene::stand_in(&[]).await;
    let (anna, boris) = open(&scene);
    let gate = Gate::new().await;
    let sound = voice(&boris, &format!("{};linger 10;say никогда", gate.instruction()));
    let asked = writes(&anna.anonymously(), "/transcribe", Some(sound));
    let held = gate.reached().await;
    held.open();
    let status = shown(&scene, sound).await;
    let cancel = Action::Cancel(request_of(&scene, asked).await);
    assert_eq!(toast(&anna, status, &cancel).await, "Останавливаю...");
    assert_eq!(answer(&scene, sound, "🚫").await, "🚫 Отменено.");
    scene.end().await;
}

#[tokio::test]
async fn the_buttons_under_a_chat_s_answer_are_its_admins() {
    let scene = Scene::stand_in(&[("audio_retention_seconds", "600")]).await;
    let (anna, boris) = open(&scene);
    let group = Group::new(scene.simulation.api(), GROUP, "Мы");
    let vera = group.joins_as(&scene.simulation.person("Вера", "ru"), Rank::Owner);
    let sound = voice(&boris, "language");
    let asked = writes(&anna.anonymously(), "/transcribe", Some(sound));
    answer(&scene, sound, "✅").await;
    let first = shown(&scene, sound).await;
    let of = request_of(&scene, asked).await;
    let has = |data: String| {
        scene.simulation.api().until(move |state| {
            let markup = state.message(GROUP, first)?.markup.as_ref()?;
            keyboard::rows(markup).iter().flatten().any(|button| button.data == data).then_some(())
        })
    };
    soon("the answer's buttons", has(Action::Languages { of, page: 0 }.encode())).await;
    assert!(toast(&boris, first, &Action::Languages { of, page: 0 }).await.contains("только администраторам"));
    assert_eq!(toast(&anna, first, &Action::Languages { of, page: 0 }).await, "");
    let german = Action::Rerun { of, choice: RerunChoice::Language("de".parse().unwrap()) };
    soon("the languages", has(german.encode())).await;
    assert!(toast(&boris, first, &german).await.contains("только администраторам"));
    assert_eq!(toast(&anna, first, &german).await, "Слушаю еще раз...");
    let again = scene.simulation.api().until(|state| {
        let rest = state.replies(GROUP, sound).filter(|reply| reply.id != first);
        rest.filter(|reply| reply.content.text() == Some("✅ Готово!\n\nde")).map(|reply| reply.id).next()
    });
    let second = soon("the second answer", again).await;

    // The new answer is the chat's too, not that of the admin who asked for it.
    let of = RequestId(scene.rows().await.last().unwrap().id);
    let file = Action::Rerun { of, choice: RerunChoice::File(AnswerForm::Srt) };
    assert!(toast(&boris, second, &file).await.contains("только администраторам"));
    assert_eq!(toast(&vera, second, &file).await, "Слушаю еще раз...");
    let file = scene.simulation.api().until(|state| {
        state.replies(GROUP, sound).find(|reply| matches!(reply.content, Content::Document { .. })).map(|_| ())
    });
    soon("the file", file).await;
    scene.settled().await;
    scene.ended_with_audio().await;
}

#[tokio::test]
async fn an_anonymous_admin_cancels_what_the_group_asked_for_and_nothing_else() {
    let mut scene = Scene::stand_in(&[]).await;
    let (anna, boris) = open(&scene);
    let gate = Gate::new().await;
    let before = scene.somebody_sends(&scripted(3, &format!("{};say занято", gate.instruction())));
    let held = gate.reached().await;
    let sound = voice(&boris, "say от имени группы");
    writes(&anna.anonymously(), "/transcribe", Some(sound));
    let own = voice(&boris, "say от своего имени");
    writes(&anna, "/transcribe", Some(own));
    shown(&scene, sound).await;
    shown(&scene, own).await;
    let asked = writes(&anna.anonymously(), "/cancel", None);
    assert_eq!(answer(&scene, asked, "🚫").await, "🚫 Отменена 1 запись.");
    assert_eq!(answer(&scene, sound, "🚫").await, "🚫 Отменено.");
    held.open();
    assert_eq!(scene.text(&before).await, "занято");
    assert_eq!(answer(&scene, own, "✅").await, "✅ Готово!\n\nот своего имени");
    scene.end().await;
}

// === Recordings of other chats, and captions ===

#[tokio::test]
async fn a_recording_of_another_chat_or_topic_is_transcribed_under_the_command() {
    let scene = Scene::stand_in(&[]).await;
    let (anna, boris) = open(&scene);
    let group = Group::new(scene.simulation.api(), GROUP, "Мы");
    // The bot sees nothing there.
    let elsewhere = Group::new(scene.simulation.api(), ChatId(-100_200_301), "Они");
    let there = elsewhere.joins(&boris).sends_voice(&scripted(3, "say из другой группы"));
    let asked = writes(&boris.replying_elsewhere(&there), "/transcribe", None);
    assert_eq!(answer(&scene, asked, "✅").await, "✅ Готово!\n\nиз другой группы");

    let topic = group.opens_topic(&anna, "Записи").unwrap();
    let other = group.opens_topic(&anna, "Прочее").unwrap();
    let there = boris.in_topic(other).sends_voice(&scripted(3, "say из другой темы"));
    let asked = writes(&boris.in_topic(topic).replying_elsewhere(&there), &format!("{NAMED} что там?"), None);
    assert_eq!(answer(&scene, asked, "✅").await, "✅ Готово!\n\nиз другой темы");
    let shown = scene.simulation.api().read(|state| state.replies(GROUP, asked).next().unwrap().topic);
    assert_eq!(shown, Some(topic));
    let rows = scene.end().await;
    assert_eq!(rows.len(), 2);
}

#[tokio::test]
async fn a_caption_can_ask_for_the_text_where_the_bot_sees_only_what_is_meant_for_it() {
    let scene = Scene::stand_in(&[]).await;
    let (_, boris) = open(&scene);
    let group = Group::new(scene.simulation.api(), GROUP, "Мы");
    group.makes_bot(Rank::Member);
    let says = |caption: &str, script: &str| {
        let recording = scripted(3, script);
        boris.sends_file(Attachment::voice(recording.duration).captioned(caption), recording.bytes).id()
    };
    for (index, caption) in ["/transcribe", "/transcribe@stenobot_simulated_bot", "Послушай: /transcribe, это важно"]
        .into_iter()
        .enumerate()
    {
        let text = format!("по подписи {index}");
        let sound = says(caption, &format!("say {text}"));
        assert_eq!(answer(&scene, sound, "✅").await, format!("✅ Готово!\n\n{text}"));
    }
    says("/transcribe@another_bot", "say не для этого бота");
    let rows = scene.end().await;
    assert_eq!(rows.len(), 3);
}
