//! Buttons that no honest program would press: any data under any message of the bot; with the engine's stand-in.

use stenobot_domain::{AnswerForm, ChatId, MessageId, RequestId};
use stenobot_simulator::group::Group;
use stenobot_simulator::people::{Person, Sent};
use stenobot_simulator::server::{Message, Rank};
use stenobot_telegram::{Action, RerunChoice};

use crate::recordings::{Gate, scripted};
use crate::scene::{Scene, soon};

const GROUP: ChatId = ChatId(-100_200_300);

/// A group; Anna, who runs it, in her own chat and in the group; Boris, a member.
fn open(scene: &Scene) -> (Group, Person, Person, Person) {
    let group = Group::new(scene.simulation.api(), GROUP, "Мы");
    group.makes_bot(Rank::Administrator);
    let private = scene.simulation.person("Анна", "ru");
    let anna = group.joins_as(&private, Rank::Administrator);
    let boris = group.joins(&scene.simulation.person("Борис", "ru"));
    (group, private, anna, boris)
}

/// The reply to a message, once it is there.
async fn reply(scene: &Scene, sent: &Sent) -> MessageId {
    let found =
        scene.simulation.api().until(|state| state.replies(sent.chat(), sent.id()).next().map(|reply| reply.id));
    soon("a reply", found).await
}

fn shown(scene: &Scene, chat: ChatId, message: MessageId) -> Message {
    scene.simulation.api().read(|state| state.message(chat, message).unwrap().clone())
}

async fn toast(person: &Person, message: MessageId, action: &Action) -> String {
    soon("the press is answered", person.presses_anyway(message, &action.encode()).answered()).await.text
}

/// What a chat looks like: text and buttons of every message of the bot.
fn looks(scene: &Scene, chat: ChatId) -> Vec<(MessageId, Option<String>, Option<serde_json::Value>)> {
    scene.simulation.api().read(|state| {
        let messages = state.chats[&chat].messages.values();
        messages
            .map(|message| (message.id, message.content.text().map(str::to_owned), message.markup.clone()))
            .collect()
    })
}

/// Every edit and every message that presses brought about has arrived.
async fn quiet(scene: &Scene, person: &Person) {
    let marker = person.sends_text("/privacy");
    reply(scene, &marker).await;
}

fn languages(of: RequestId) -> Action {
    Action::Languages { of, page: 0 }
}

fn german(of: RequestId) -> Action {
    Action::Rerun { of, choice: RerunChoice::Language("de".parse().unwrap()) }
}

#[tokio::test]
async fn the_menu_of_languages_turns_pages_and_never_an_answer_into_itself() {
    let mut scene = Scene::stand_in(&[("audio_retention_seconds", "600"), ("user_requests_per_minute", "600")]).await;
    let (_, _, anna, boris) = open(&scene);
    reply(&scene, &anna.sends_text("/auto on")).await;
    let sent = anna.sends_voice(&scripted(3, "say ответ"));
    assert_eq!(scene.text(&sent).await, "ответ");
    scene.settled().await;
    let answer = sent.status().unwrap();
    let before = shown(&scene, GROUP, answer);
    let uk = Action::SetLanguage("uk".parse().unwrap());
    for person in [&boris, &anna] {
        for action in [Action::ChatLanguages(0), Action::ChatLanguages(1), uk.clone(), Action::Forget] {
            assert_ne!(toast(person, answer, &action).await, "", "{action:?}");
        }
    }
    quiet(&scene, &anna).await;
    let after = shown(&scene, GROUP, answer);
    assert_eq!((after.content, after.markup), (before.content, before.markup));
    let sound = anna.sends_voice(&scripted(3, "language"));
    assert_eq!(scene.text(&sound).await, "auto", "its language was not set");

    // The menu itself works as before: anybody turns its pages, an administrator chooses.
    let menu = reply(&scene, &anna.sends_text("/language")).await;
    let first = shown(&scene, GROUP, menu).markup;
    assert_eq!(toast(&boris, menu, &Action::ChatLanguages(1)).await, "");
    let turned = scene.simulation.api().until(|state| (state.message(GROUP, menu)?.markup != first).then_some(()));
    soon("the page is turned", turned).await;
    assert_eq!(toast(&anna, menu, &uk).await, "");
    let set = scene.simulation.api().until(|state| {
        state.message(GROUP, menu)?.content.text().is_some_and(|text| text.contains("Українська")).then_some(())
    });
    soon("the language is set", set).await;
    scene.ended_with_audio().await;
}

#[tokio::test]
async fn a_request_s_buttons_count_under_its_own_message_only() {
    let mut scene = Scene::stand_in(&[("audio_retention_seconds", "600"), ("user_requests_per_minute", "600")]).await;
    let (group, private, anna, _) = open(&scene);
    reply(&scene, &anna.sends_text("/auto on")).await;
    let sent = anna.sends_voice(&scripted(3, "say в группе"));
    assert_eq!(scene.text(&sent).await, "в группе");
    scene.settled().await;
    let (answer, of) = (sent.status().unwrap(), RequestId(scene.row(&sent).await.id));
    let menu = reply(&scene, &anna.sends_text("/language")).await;

    // In her own chat, where another answer of hers is.
    let own = private.sends_voice(&scripted(3, "say наедине"));
    assert_eq!(scene.text(&own).await, "наедине");
    scene.settled().await;
    let (own_answer, own_of) = (own.status().unwrap(), RequestId(scene.row(&own).await.id));
    let hello = reply(&scene, &private.sends_text("/start")).await;

    quiet(&scene, &anna).await;
    let (group_before, private_before) = (looks(&scene, GROUP), looks(&scene, private.chat()));
    // Thrown out, she still has the numbers.
    group.joins_as(&private, Rank::Left);
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
    // Nor do those of her private chat.
    let draft = "1:n:0190163d8694739baea5966c26f8ad91";
    for data in [Action::Forget.encode().as_str(), Action::ChatLanguages(0).encode().as_str(), draft] {
        let pressed = private.presses_anyway(own_answer, data);
        assert_ne!(soon("the press is answered", pressed.answered()).await.text, "", "{data}");
    }
    let marker = reply(&scene, &private.sends_text("/privacy")).await;
    let private_after: Vec<_> = looks(&scene, private.chat()).into_iter().filter(|(id, ..)| *id < marker).collect();
    assert_eq!(private_after[..private_before.len()], private_before[..]);
    assert_eq!(looks(&scene, GROUP), group_before);
    assert_eq!(scene.rows().await.len(), 2, "nothing was transcribed again");

    // Under its own message each of them still does what it says.
    assert_eq!(toast(&private, own_answer, &languages(own_of)).await, "");
    scene.ended_with_audio().await;
}

#[tokio::test]
async fn a_request_is_cancelled_under_its_own_message_only() {
    let mut scene = Scene::stand_in(&[]).await;
    let anna = scene.simulation.person("Анна", "ru");
    let gate = Gate::new().await;
    let first = scene.somebody_sends(&scripted(3, &format!("{};say первая", gate.instruction())));
    let held = gate.reached().await;
    let second = anna.sends_voice(&scripted(3, "say вторая"));
    scene.positions(std::slice::from_ref(&second), &[1]).await;
    let hello = reply(&scene, &anna.sends_text("/start")).await;
    let cancel = Action::Cancel(RequestId(scene.row(&second).await.id));
    assert_ne!(toast(&anna, hello, &cancel).await, "");
    held.open();
    assert_eq!(scene.text(&first).await, "первая");
    assert_eq!(scene.text(&second).await, "вторая", "it was not cancelled");
    scene.end().await;
}
