//! Chats that change during requests: upgrades to a supergroup, lost permission to send.

use std::os::unix::process::ExitStatusExt;

use rustix::process::Signal;
use stenobot_domain::{ChatId, MessageId};
use stenobot_simulator::group::Group;
use stenobot_simulator::harness::Simulation;
use stenobot_simulator::server::{Author, CallOutcome, CallRecord, MemberStatus, Method, Refusal, State};
use stenobot_simulator::users::{SentMessage, User};
use stenobot_telegram::Action;

use crate::recordings::{Gate, scripted};
use crate::scene::{Row, Scene, bot_with_engine, eventually, row_of, stand_in};

const OLD: ChatId = ChatId(-200_300);
const NEW: ChatId = ChatId(-1_002_000_200_300);

/// A bot without privacy mode, as an ordinary member.
async fn attentive(settings: &[(&str, &str)]) -> Scene {
    let mut setup = bot_with_engine(&stand_in(), settings);
    setup.server.privacy_mode = false;
    Scene::of(Simulation::start(setup).await.unwrap())
}

/// The bot's messages in a chat: id, message replied to, text.
fn said(state: &State, chat: ChatId) -> Vec<(MessageId, Option<MessageId>, String)> {
    let messages = state.chats.get(&chat).into_iter().flat_map(|chat| chat.messages.values());
    let own = messages.filter(|message| message.author == Author::Bot && message.deleted.is_none());
    own.filter_map(|message| Some((message.id, message.reply_to, message.content.text()?.to_owned()))).collect()
}

/// Waits for a text of the bot with this beginning; gives the message it replies to.
async fn shows(scene: &Scene, chat: ChatId, text: &str) -> Option<MessageId> {
    let found = scene.api().wait_for(|state| {
        said(state, chat).into_iter().find(|(_, _, shown)| shown.starts_with(text)).map(|(_, reply_to, _)| reply_to)
    });
    eventually(&format!("{text:?} is shown"), found).await
}

/// Waits until the bot has processed every update.
async fn all_taken(scene: &Scene) {
    let taken = scene.api().wait_for(|state| state.pending.is_empty().then_some(()));
    eventually("every update is taken", taken).await;
}

/// Turns on /auto in a group, as its administrator, and sets its language to Ukrainian.
async fn set_up(scene: &Scene, admin: &User) {
    admin.send_text("/auto on");
    shows(scene, admin.chat(), "👥").await;
    show_messages(scene, admin).await;
    admin.send_text("/language");
    shows(scene, admin.chat(), "🌐").await;
    let message = scene.api().read(|state| said(state, admin.chat()).last().unwrap().0);
    let pressed = admin.send_callback(message, &Action::SetLanguage("uk".parse().unwrap()).encode());
    eventually("the press is answered", pressed.wait_for_answer()).await;
    let set = scene.api().wait_for(|state| {
        said(state, admin.chat()).iter().any(|(_, _, text)| text.contains("Українська")).then_some(())
    });
    eventually("the language is set", set).await;
}

/// Has the state of requests shown in messages, as an administrator.
async fn show_messages(scene: &Scene, admin: &User) {
    admin.send_text("/status messages");
    shows(scene, admin.chat(), "👀").await;
}

fn refused(scene: &Scene, chat: ChatId) -> Vec<CallRecord> {
    let is_refused = |call: &&CallRecord| call.chat == Some(chat) && matches!(call.outcome, CallOutcome::Refused(_));
    scene.api().read(|state| state.calls.iter().filter(is_refused).cloned().collect())
}

/// The log, asserted to contain no error.
fn calm_log(scene: &Scene) -> String {
    let log = std::fs::read_to_string(scene.bot.log()).unwrap();
    let errors: Vec<&str> = log.lines().filter(|line| line.contains("ERROR")).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    log
}

// === Upgrade to a supergroup ===

struct Family {
    group: Group,
    anna: User,
    boris: User,
}

fn basic_group(scene: &Scene) -> Family {
    let group = Group::basic(scene.api(), OLD, "Мы");
    group.set_bot_status(MemberStatus::Administrator);
    let anna = group.add_member_as(&scene.new_user("Анна", "ru"), MemberStatus::Owner);
    let boris = group.add_member(&scene.new_user("Борис", "ru"));
    Family { group, anna, boris }
}

