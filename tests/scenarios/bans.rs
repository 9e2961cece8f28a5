//! Banned users, groups and channels are ignored.

use serde_json::json;
use stenobot_domain::{AnswerForm, ChatId, MessageId, RequestId};
use stenobot_simulator::group::Group;
use stenobot_simulator::server::{Author, CallbackAnswer, Channel, MemberStatus, Origin};
use stenobot_simulator::users::{SentMessage, User};
use stenobot_telegram::{Action, RerunChoice};

use crate::recordings::{Gate, scripted};
use crate::scene::{Scene, answered, eventually};

const OPERATOR: i64 = 600_001;
const GROUP: ChatId = ChatId(-100_200_300);
const SUPERGROUP: ChatId = ChatId(-100_200_301);

async fn start() -> (Scene, User) {
    let settings = [("admin_users", "600001"), ("audio_retention_seconds", "600")];
    let scene = Scene::start(&settings).await;
    let operator = scene.new_user("Админ", "ru");
    assert_eq!(operator.chat().0, OPERATOR);
    (scene, operator)
}

/// Texts of the bot in a chat, oldest first.
fn said(scene: &Scene, chat: ChatId) -> Vec<String> {
    scene.api().read(|state| {
        let messages = state.chats.get(&chat).into_iter().flat_map(|chat| chat.messages.values());
        let own = messages.filter(|message| message.author == Author::Bot && message.deleted.is_none());
        own.filter_map(|message| Some(message.content.text()?.to_owned())).collect()
    })
}

/// Waits for the reply to a message.
async fn reply(scene: &Scene, sent: &SentMessage) -> (MessageId, String) {
    let found = scene.api().wait_for(|state| {
        let mut replies = state.replies(sent.chat(), sent.id());
        replies.find_map(|reply| Some((reply.id, reply.content.text()?.to_owned())))
    });
    eventually("a reply", found).await
}

async fn says(scene: &Scene, from: &User, text: &str, wanted: &str) {
    let (_, said) = reply(scene, &from.send_text(text)).await;
    assert!(said.contains(wanted), "{text}: {said}");
}

/// Presses every button of an answer; none gets a text.
async fn press_all(who: &User, message: MessageId, of: RequestId) {
    let choices = [RerunChoice::Language("de".parse().unwrap()), RerunChoice::File(AnswerForm::Txt)];
    let again = choices.map(|choice| Action::Rerun { of, choice });
    let others = [Action::Cancel(of), Action::Languages { of, page: 0 }, Action::Back(of), Action::ChatLanguages(1)];
    for action in again.into_iter().chain(others) {
        let toast =
            eventually("the press is acknowledged", who.send_callback(message, &action.encode()).wait_for_answer())
                .await;
        assert_eq!(toast, CallbackAnswer { text: String::new(), alert: false }, "{action:?}");
    }
}

#[tokio::test]
async fn a_banned_user_is_not_answered_and_their_buttons_do_nothing() {
    let (mut scene, operator) = start().await;
    let anna = scene.new_user("Анна", "ru");
    let group = Group::new(scene.api(), GROUP, "Мы");
    group.set_bot_status(MemberStatus::Administrator);
    let in_group = group.add_member_as(&anna, MemberStatus::Administrator);
    let sent = anna.send_voice(&scripted(3, "say слово"));
    assert_eq!(scene.text(&sent).await, "слово");
    let (message, of) = (sent.status().unwrap(), RequestId(scene.row(&sent).await.id));
    scene.wait_until_closed().await;

    says(&scene, &operator, &format!("/ban {}", anna.chat()), "заблокирован").await;
    let before = said(&scene, anna.chat());
    press_all(&anna, message, of).await;
    for user in [&anna, &in_group] {
        for text in ["/start", "/help", "/queue", "/mydata", "/forget", "/language", "/nonsense", "/auto on", "Привет"]
        {
            user.send_text(text);
        }
        user.send_photo();
        user.send_voice(&scripted(3, "say тишина"));
    }
    in_group.replying_to(in_group.send_voice(&scripted(3, "say тишина")).id()).send_text("/transcribe");
    assert_eq!(said(&scene, anna.chat()), before);

    // Updates are processed in order: the earlier ones are done.
    says(&scene, &operator, &format!("/unban {}", anna.chat()), "разблокирован").await;
    says(&scene, &anna, "/start", "👋").await;
    assert_eq!(said(&scene, anna.chat()).len(), before.len() + 1);
    assert_eq!(said(&scene, GROUP), Vec::<String>::new());
    let shown = scene.api().read(|state| state.message(anna.chat(), message).unwrap().clone());
    assert_eq!(shown.content.text(), Some("✅ Готово!\n\nслово"));
    assert_eq!(scene.rows().await.len(), 1, "nothing was transcribed again");
    scene.into_stopped_with_audio().await;
}

