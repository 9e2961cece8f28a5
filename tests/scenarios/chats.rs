//! Chats that change under the requests: a group becomes a supergroup, the bot may not write; with the engine's stand-in.

use std::os::unix::process::ExitStatusExt;

use rustix::process::Signal;
use stenobot_domain::{ChatId, MessageId};
use stenobot_simulator::group::Group;
use stenobot_simulator::harness::Simulation;
use stenobot_simulator::people::{Person, Sent};
use stenobot_simulator::server::{Author, CallRecord, Method, Outcome, Rank, Refusal, State};
use stenobot_telegram::Action;

use crate::recordings::{Gate, scripted};
use crate::scene::{Row, Scene, bot_with_engine, of, soon, stand_in};

const OLD: ChatId = ChatId(-200_300);
const NEW: ChatId = ChatId(-1_002_000_200_300);

/// A bot to which groups show every message, as an ordinary member.
async fn attentive(settings: &[(&str, &str)]) -> Scene {
    let mut setup = bot_with_engine(&stand_in(), settings);
    setup.server.privacy_mode = false;
    Scene::of(Simulation::start(setup).await.unwrap())
}

/// What the bot shows in a chat and has not deleted: the message, what it answers, its text.
fn said(state: &State, chat: ChatId) -> Vec<(MessageId, Option<MessageId>, String)> {
    let messages = state.chats.get(&chat).into_iter().flat_map(|chat| chat.messages.values());
    let own = messages.filter(|message| message.author == Author::Bot && message.deleted.is_none());
    own.filter_map(|message| Some((message.id, message.reply_to, message.content.text()?.to_owned()))).collect()
}

/// Waits until the bot shows a text that begins so; gives the message that it answers.
async fn shows(scene: &Scene, chat: ChatId, text: &str) -> Option<MessageId> {
    let found = scene.simulation.api().until(|state| {
        said(state, chat).into_iter().find(|(_, _, shown)| shown.starts_with(text)).map(|(_, reply_to, _)| reply_to)
    });
    soon(&format!("{text:?} is shown"), found).await
}

/// Waits until the bot has dealt with every update.
async fn all_taken(scene: &Scene) {
    let taken = scene.simulation.api().until(|state| state.pending.is_empty().then_some(()));
    soon("every update is taken", taken).await;
}

/// Switches /auto on in a group, as its administrator, and its language to Ukrainian.
async fn set_up(scene: &Scene, admin: &Person) {
    admin.sends_text("/auto on");
    shows(scene, admin.chat(), "👥").await;
    admin.sends_text("/language");
    shows(scene, admin.chat(), "🌐").await;
    let message = scene.simulation.api().read(|state| said(state, admin.chat()).last().unwrap().0);
    let pressed = admin.presses_anyway(message, &Action::SetLanguage("uk".parse().unwrap()).encode());
    soon("the press is answered", pressed.answered()).await;
    let set = scene
        .simulation
        .api()
        .until(|state| said(state, admin.chat()).iter().any(|(_, _, text)| text.contains("Українська")).then_some(()));
    soon("the language is set", set).await;
}

fn refused(scene: &Scene, chat: ChatId) -> Vec<CallRecord> {
    let is_refused = |call: &&CallRecord| call.chat == Some(chat) && matches!(call.outcome, Outcome::Refused(_));
    scene.simulation.api().read(|state| state.calls.iter().filter(is_refused).cloned().collect())
}

/// The log, and that nothing in it is an error.
fn calm_log(scene: &Scene) -> String {
    let log = std::fs::read_to_string(scene.simulation.log()).unwrap();
    let errors: Vec<&str> = log.lines().filter(|line| line.contains("ERROR")).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    log
}

// === A group becomes a supergroup ===

struct Family {
    group: Group,
    anna: Person,
    boris: Person,
}

fn basic_group(scene: &Scene) -> Family {
    let group = Group::basic(scene.simulation.api(), OLD, "Мы");
    group.makes_bot(Rank::Administrator);
    let anna = group.joins_as(&scene.simulation.person("Анна", "ru"), Rank::Owner);
    let boris = group.joins(&scene.simulation.person("Борис", "ru"));
    Family { group, anna, boris }
}