/// The answers with a text, in the group and in the supergroup.
fn answers(scene: &Scene, text: &str) -> (usize, usize) {
    let count = |state: &State, chat| said(state, chat).iter().filter(|(_, _, shown)| shown.contains(text)).count();
    scene.api().read(|state| (count(state, OLD), count(state, NEW)))
}

/// Asserts that /auto and the language hold in the supergroup, and that nothing was answered twice.
async fn goes_on(scene: &Scene, boris: &User, new: &Group) {
    let second = new.add_member(boris).send_voice(&scripted(3, "language"));
    assert_eq!(shows(scene, NEW, "✅ Готово!\n\nuk").await, Some(second.id()));
    scene.wait_until_closed().await;
}

async fn moves_while_it_is_transcribed(announced: bool) {
    let mut scene = Scene::start(&[]).await;
    let Family { group, anna, boris } = basic_group(&scene);
    set_up(&scene, &anna).await;
    let gate = Gate::new().await;
    scene.spoken.add("переехало ожидание");
    let first = boris.send_voice(&scripted(3, &format!("{};say переехало", gate.instruction())));
    let held = gate.wait_reached().await;
    let second = boris.send_voice(&scripted(3, "say ожидание"));
    scene.wait_for_positions(std::slice::from_ref(&second), &[1]).await;
    let new = if announced { group.upgrade_to_supergroup(NEW) } else { group.upgrade_to_supergroup_silently(NEW) };
    all_taken(&scene).await;
    held.release();

    // Messages of the group cannot be replied to in the supergroup, where their ids belong to other messages.
    for text in ["переехало", "ожидание"] {
        assert_eq!(shows(&scene, NEW, &format!("✅ Готово!\n\n{text}")).await, None);
    }
    goes_on(&scene, &boris, &new).await;
    for text in ["переехало", "ожидание"] {
        assert_eq!(answers(&scene, text), (0, 1), "{text}");
    }
    let calls = refused(&scene, OLD).len();
    let scene = scene.into_stopped().await;
    let rows = scene.rows().await;
    assert!(rows.iter().all(|row| row.stage == "done"), "{rows:#?}");
    assert_eq!((rows.len(), row_of(&rows, &first).message_id), (3, Some(first.id().0)));
    // At most one for each open request, and one for the status that is edited.
    assert!(calls <= 4, "{calls} calls to the old id: {:#?}", refused(&scene, OLD));
    calm_log(&scene);
}

#[tokio::test]
async fn a_group_that_becomes_a_supergroup_gets_its_answers_there_and_keeps_its_settings() {
    moves_while_it_is_transcribed(true).await;
}

#[tokio::test]
async fn a_group_whose_upgrade_only_a_refusal_reports_gets_its_answers_in_the_supergroup() {
    moves_while_it_is_transcribed(false).await;
}

#[tokio::test]
async fn a_kill_while_the_upgrade_is_recorded_leaves_one_answer() {
    for (moment, announced) in
        [("before move", true), ("after move", true), ("before move", false), ("after move", false)]
    {
        let mut scene = Scene::start(&[]).await;
        scene.bot.set_variable("CRASH_AT", Some(moment));
        scene.bot.restart().await.unwrap();
        let Family { group, anna, boris } = basic_group(&scene);
        set_up(&scene, &anna).await;
        let gate = Gate::new().await;
        scene.spoken.add("пережило");
        boris.send_voice(&scripted(3, &format!("{};say пережило", gate.instruction())));
        let held = gate.wait_reached().await;
        let new = if announced { group.upgrade_to_supergroup(NEW) } else { group.upgrade_to_supergroup_silently(NEW) };
        held.release();
        let bot = scene.bot.process().unwrap();
        let status = eventually(&format!("the bot dies {moment}"), bot.wait_for_exit()).await.unwrap();
        assert_eq!(status.signal(), Some(Signal::KILL.as_raw()), "{moment}: {status}");

        scene.bot.set_variable("CRASH_AT", None);
        scene.bot.restart().await.unwrap();
        tokio::select! {
            _ = shows(&scene, NEW, "✅ Готово!\n\nпережило") => {}
            () = async { loop { gate.wait_reached().await.release(); } } => {}
        }
        goes_on(&scene, &boris, &new).await;
        assert_eq!(answers(&scene, "пережило"), (0, 1), "{moment}, announced: {announced}");
        scene.shut_down().await;
    }
}