#[tokio::test]
async fn a_banned_group_stays_banned_after_its_upgrade_to_a_supergroup() {
    let (mut scene, operator) = start().await;
    let group = Group::new(scene.api(), GROUP, "Мы");
    group.set_bot_status(MemberStatus::Administrator);
    let anna = scene.new_user("Анна", "ru");
    let in_group = group.add_member_as(&anna, MemberStatus::Owner);
    says(&scene, &in_group, "/auto on", "все голосовые").await;
    says(&scene, &in_group, "/status messages", "в сообщении").await;
    let first = in_group.send_voice(&scripted(3, "say слово"));
    assert_eq!(scene.text(&first).await, "слово");
    let (message, of) = (first.status().unwrap(), RequestId(scene.row(&first).await.id));

    // One request is transcribed and one waits; neither is answered.
    let gate = Gate::new().await;
    let works = in_group.send_voice(&scripted(3, &format!("{};linger 10;say никогда", gate.instruction())));
    let held = gate.wait_reached().await;
    let waits = in_group.send_voice(&scripted(3, "say тоже никогда"));
    scene.wait_for_positions(std::slice::from_ref(&waits), &[1]).await;
    says(&scene, &operator, &format!("/ban {GROUP}"), "заблокирован").await;
    held.release();
    scene.wait_until_closed().await;
    let before = said(&scene, GROUP);
    press_all(&in_group, message, of).await;
    for text in ["/help", "/language", "/auto off", "/transcribe"] {
        in_group.replying_to(first.id()).send_text(text);
    }
    in_group.anonymously().send_text("/auto off");
    in_group.send_voice(&scripted(3, "say не взято"));
    // Her private chat is not banned with the group.
    let own = anna.send_voice(&scripted(3, "say отдельно"));
    assert_eq!(answered(scene.answer(&own).await), "отдельно");
    assert_eq!(said(&scene, GROUP), before);

    let moved = group.upgrade_to_supergroup(SUPERGROUP).add_member_as(&anna, MemberStatus::Owner);
    moved.send_text("/help");
    moved.send_voice(&scripted(3, "say не взято"));
    // By the id that the operator knows.
    says(&scene, &operator, &format!("/unban {GROUP}"), "разблокирован").await;
    let again = moved.send_voice(&scripted(3, "say снова"));
    assert_eq!(answered(scene.answer(&again).await), "снова", "its settings have stayed");
    assert_eq!(said(&scene, SUPERGROUP).len(), 1);
    let rows = scene.rows().await;
    assert_eq!(rows.len(), 5);
    let stages: Vec<_> = [&works, &waits].map(|sent| crate::scene::row_of(&rows, sent).stage).into_iter().collect();
    assert_eq!(stages, ["cancelled", "cancelled"]);
    // Banned by the old id, too.
    says(&scene, &operator, &format!("/ban {GROUP}"), "заблокирован").await;
    moved.send_text("/help");
    says(&scene, &operator, "/ban", "ID человека, группы или канала").await;
    assert_eq!(said(&scene, SUPERGROUP).len(), 1);
    for word in ["никогда", "тоже никогда", "не взято", "отдельно", "снова"] {
        scene.spoken.add(word);
    }
    scene.into_stopped_with_audio().await;
}

#[tokio::test]
async fn a_banned_channel_is_ignored_and_a_ban_can_be_lifted() {
    let (mut scene, operator) = start().await;
    let group = Group::new(scene.api(), GROUP, "Мы");
    group.set_bot_status(MemberStatus::Administrator);
    let channel = Channel { id: ChatId(-100_777), title: "Новости".into() };
    let anna = group.add_member_as(&scene.new_user("Анна", "ru"), MemberStatus::Owner);
    says(&scene, &anna, "/auto on", "все голосовые").await;
    let writes = anna.as_channel(channel.clone());
    says(&scene, &writes, "/privacy", "").await;
    says(&scene, &operator, &format!("/ban {}", channel.id), "заблокирован").await;
    let before = said(&scene, GROUP).len();
    writes.send_text("/privacy");
    writes.send_voice(&scripted(3, "say тишина"));
    // Operators cannot be banned.
    says(&scene, &operator, &format!("/ban {OPERATOR}"), "заблокирован").await;
    says(&scene, &operator, &format!("/unban {OPERATOR}"), "разблокирован").await;
    says(&scene, &anna, "/auto", "👥").await;
    assert_eq!(said(&scene, GROUP).len(), before + 1);
    let own = anna.send_voice(&scripted(3, "say от своего имени"));
    assert_eq!(scene.text(&own).await, "от своего имени");
    assert_eq!(scene.rows().await.len(), 1);
    scene.into_stopped_with_audio().await;
}

#[tokio::test]
async fn commands_forwarded_by_an_operator_are_not_executed() {
    let (mut scene, operator) = start().await;
    let anna = scene.new_user("Анна", "ru");
    for command in [format!("/ban {}", anna.chat()), "/drain".into(), "/pause".into(), "/broadcast Слон".into()] {
        let forwarded = operator.forwarding(Origin::User(anna.info().clone())).send_text(&command);
        let hidden = operator.forwarding(Origin::Hidden("Анна".into())).send_text(&command);
        let inline = operator.send_other(json!({
            "text": command,
            "via_bot": { "id": 77, "is_bot": true, "first_name": "Inline", "username": "inline_bot" },
        }));
        for sent in [forwarded, hidden, inline] {
            let (_, text) = reply(&scene, &sent).await;
            assert!(!text.contains("заблокирован") && !text.contains("Слон") && !text.contains("Пауза"), "{text}");
        }
    }
    let sent = anna.send_voice(&scripted(3, "say по-прежнему"));
    assert_eq!(scene.text(&sent).await, "по-прежнему");
    says(&scene, &operator, &format!("/ban {}", anna.chat()), "заблокирован").await;
    scene.into_stopped_with_audio().await;
}
