//! Users, groups and channels that are banned get nothing by any way; with the engine's stand-in.

use serde_json::json;
use stenobot_domain::{AnswerForm, ChatId, MessageId, RequestId};
use stenobot_simulator::group::Group;
use stenobot_simulator::people::{Person, Sent};
use stenobot_simulator::server::{Author, Channel, Origin, Rank, Toast};
use stenobot_telegram::{Action, RerunChoice};

use crate::recordings::{Gate, scripted};
use crate::scene::{Scene, answered, soon};

const OPERATOR: i64 = 600_001;
const GROUP: ChatId = ChatId(-100_200_300);
const SUPERGROUP: ChatId = ChatId(-100_200_301);

async fn start() -> (Scene, Person) {
    let settings = [("admin_users", "600001"), ("audio_retention_seconds", "600")];
    let scene = Scene::stand_in(&settings).await;
    let operator = scene.simulation.person("Админ", "ru");
    assert_eq!(operator.chat().0, OPERATOR);
    (scene, operator)
}

/// Texts of the bot in a chat, oldest first.
fn said(scene: &Scene, chat: ChatId) -> Vec<String> {
    scene.simulation.api().read(|state| {
        let messages = state.chats.get(&chat).into_iter().flat_map(|chat| chat.messages.values());
        let own = messages.filter(|message| message.author == Author::Bot && message.deleted.is_none());
        own.filter_map(|message| Some(message.content.text()?.to_owned())).collect()
    })
}

/// The reply to a message, once it is there.
async fn reply(scene: &Scene, sent: &Sent) -> (MessageId, String) {
    let found = scene.simulation.api().until(|state| {
        let mut replies = state.replies(sent.chat(), sent.id());
        replies.find_map(|reply| Some((reply.id, reply.content.text()?.to_owned())))
    });
    soon("a reply", found).await
}

async fn says(scene: &Scene, from: &Person, text: &str, wanted: &str) {
    let (_, said) = reply(scene, &from.sends_text(text)).await;
    assert!(said.contains(wanted), "{text}: {said}");
}

/// Every button of an answer, and none of them says anything.
async fn press_all(who: &Person, message: MessageId, of: RequestId) {
    let wishes = [RerunChoice::Language("de".parse().unwrap()), RerunChoice::File(AnswerForm::Txt)];
    let again = wishes.map(|choice| Action::Rerun { of, choice });
    let others = [Action::Cancel(of), Action::Languages { of, page: 0 }, Action::Back(of), Action::ChatLanguages(1)];
    for action in again.into_iter().chain(others) {
        let toast = soon("the press is acknowledged", who.presses_anyway(message, &action.encode()).answered()).await;
        assert_eq!(toast, Toast { text: String::new(), alert: false }, "{action:?}");
    }
}

#[tokio::test]
async fn a_banned_user_is_not_answered_and_their_buttons_do_nothing() {
    let (mut scene, operator) = start().await;
    let anna = scene.simulation.person("Анна", "ru");
    let group = Group::new(scene.simulation.api(), GROUP, "Мы");
    group.makes_bot(Rank::Administrator);
    let in_group = group.joins_as(&anna, Rank::Administrator);
    let sent = anna.sends_voice(&scripted(3, "say слово"));
    assert_eq!(scene.text(&sent).await, "слово");
    let (message, of) = (sent.status().unwrap(), RequestId(scene.row(&sent).await.id));
    scene.settled().await;

    says(&scene, &operator, &format!("/ban {}", anna.chat()), "заблокирован").await;
    let before = said(&scene, anna.chat());
    press_all(&anna, message, of).await;
    for person in [&anna, &in_group] {
        for text in ["/start", "/help", "/queue", "/mydata", "/forget", "/language", "/nonsense", "/auto on", "Привет"]
        {
            person.sends_text(text);
        }
        person.sends_photo();
        person.sends_voice(&scripted(3, "say тишина"));
    }
    in_group.replying_to(in_group.sends_voice(&scripted(3, "say тишина")).id()).sends_text("/transcribe");
    assert_eq!(said(&scene, anna.chat()), before);

    // Everything before is dealt with when this is.
    says(&scene, &operator, &format!("/unban {}", anna.chat()), "разблокирован").await;
    says(&scene, &anna, "/start", "👋").await;
    assert_eq!(said(&scene, anna.chat()).len(), before.len() + 1);
    assert_eq!(said(&scene, GROUP), Vec::<String>::new());
    let shown = scene.simulation.api().read(|state| state.message(anna.chat(), message).unwrap().clone());
    assert_eq!(shown.content.text(), Some("✅ Готово!\n\nслово"));
    assert_eq!(scene.rows().await.len(), 1, "nothing was transcribed again");
    scene.ended_with_audio().await;
}

