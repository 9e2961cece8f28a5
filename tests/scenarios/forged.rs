//! Forged callback queries: any data under any message of the bot.

use stenobot_domain::{AnswerForm, ChatId, MessageId, RequestId};
use stenobot_simulator::group::Group;
use stenobot_simulator::server::{MemberStatus, Message};
use stenobot_simulator::users::{SentMessage, User};
use stenobot_telegram::{Action, RerunChoice};

use crate::recordings::{Gate, scripted};
use crate::scene::{Scene, eventually};

const GROUP: ChatId = ChatId(-100_200_300);

/// A group; its administrator Anna, in her private chat and in the group; Boris, a member.
fn open(scene: &Scene) -> (Group, User, User, User) {
    let group = Group::new(scene.api(), GROUP, "Мы");
    group.set_bot_status(MemberStatus::Administrator);
    let private = scene.new_user("Анна", "ru");
    let anna = group.add_member_as(&private, MemberStatus::Administrator);
    let boris = group.add_member(&scene.new_user("Борис", "ru"));
    (group, private, anna, boris)
}

/// Waits for the reply to a message.
async fn reply(scene: &Scene, sent: &SentMessage) -> MessageId {
    let found = scene.api().wait_for(|state| state.replies(sent.chat(), sent.id()).next().map(|reply| reply.id));
    eventually("a reply", found).await
}

fn shown(scene: &Scene, chat: ChatId, message: MessageId) -> Message {
    scene.api().read(|state| state.message(chat, message).unwrap().clone())
}

async fn toast(user: &User, message: MessageId, action: &Action) -> String {
    eventually("the press is answered", user.send_callback(message, &action.encode()).wait_for_answer()).await.text
}

/// Text and buttons of all messages of the bot in a chat.
fn looks(scene: &Scene, chat: ChatId) -> Vec<(MessageId, Option<String>, Option<serde_json::Value>)> {
    scene.api().read(|state| {
        let messages = state.chats[&chat].messages.values();
        messages
            .map(|message| (message.id, message.content.text().map(str::to_owned), message.markup.clone()))
            .collect()
    })
}

/// Waits until the effects of all presses have arrived.
async fn quiet(scene: &Scene, user: &User) {
    let marker = user.send_text("/privacy");
    reply(scene, &marker).await;
}

fn languages(of: RequestId) -> Action {
    Action::Languages { of, page: 0 }
}

fn german(of: RequestId) -> Action {
    Action::Rerun { of, choice: RerunChoice::Language("de".parse().unwrap()) }
}

#[tokio::test]
async fn the_language_menu_never_replaces_an_answer() {
    let mut scene = Scene::start(&[("audio_retention_seconds", "600"), ("user_requests_per_minute", "600")]).await;
    let (_, _, anna, boris) = open(&scene);
    reply(&scene, &anna.send_text("/auto on")).await;
    let sent = anna.send_voice(&scripted(3, "say ответ"));
    assert_eq!(scene.text(&sent).await, "ответ");
    scene.wait_until_closed().await;
    let answer = sent.status().unwrap();
    let before = shown(&scene, GROUP, answer);
    let uk = Action::SetLanguage("uk".parse().unwrap());
    for user in [&boris, &anna] {
        for action in [Action::ChatLanguages(0), Action::ChatLanguages(1), uk.clone(), Action::Forget] {
            assert_ne!(toast(user, answer, &action).await, "", "{action:?}");
        }
    }
    quiet(&scene, &anna).await;
    let after = shown(&scene, GROUP, answer);
    assert_eq!((after.content, after.markup), (before.content, before.markup));
    let sound = anna.send_voice(&scripted(3, "language"));
    assert_eq!(scene.text(&sound).await, "auto", "its language was not set");

    // The menu itself works: any member turns its pages, an administrator chooses.
    let menu = reply(&scene, &anna.send_text("/language")).await;
    let first = shown(&scene, GROUP, menu).markup;
    assert_eq!(toast(&boris, menu, &Action::ChatLanguages(1)).await, "");
    let turned = scene.api().wait_for(|state| (state.message(GROUP, menu)?.markup != first).then_some(()));
    eventually("the page is turned", turned).await;
    assert_eq!(toast(&anna, menu, &uk).await, "");
    let set = scene.api().wait_for(|state| {
        state.message(GROUP, menu)?.content.text().is_some_and(|text| text.contains("Українська")).then_some(())
    });
    eventually("the language is set", set).await;
    scene.into_stopped_with_audio().await;
}

