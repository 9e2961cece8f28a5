//! Groups: requests in the name of a chat, topics, recordings of other chats, and captions.

use stenobot_domain::{AnswerForm, ChatId, MessageId, RequestId};
use stenobot_simulator::group::Group;
use stenobot_simulator::harness::Simulation;
use stenobot_simulator::server::{Attachment, Channel, Content, MemberStatus, keyboard};
use stenobot_simulator::users::User;
use stenobot_telegram::{Action, RerunChoice};

use crate::recordings::{Gate, scripted};
use crate::scene::{Scene, eventually};
use crate::stories::groups::{GROUP, answer, open_group, send_text, send_voice};
use crate::stories::run_stories;

#[tokio::test]
async fn an_answer_stays_in_its_topic() {
    let scene = Scene::start(&[]).await;
    let (anna, boris) = open_group(&scene);
    let group = Group::new(scene.api(), GROUP, "Мы");
    let topic = group.open_topic(&anna, "Записи").unwrap();
    let asked = boris.in_topic(topic);
    let sound = send_voice(&asked, "say в теме");
    asked.replying_to(sound).send_text("/transcribe");
    answer(&scene, sound, "✅").await;
    let shown = scene.api().read(|state| state.replies(GROUP, sound).next().unwrap().topic);
    assert_eq!(shown, Some(topic));
    scene.shut_down().await;
}

// === Requests in the name of a chat ===

/// The group's linked channel, in whose name a user writes.
fn news() -> Channel {
    Channel { id: ChatId(-100_777), title: "Новости".into() }
}

const NAMED: &str = "@stenobot_simulated_bot";

/// Has the state of requests shown in messages, which have buttons.
async fn show_messages(scene: &Scene, admin: &User) {
    let asked = send_text(admin, "/status messages", None);
    answer(scene, asked, "👀").await;
}

/// Waits for the status message or answer under a recording.
async fn shown(scene: &Scene, to: MessageId) -> MessageId {
    let found = scene.api().wait_for(|state| Some(state.replies(GROUP, to).next()?.id));
    eventually("a message under the recording", found).await
}

async fn request_of(scene: &Scene, message: MessageId) -> RequestId {
    let rows = scene.rows().await;
    let row = rows.iter().find(|row| row.chat_id == GROUP.0 && row.message_id == Some(message.0));
    RequestId(row.expect("the request has a row").id)
}

/// Presses a button; gives the text of the answer.
async fn toast(user: &User, message: MessageId, action: &Action) -> String {
    eventually("the press is answered", user.send_callback(message, &action.encode()).wait_for_answer()).await.text
}