#[tokio::test]
async fn an_allowed_group_stays_allowed_after_its_upgrade() {
    let old = OLD.0.to_string();
    let mut scene = Scene::start(&[("allowed_users", old.as_str())]).await;
    let Family { group, anna, boris } = basic_group(&scene);
    set_up(&scene, &anna).await;
    let new = group.upgrade_to_supergroup(NEW);
    goes_on(&scene, &boris, &new).await;
    let warned = |scene: &Scene| calm_log(scene).matches("allowed_users names a group").count();
    assert_eq!(warned(&scene), 1);
    // The new id is stored, and reported, after the next start as well.
    scene.bot.restart().await.unwrap();
    let third = new.add_member(&boris).send_voice(&scripted(3, "say по-прежнему"));
    scene.spoken.add("по-прежнему");
    assert_eq!(shows(&scene, NEW, "✅ Готово!\n\nпо-прежнему").await, Some(third.id()));
    assert_eq!(warned(&scene), 2);
    let rows = scene.shut_down().await;
    assert!(rows.iter().all(|row| row.stage == "done"), "{rows:#?}");
}

#[tokio::test]
async fn a_repeated_update_after_the_upgrade_creates_no_request() {
    let mut scene = Scene::start(&[]).await;
    let Family { group, anna, boris } = basic_group(&scene);
    set_up(&scene, &anna).await;
    scene.spoken.add("однажды");
    let sent = boris.send_voice(&scripted(3, "say однажды"));
    shows(&scene, OLD, "✅ Готово!\n\nоднажды").await;
    let new = group.upgrade_to_supergroup(NEW);
    scene.api().repeat(OLD, sent.id());
    all_taken(&scene).await;
    goes_on(&scene, &boris, &new).await;
    assert_eq!(answers(&scene, "однажды"), (1, 0));
    assert_eq!(scene.shut_down().await.len(), 2);
}

// === No permission to send ===

async fn ignored(scene: &Scene) -> f64 {
    scene.bot.metrics().await.unwrap().value("stenobot_requests_ignored_total").unwrap_or_default()
}

fn ends_unreachable(rows: &[Row], sent: &SentMessage) {
    let row = row_of(rows, sent);
    assert_eq!((row.stage.as_str(), row.reason.as_deref()), ("cancelled", Some("chat_gone")), "{row:?}");
    assert_eq!((row.processing_time_seconds, row.transcription_length), (None, None), "the engine is left to others");
}

#[tokio::test]
async fn a_chat_without_write_permission_is_skipped_until_a_message_is_accepted() {
    for refusal in [Refusal::NO_RIGHTS, Refusal::RESTRICTED, Refusal::WRITE_FORBIDDEN, Refusal::KICKED] {
        let mut scene = attentive(&[]).await;
        let group = Group::new(scene.api(), NEW, "Мы");
        let anna = group.add_member_as(&scene.new_user("Анна", "ru"), MemberStatus::Owner);
        let boris = group.add_member(&scene.new_user("Борис", "ru"));
        anna.send_text("/auto on");
        shows(&scene, NEW, "👥").await;
        show_messages(&scene, &anna).await;

        group.set_refusal(Some(refusal.clone()));
        scene.spoken.add("никому");
        let sent = boris.send_voice(&scripted(3, "say никому"));
        all_taken(&scene).await;
        scene.wait_until_closed().await;
        let left_alone = [boris.send_voice(&scripted(3, "say никому")), anna.send_voice(&scripted(3, "say никому"))];
        all_taken(&scene).await;
        assert_eq!(ignored(&scene).await, 2.0, "{refusal}");
        let calls = refused(&scene, NEW);
        assert_eq!(calls.iter().map(|call| call.method).collect::<Vec<_>>(), [Method::SendMessage], "{refusal}");

        // No update restores the permission, but the answer to a command is accepted.
        group.set_refusal(None);
        boris.send_text("/transcribe");
        shows(&scene, NEW, "🎙").await;
        scene.spoken.add("снова можно");
        let accepted = boris.send_voice(&scripted(3, "say снова можно"));
        assert_eq!(shows(&scene, NEW, "✅ Готово!\n\nснова можно").await, Some(accepted.id()));
        let scene = scene.into_stopped().await;
        let rows = scene.rows().await;
        ends_unreachable(&rows, &sent);
        assert_eq!(rows.len(), 2, "{left_alone:?} are no requests", left_alone = left_alone.map(|sent| sent.id()));
        let cancellations = calm_log(&scene).matches(" cancelled ").count();
        assert!(cancellations <= 1, "logged {cancellations} times");
    }
}