#[tokio::test]
async fn nothing_is_taken_from_a_banned_group_whatever_its_id_has_become() {
    let (mut scene, operator) = start().await;
    let group = Group::new(scene.simulation.api(), GROUP, "Мы");
    group.makes_bot(Rank::Administrator);
    let anna = scene.simulation.person("Анна", "ru");
    let in_group = group.joins_as(&anna, Rank::Owner);
    says(&scene, &in_group, "/auto on", "все голосовые").await;
    let first = in_group.sends_voice(&scripted(3, "say слово"));
    assert_eq!(scene.text(&first).await, "слово");
    let (message, of) = (first.status().unwrap(), RequestId(scene.row(&first).await.id));

    // One is worked on, one waits: neither is answered.
    let gate = Gate::new().await;
    let works = in_group.sends_voice(&scripted(3, &format!("{};linger 10;say никогда", gate.instruction())));
    let held = gate.reached().await;
    let waits = in_group.sends_voice(&scripted(3, "say тоже никогда"));
    scene.positions(std::slice::from_ref(&waits), &[1]).await;
    says(&scene, &operator, &format!("/ban {GROUP}"), "заблокирован").await;
    held.open();
    scene.settled().await;
    let before = said(&scene, GROUP);
    press_all(&in_group, message, of).await;
    for text in ["/help", "/language", "/auto off", "/transcribe"] {
        in_group.replying_to(first.id()).sends_text(text);
    }
    in_group.anonymously().sends_text("/auto off");
    in_group.sends_voice(&scripted(3, "say не взято"));
    // Her own chat is not the group's.
    let own = anna.sends_voice(&scripted(3, "say отдельно"));
    assert_eq!(answered(scene.answer(&own).await), "отдельно");
    assert_eq!(said(&scene, GROUP), before);

    let moved = group.becomes_supergroup(SUPERGROUP).joins_as(&anna, Rank::Owner);
    moved.sends_text("/help");
    moved.sends_voice(&scripted(3, "say не взято"));
    // By the number that the operator knows.
    says(&scene, &operator, &format!("/unban {GROUP}"), "разблокирован").await;
    let again = moved.sends_voice(&scripted(3, "say снова"));
    assert_eq!(answered(scene.answer(&again).await), "снова", "its settings have stayed");
    assert_eq!(said(&scene, SUPERGROUP).len(), 1);
    let rows = scene.rows().await;
    assert_eq!(rows.len(), 5);
    let stages: Vec<_> = [&works, &waits].map(|sent| crate::scene::of(&rows, sent).stage).into_iter().collect();
    assert_eq!(stages, ["cancelled", "cancelled"]);
    // Banned by the old number, too.
    says(&scene, &operator, &format!("/ban {GROUP}"), "заблокирован").await;
    moved.sends_text("/help");
    says(&scene, &operator, "/ban", "ID человека, группы или канала").await;
    assert_eq!(said(&scene, SUPERGROUP).len(), 1);
    for word in ["никогда", "тоже никогда", "не взято", "отдельно", "снова"] {
        scene.spoken.add(word);
    }
    scene.ended_with_audio().await;
}

#[tokio::test]
async fn a_banned_channel_writes_in_vain_and_a_slip_of_the_operator_can_be_undone() {
    let (mut scene, operator) = start().await;
    let group = Group::new(scene.simulation.api(), GROUP, "Мы");
    group.makes_bot(Rank::Administrator);
    let channel = Channel { id: ChatId(-100_777), title: "Новости".into() };
    let anna = group.joins_as(&scene.simulation.person("Анна", "ru"), Rank::Owner);
    says(&scene, &anna, "/auto on", "все голосовые").await;
    let writes = anna.as_channel(channel.clone());
    says(&scene, &writes, "/privacy", "").await;
    says(&scene, &operator, &format!("/ban {}", channel.id), "заблокирован").await;
    let before = said(&scene, GROUP).len();
    writes.sends_text("/privacy");
    writes.sends_voice(&scripted(3, "say тишина"));
    // An operator is served whatever was typed.
    says(&scene, &operator, &format!("/ban {OPERATOR}"), "заблокирован").await;
    says(&scene, &operator, &format!("/unban {OPERATOR}"), "разблокирован").await;
    says(&scene, &anna, "/auto", "👥").await;
    assert_eq!(said(&scene, GROUP).len(), before + 1);
    let own = anna.sends_voice(&scripted(3, "say от своего имени"));
    assert_eq!(scene.text(&own).await, "от своего имени");
    assert_eq!(scene.rows().await.len(), 1);
    scene.ended_with_audio().await;
}

#[tokio::test]
async fn words_of_others_that_an_operator_passes_on_are_not_obeyed() {
    let (mut scene, operator) = start().await;
    let anna = scene.simulation.person("Анна", "ru");
    for command in [format!("/ban {}", anna.chat()), "/drain".into(), "/pause".into(), "/broadcast Слон".into()] {
        let forwarded = operator.forwarding(Origin::Person(anna.caller().clone())).sends_text(&command);
        let hidden = operator.forwarding(Origin::Hidden("Анна".into())).sends_text(&command);
        let inline = operator.sends_other(json!({
            "text": command,
            "via_bot": { "id": 77, "is_bot": true, "first_name": "Inline", "username": "inline_bot" },
        }));
        for sent in [forwarded, hidden, inline] {
            let (_, text) = reply(&scene, &sent).await;
            assert!(!text.contains("заблокирован") && !text.contains("Слон") && !text.contains("Пауза"), "{text}");
        }
    }
    let sent = anna.sends_voice(&scripted(3, "say по-прежнему"));
    assert_eq!(scene.text(&sent).await, "по-прежнему");
    says(&scene, &operator, &format!("/ban {}", anna.chat()), "заблокирован").await;
    scene.ended_with_audio().await;
}