/// The answers with a text, in the group and in the supergroup.
fn answers(scene: &Scene, text: &str) -> (usize, usize) {
    let count = |state: &State, chat| said(state, chat).iter().filter(|(_, _, shown)| shown.contains(text)).count();
    scene.simulation.api().read(|state| (count(state, OLD), count(state, NEW)))
}

/// What follows in the supergroup shows that /auto and the language hold there, and that nothing was answered twice.
async fn goes_on(scene: &Scene, boris: &Person, new: &Group) {
    let second = new.joins(boris).sends_voice(&scripted(3, "language"));
    assert_eq!(shows(scene, NEW, "✅ Готово!\n\nuk").await, Some(second.id()));
    scene.settled().await;
}

async fn moves_while_it_is_transcribed(announced: bool) {
    let mut scene = Scene::stand_in(&[]).await;
    let Family { group, anna, boris } = basic_group(&scene);
    set_up(&scene, &anna).await;
    let gate = Gate::new().await;
    scene.spoken.add("переехало ожидание");
    let first = boris.sends_voice(&scripted(3, &format!("{};say переехало", gate.instruction())));
    let held = gate.reached().await;
    let second = boris.sends_voice(&scripted(3, "say ожидание"));
    scene.positions(std::slice::from_ref(&second), &[1]).await;
    let new = if announced { group.becomes_supergroup(NEW) } else { group.becomes_supergroup_silently(NEW) };
    all_taken(&scene).await;
    held.open();

    // Messages of the group cannot be replied to in the supergroup; the numbers there mean others.
    for text in ["переехало", "ожидание"] {
        assert_eq!(shows(&scene, NEW, &format!("✅ Готово!\n\n{text}")).await, None);
    }
    goes_on(&scene, &boris, &new).await;
    for text in ["переехало", "ожидание"] {
        assert_eq!(answers(&scene, text), (0, 1), "{text}");
    }
    let calls = refused(&scene, OLD).len();
    let scene = scene.ended().await;
    let rows = scene.rows().await;
    assert!(rows.iter().all(|row| row.stage == "done"), "{rows:#?}");
    assert_eq!((rows.len(), of(&rows, &first).message_id), (3, first.id().0));
    // One for each request under way at most, and one for the status that is edited.
    assert!(calls <= 4, "{calls} calls to the old id: {:#?}", refused(&scene, OLD));
    calm_log(&scene);
}

#[tokio::test]
async fn a_group_that_becomes_a_supergroup_gets_its_answers_there_and_keeps_its_settings() {
    moves_while_it_is_transcribed(true).await;
}

#[tokio::test]
async fn a_supergroup_that_only_a_refusal_tells_of_gets_its_answers_too() {
    moves_while_it_is_transcribed(false).await;
}

#[tokio::test]
async fn killed_while_it_records_the_move_it_answers_once() {
    for (moment, announced) in
        [("before move", true), ("after move", true), ("before move", false), ("after move", false)]
    {
        let mut scene = Scene::stand_in(&[]).await;
        scene.simulation.set_variable("CRASH_AT", Some(moment));
        scene.simulation.restart().await.unwrap();
        let Family { group, anna, boris } = basic_group(&scene);
        set_up(&scene, &anna).await;
        let gate = Gate::new().await;
        scene.spoken.add("пережило");
        boris.sends_voice(&scripted(3, &format!("{};say пережило", gate.instruction())));
        let held = gate.reached().await;
        let new = if announced { group.becomes_supergroup(NEW) } else { group.becomes_supergroup_silently(NEW) };
        held.open();
        let bot = scene.simulation.bot().unwrap();
        let status = soon(&format!("the bot dies {moment}"), bot.ended()).await.unwrap();
        assert_eq!(status.signal(), Some(Signal::KILL.as_raw()), "{moment}: {status}");

        scene.simulation.set_variable("CRASH_AT", None);
        scene.simulation.restart().await.unwrap();
        tokio::select! {
            _ = shows(&scene, NEW, "✅ Готово!\n\nпережило") => {}
            () = async { loop { gate.reached().await.open(); } } => {}
        }
        goes_on(&scene, &boris, &new).await;
        assert_eq!(answers(&scene, "пережило"), (0, 1), "{moment}, announced: {announced}");
        scene.end().await;
    }
}