#[tokio::test]
async fn a_restricted_bot_makes_no_call_until_the_restriction_ends() {
    let mut scene = attentive(&[]).await;
    let group = Group::new(scene.api(), NEW, "Мы");
    let anna = group.add_member_as(&scene.new_user("Анна", "ru"), MemberStatus::Owner);
    anna.send_text("/auto on");
    shows(&scene, NEW, "👥").await;
    show_messages(&scene, &anna).await;
    // The engine is busy with a request from another chat, so that the group's request waits.
    let gate = Gate::new().await;
    let busy = scene.send_voice(&scripted(3, &format!("{};say занято", gate.instruction())));
    let held = gate.wait_reached().await;
    scene.spoken.add("никому");
    let waiting = anna.send_voice(&scripted(3, "say никому"));
    scene.wait_for_positions(std::slice::from_ref(&waiting), &[1]).await;
    group.set_bot_restricted(true);
    anna.send_voice(&scripted(3, "say никому"));
    all_taken(&scene).await;
    held.release();
    assert_eq!(scene.text(&busy).await, "занято");
    scene.wait_until_closed().await;
    assert_eq!(ignored(&scene).await, 1.0);

    group.set_bot_restricted(false);
    all_taken(&scene).await;
    scene.spoken.add("опять слышно");
    let accepted = anna.send_voice(&scripted(3, "say опять слышно"));
    assert_eq!(shows(&scene, NEW, "✅ Готово!\n\nопять слышно").await, Some(accepted.id()));
    assert!(refused(&scene, NEW).len() <= 1, "{:#?}", refused(&scene, NEW));
    let scene = scene.into_stopped().await;
    let rows = scene.rows().await;
    ends_unreachable(&rows, &waiting);
    assert_eq!(rows.len(), 3);
    calm_log(&scene);
}

#[tokio::test]
async fn a_closed_topic_does_not_affect_other_topics() {
    let mut scene = attentive(&[]).await;
    let group = Group::new(scene.api(), NEW, "Мы");
    let anna = group.add_member_as(&scene.new_user("Анна", "ru"), MemberStatus::Owner);
    let (one, other) = (group.open_topic(&anna, "Одна").unwrap(), group.open_topic(&anna, "Другая").unwrap());
    anna.send_text("/auto on");
    shows(&scene, NEW, "👥").await;
    show_messages(&scene, &anna).await;
    group.set_topic_closed(one, true);
    scene.spoken.add("никому");
    let sent = anna.in_topic(one).send_voice(&scripted(3, "say никому"));
    all_taken(&scene).await;
    scene.wait_until_closed().await;
    scene.spoken.add("рядом слышно");
    let accepted = anna.in_topic(other).send_voice(&scripted(3, "say рядом слышно"));
    assert_eq!(shows(&scene, NEW, "✅ Готово!\n\nрядом слышно").await, Some(accepted.id()));
    anna.in_topic(one).send_voice(&scripted(3, "say никому"));
    all_taken(&scene).await;
    assert_eq!((ignored(&scene).await, refused(&scene, NEW).len()), (1.0, 1));
    let scene = scene.into_stopped().await;
    let rows = scene.rows().await;
    ends_unreachable(&rows, &sent);
    assert_eq!(rows.len(), 2);
    calm_log(&scene);
}