#[tokio::test]
async fn a_request_made_in_the_name_of_a_chat_is_cancelled_by_its_admins_only() {
    let mut scene = Scene::start(&[]).await;
    let (anna, boris) = open_group(&scene);
    show_messages(&scene, &anna).await;
    let group = Group::new(scene.api(), GROUP, "Мы");
    let vera = group.add_member_as(&scene.new_user("Вера", "ru"), MemberStatus::Owner);
    let gate = Gate::new().await;
    let before = scene.send_voice(&scripted(3, &format!("{};say занято", gate.instruction())));
    let held = gate.wait_reached().await;

    let sound = send_voice(&boris, "say от имени группы");
    let anonymous = send_text(&anna.anonymously(), "/transcribe", Some(sound));
    let as_channel =
        send_text(&boris.as_channel(news()), "/transcribe", Some(send_voice(&boris, "say от имени канала")));
    let recording = scripted(3, "say из канала");
    let file = Attachment::voice(recording.duration).captioned(NAMED);
    let carried_over = group.auto_forward_file(news(), file, recording.bytes);
    // A request of another member stays, also for group admins.
    let boriss = send_text(&boris, "/transcribe", Some(send_voice(&boris, "say Борисово")));

    let mut asked = Vec::new();
    for message in [anonymous, as_channel, carried_over, boriss] {
        let replied = scene.api().read(|state| state.message(GROUP, message).unwrap().reply_to);
        asked.push((message, replied.unwrap_or(message)));
    }
    let own = asked.pop().unwrap();
    for (message, sound) in asked {
        // A queued request ends at once; a download would first be stopped.
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
    held.release();
    assert_eq!(scene.text(&before).await, "занято");
    assert_eq!(answer(&scene, own.1, "✅").await, "✅ Готово!\n\nБорисово");
    let rows = scene.shut_down().await;
    let cancelled =
        rows.iter().filter(|row| (row.stage.as_str(), row.reason.as_deref()) == ("cancelled", Some("sender")));
    assert_eq!(cancelled.count(), 3);
}

#[tokio::test]
async fn a_running_request_made_in_the_name_of_a_chat_is_cancelled_by_its_admin() {
    let scene = Scene::start(&[]).await;
    let (anna, boris) = open_group(&scene);
    show_messages(&scene, &anna).await;
    let gate = Gate::new().await;
    let sound = send_voice(&boris, &format!("{};linger 10;say никогда", gate.instruction()));
    let asked = send_text(&anna.anonymously(), "/transcribe", Some(sound));
    let held = gate.wait_reached().await;
    held.release();
    let status = shown(&scene, sound).await;
    let cancel = Action::Cancel(request_of(&scene, asked).await);
    assert_eq!(toast(&anna, status, &cancel).await, "Останавливаю...");
    assert_eq!(answer(&scene, sound, "🚫").await, "🚫 Отменено.");
    scene.shut_down().await;
}

#[tokio::test]
async fn buttons_under_an_answer_to_a_chat_work_for_its_admins_only() {
    let scene = Scene::start(&[("audio_retention_seconds", "600")]).await;
    let (anna, boris) = open_group(&scene);
    let group = Group::new(scene.api(), GROUP, "Мы");
    let vera = group.add_member_as(&scene.new_user("Вера", "ru"), MemberStatus::Owner);
    let sound = send_voice(&boris, "language");
    let asked = send_text(&anna.anonymously(), "/transcribe", Some(sound));
    answer(&scene, sound, "✅").await;
    let first = shown(&scene, sound).await;
    let of = request_of(&scene, asked).await;
    let has = |data: String| {
        scene.api().wait_for(move |state| {
            let markup = state.message(GROUP, first)?.markup.as_ref()?;
            keyboard::rows(markup).iter().flatten().any(|button| button.data == data).then_some(())
        })
    };
    eventually("the answer's buttons", has(Action::Languages { of, page: 0 }.encode())).await;
    assert!(toast(&boris, first, &Action::Languages { of, page: 0 }).await.contains("только администраторам"));
    assert_eq!(toast(&anna, first, &Action::Languages { of, page: 0 }).await, "");
    let german = Action::Rerun { of, choice: RerunChoice::Language("de".parse().unwrap()) };
    eventually("the languages", has(german.encode())).await;
    assert!(toast(&boris, first, &german).await.contains("только администраторам"));
    assert_eq!(toast(&anna, first, &german).await, "Слушаю еще раз...");
    let again = scene.api().wait_for(|state| {
        let rest = state.replies(GROUP, sound).filter(|reply| reply.id != first);
        rest.filter(|reply| reply.content.text() == Some("✅ Готово!\n🌐 Язык: Deutsch\n\nde"))
            .map(|reply| reply.id)
            .next()
    });
    let second = eventually("the second answer", again).await;

    // The new answer belongs to the chat too, not to the admin who asked for it.
    let of = RequestId(scene.rows().await.last().unwrap().id);
    let file = Action::Rerun { of, choice: RerunChoice::File(AnswerForm::Srt) };
    assert!(toast(&boris, second, &file).await.contains("только администраторам"));
    assert_eq!(toast(&vera, second, &file).await, "Слушаю еще раз...");
    let file = scene.api().wait_for(|state| {
        state.replies(GROUP, sound).find(|reply| matches!(reply.content, Content::Document { .. })).map(|_| ())
    });
    eventually("the file", file).await;
    scene.wait_until_closed().await;
    scene.into_stopped_with_audio().await;
}

#[tokio::test]
async fn an_anonymous_admin_cancels_only_requests_made_in_the_name_of_the_group() {
    let mut scene = Scene::start(&[]).await;
    let (anna, boris) = open_group(&scene);
    show_messages(&scene, &anna).await;
    let gate = Gate::new().await;
    let before = scene.send_voice(&scripted(3, &format!("{};say занято", gate.instruction())));
    let held = gate.wait_reached().await;
    let sound = send_voice(&boris, "say от имени группы");
    send_text(&anna.anonymously(), "/transcribe", Some(sound));
    let own = send_voice(&boris, "say от своего имени");
    send_text(&anna, "/transcribe", Some(own));
    shown(&scene, sound).await;
    shown(&scene, own).await;
    let asked = send_text(&anna.anonymously(), "/cancel", None);
    assert_eq!(answer(&scene, asked, "🚫").await, "🚫 Отменена 1 запись.");
    assert_eq!(answer(&scene, sound, "🚫").await, "🚫 Отменено.");
    held.release();
    assert_eq!(scene.text(&before).await, "занято");
    assert_eq!(answer(&scene, own, "✅").await, "✅ Готово!\n\nот своего имени");
    scene.shut_down().await;
}

// === Recordings of other chats, and captions ===

#[tokio::test]
async fn a_recording_of_another_chat_or_topic_is_transcribed_under_the_command() {
    let scene = Scene::start(&[]).await;
    let (anna, boris) = open_group(&scene);
    let group = Group::new(scene.api(), GROUP, "Мы");
    // The bot is no member there.
    let elsewhere = Group::new(scene.api(), ChatId(-100_200_301), "Они");
    let there = elsewhere.add_member(&boris).send_voice(&scripted(3, "say из другой группы"));
    let asked = send_text(&boris.replying_across_chats(&there), "/transcribe", None);
    assert_eq!(answer(&scene, asked, "✅").await, "✅ Готово!\n\nиз другой группы");

    let topic = group.open_topic(&anna, "Записи").unwrap();
    let other = group.open_topic(&anna, "Прочее").unwrap();
    let there = boris.in_topic(other).send_voice(&scripted(3, "say из другой темы"));
    let asked = send_text(&boris.in_topic(topic).replying_across_chats(&there), &format!("{NAMED} что там?"), None);
    assert_eq!(answer(&scene, asked, "✅").await, "✅ Готово!\n\nиз другой темы");
    let shown = scene.api().read(|state| state.replies(GROUP, asked).next().unwrap().topic);
    assert_eq!(shown, Some(topic));
    let rows = scene.shut_down().await;
    assert_eq!(rows.len(), 2);
}

#[tokio::test]
async fn a_caption_requests_transcription_in_privacy_mode() {
    let scene = Scene::start(&[]).await;
    let (_, boris) = open_group(&scene);
    let group = Group::new(scene.api(), GROUP, "Мы");
    group.set_bot_status(MemberStatus::Member);
    let says = |caption: &str, script: &str| {
        let recording = scripted(3, script);
        boris.send_file(Attachment::voice(recording.duration).captioned(caption), recording.bytes).id()
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
    let rows = scene.shut_down().await;
    assert_eq!(rows.len(), 3);
}

run_stories!(
    Simulation,
    groups: a_recording_is_transcribed_on_request_by_reply,
    group_admins_turn_automatic_transcription_on_and_off,
    only_group_admins_choose_the_language_of_a_group,
);