#[tokio::test]
async fn a_group_is_allowed_by_the_number_that_it_had() {
    let old = OLD.0.to_string();
    let mut scene = Scene::stand_in(&[("allowed_users", old.as_str())]).await;
    let Family { group, anna, boris } = basic_group(&scene);
    set_up(&scene, &anna).await;
    let new = group.becomes_supergroup(NEW);
    goes_on(&scene, &boris, &new).await;
    let warned = |scene: &Scene| calm_log(scene).matches("allowed_users names a group").count();
    assert_eq!(warned(&scene), 1);
    // It is known, and said, after the next start as well.
    scene.simulation.restart().await.unwrap();
    let third = new.joins(&boris).sends_voice(&scripted(3, "say по-прежнему"));
    scene.spoken.add("по-прежнему");
    assert_eq!(shows(&scene, NEW, "✅ Готово!\n\nпо-прежнему").await, Some(third.id()));
    assert_eq!(warned(&scene), 2);
    let rows = scene.end().await;
    assert!(rows.iter().all(|row| row.stage == "done"), "{rows:#?}");
}

#[tokio::test]
async fn an_update_that_comes_again_after_the_move_asks_for_nothing_new() {
    let mut scene = Scene::stand_in(&[]).await;
    let Family { group, anna, boris } = basic_group(&scene);
    set_up(&scene, &anna).await;
    scene.spoken.add("однажды");
    let sent = boris.sends_voice(&scripted(3, "say однажды"));
    shows(&scene, OLD, "✅ Готово!\n\nоднажды").await;
    let new = group.becomes_supergroup(NEW);
    scene.simulation.api().repeat(OLD, sent.id());
    all_taken(&scene).await;
    goes_on(&scene, &boris, &new).await;
    assert_eq!(answers(&scene, "однажды"), (1, 0));
    assert_eq!(scene.end().await.len(), 2);
}

// === Where the bot may not write ===

async fn ignored(scene: &Scene) -> f64 {
    scene.simulation.metrics().await.unwrap().value("stenobot_requests_ignored_total").unwrap_or_default()
}

fn ends_unreachable(rows: &[Row], sent: &Sent) {
    let row = of(rows, sent);
    assert_eq!((row.stage.as_str(), row.reason.as_deref()), ("cancelled", Some("chat_gone")), "{row:?}");
    assert_eq!((row.processing_time_seconds, row.transcription_length), (None, None), "the engine is left to others");
}

#[tokio::test]
async fn where_the_bot_may_not_write_it_is_told_once_and_takes_nothing_until_a_message_gets_through() {
    for refusal in [Refusal::NO_RIGHTS, Refusal::RESTRICTED, Refusal::WRITE_FORBIDDEN, Refusal::KICKED] {
        let mut scene = attentive(&[]).await;
        let group = Group::new(scene.simulation.api(), NEW, "Мы");
        let anna = group.joins_as(&scene.simulation.person("Анна", "ru"), Rank::Owner);
        let boris = group.joins(&scene.simulation.person("Борис", "ru"));
        anna.sends_text("/auto on");
        shows(&scene, NEW, "👥").await;

        group.refuses(Some(refusal.clone()));
        scene.spoken.add("никому");
        let sent = boris.sends_voice(&scripted(3, "say никому"));
        all_taken(&scene).await;
        scene.settled().await;
        let left_alone = [boris.sends_voice(&scripted(3, "say никому")), anna.sends_voice(&scripted(3, "say никому"))];
        all_taken(&scene).await;
        assert_eq!(ignored(&scene).await, 2.0, "{refusal}");
        let calls = refused(&scene, NEW);
        assert_eq!(calls.iter().map(|call| call.method).collect::<Vec<_>>(), [Method::SendMessage], "{refusal}");

        // Nothing tells the bot that it may write again, but its answer to a command gets through.
        group.refuses(None);
        boris.sends_text("/transcribe");
        shows(&scene, NEW, "🎙").await;
        scene.spoken.add("снова можно");
        let heard = boris.sends_voice(&scripted(3, "say снова можно"));
        assert_eq!(shows(&scene, NEW, "✅ Готово!\n\nснова можно").await, Some(heard.id()));
        let scene = scene.ended().await;
        let rows = scene.rows().await;
        ends_unreachable(&rows, &sent);
        assert_eq!(rows.len(), 2, "{left_alone:?} are no requests", left_alone = left_alone.map(|sent| sent.id()));
        let told = calm_log(&scene).matches(" cancelled ").count();
        assert!(told <= 1, "said {told} times");
    }
}