#[tokio::test]
async fn buttons_of_a_request_work_only_under_its_own_message() {
    let mut scene = Scene::start(&[("audio_retention_seconds", "600"), ("user_requests_per_minute", "600")]).await;
    let (group, private, anna, _) = open(&scene);
    reply(&scene, &anna.send_text("/auto on")).await;
    let sent = anna.send_voice(&scripted(3, "say в группе"));
    assert_eq!(scene.text(&sent).await, "в группе");
    scene.wait_until_closed().await;
    let (answer, of) = (sent.status().unwrap(), RequestId(scene.row(&sent).await.id));
    let menu = reply(&scene, &anna.send_text("/language")).await;

    // In her private chat, under another answer to her.
    let own = private.send_voice(&scripted(3, "say наедине"));
    assert_eq!(scene.text(&own).await, "наедине");
    scene.wait_until_closed().await;
    let (own_answer, own_of) = (own.status().unwrap(), RequestId(scene.row(&own).await.id));
    let hello = reply(&scene, &private.send_text("/start")).await;

    quiet(&scene, &anna).await;
    let (group_before, private_before) = (looks(&scene, GROUP), looks(&scene, private.chat()));
    // After her removal from the group she still knows the ids.
    group.add_member_as(&private, MemberStatus::Left);
    let file = |of| Action::Rerun { of, choice: RerunChoice::File(AnswerForm::Srt) };
    for (who, message, id) in [
        (&private, own_answer, of),
        (&private, hello, of),
        (&private, hello, own_of),
        (&anna, menu, of),
        (&anna, answer, own_of),
        (&anna, menu, own_of),
    ] {
        for action in [languages(id), Action::Back(id), german(id), file(id), Action::Cancel(id)] {
            assert_ne!(toast(who, message, &action).await, "", "{message} {action:?}");
        }
    }
    // Buttons of requests of her private chat do not work either.
    let draft = "1:n:0190163d8694739baea5966c26f8ad91";
    for data in [Action::Forget.encode().as_str(), Action::ChatLanguages(0).encode().as_str(), draft] {
        let pressed = private.send_callback(own_answer, data);
        assert_ne!(eventually("the press is answered", pressed.wait_for_answer()).await.text, "", "{data}");
    }
    let marker = reply(&scene, &private.send_text("/privacy")).await;
    let private_after: Vec<_> = looks(&scene, private.chat()).into_iter().filter(|(id, ..)| *id < marker).collect();
    assert_eq!(private_after[..private_before.len()], private_before[..]);
    assert_eq!(looks(&scene, GROUP), group_before);
    assert_eq!(scene.rows().await.len(), 2, "nothing was transcribed again");

    // Under its own message each of them works.
    assert_eq!(toast(&private, own_answer, &languages(own_of)).await, "");
    scene.into_stopped_with_audio().await;
}

#[tokio::test]
async fn a_cancel_button_works_only_under_its_own_message() {
    let mut scene = Scene::start(&[]).await;
    let anna = scene.new_user("Анна", "ru");
    let gate = Gate::new().await;
    let first = scene.send_voice(&scripted(3, &format!("{};say первая", gate.instruction())));
    let held = gate.wait_reached().await;
    let second = anna.send_voice(&scripted(3, "say вторая"));
    scene.wait_for_positions(std::slice::from_ref(&second), &[1]).await;
    let hello = reply(&scene, &anna.send_text("/start")).await;
    let cancel = Action::Cancel(RequestId(scene.row(&second).await.id));
    assert_ne!(toast(&anna, hello, &cancel).await, "");
    held.release();
    assert_eq!(scene.text(&first).await, "первая");
    assert_eq!(scene.text(&second).await, "вторая", "it was not cancelled");
    scene.shut_down().await;
}