#[tokio::test]
async fn a_bot_that_is_silenced_knows_it_without_a_call_and_learns_when_it_may_write_again() {
    let mut scene = attentive(&[]).await;
    let group = Group::new(scene.simulation.api(), NEW, "Мы");
    let anna = group.joins_as(&scene.simulation.person("Анна", "ru"), Rank::Owner);
    anna.sends_text("/auto on");
    shows(&scene, NEW, "👥").await;
    // The engine is busy with a request from elsewhere, so that one of the group's waits.
    let gate = Gate::new().await;
    let busy = scene.somebody_sends(&scripted(3, &format!("{};say занято", gate.instruction())));
    let held = gate.reached().await;
    scene.spoken.add("никому");
    let waiting = anna.sends_voice(&scripted(3, "say никому"));
    scene.positions(std::slice::from_ref(&waiting), &[1]).await;
    group.silences_bot(true);
    anna.sends_voice(&scripted(3, "say никому"));
    all_taken(&scene).await;
    held.open();
    assert_eq!(scene.text(&busy).await, "занято");
    scene.settled().await;
    assert_eq!(ignored(&scene).await, 1.0);

    group.silences_bot(false);
    all_taken(&scene).await;
    scene.spoken.add("опять слышно");
    let heard = anna.sends_voice(&scripted(3, "say опять слышно"));
    assert_eq!(shows(&scene, NEW, "✅ Готово!\n\nопять слышно").await, Some(heard.id()));
    assert!(refused(&scene, NEW).len() <= 1, "{:#?}", refused(&scene, NEW));
    let scene = scene.ended().await;
    let rows = scene.rows().await;
    ends_unreachable(&rows, &waiting);
    assert_eq!(rows.len(), 3);
    calm_log(&scene);
}

#[tokio::test]
async fn a_closed_topic_closes_no_other() {
    let mut scene = attentive(&[]).await;
    let group = Group::new(scene.simulation.api(), NEW, "Мы");
    let anna = group.joins_as(&scene.simulation.person("Анна", "ru"), Rank::Owner);
    let (one, other) = (group.opens_topic(&anna, "Одна").unwrap(), group.opens_topic(&anna, "Другая").unwrap());
    anna.sends_text("/auto on");
    shows(&scene, NEW, "👥").await;
    group.closes_topic(one, true);
    scene.spoken.add("никому");
    let sent = anna.in_topic(one).sends_voice(&scripted(3, "say никому"));
    all_taken(&scene).await;
    scene.settled().await;
    scene.spoken.add("рядом слышно");
    let heard = anna.in_topic(other).sends_voice(&scripted(3, "say рядом слышно"));
    assert_eq!(shows(&scene, NEW, "✅ Готово!\n\nрядом слышно").await, Some(heard.id()));
    anna.in_topic(one).sends_voice(&scripted(3, "say никому"));
    all_taken(&scene).await;
    assert_eq!((ignored(&scene).await, refused(&scene, NEW).len()), (1.0, 1));
    let scene = scene.ended().await;
    let rows = scene.rows().await;
    ends_unreachable(&rows, &sent);
    assert_eq!(rows.len(), 2);
    calm_log(&scene);
}
