//! Faults of Telegram.

mod files;
mod oracle;
mod pauses;

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::join_all;
use stenobot_simulator::answers::RequestOutcome;
use stenobot_simulator::server::{
    Call, CallOutcome, CallRecord, Effect, FaultAction, FaultInjector, Method, RandomFaults, Refusal,
};
use stenobot_simulator::users::{SentMessage, User};
use stenobot_telegram::Client;

use self::oracle::{answered_once, injected_effects, pauses, skipped};
use super::figures::spread;
use super::score::stray_count;
use super::{Row, measured, rounds};
use crate::recordings::{Gate, scripted};
use crate::scene::{SCENARIO_TIMEOUT, Scene, eventually};

const USERS: usize = 8;

fn set_fault(scene: &Scene, fault: impl FaultInjector + 'static) {
    scene.api().set_fault(Some(Arc::new(fault)));
}

fn calls(scene: &Scene) -> Vec<CallRecord> {
    scene.api().read(|state| state.calls.clone())
}

fn users(scene: &Scene, count: usize) -> Vec<User> {
    (0..count).map(|_| scene.new_user("Анна", "ru")).collect()
}

/// Sends a recording with the transcript `text`.
fn send_recording(scene: &mut Scene, user: &User, script: &str, text: String) -> (SentMessage, String) {
    let voice = scripted(3, &format!("{script};say {text}"));
    scene.spoken.add(&text);
    (user.send_voice(&voice), text)
}

/// Waits until every message is answered.
async fn all_answered(sent: &[(SentMessage, String)]) {
    for answer in join_all(sent.iter().map(|(sent, _)| sent.final_answer(SCENARIO_TIMEOUT))).await {
        answer.unwrap();
    }
}

/// Memory in bytes and open files of the bot's process.
async fn process_usage(scene: &Scene) -> (f64, f64) {
    let page = scene.bot.metrics().await.unwrap();
    (page.value("process_resident_memory_bytes").unwrap(), page.value("process_open_fds").unwrap())
}

#[tokio::test]
async fn a_fifth_of_all_calls_fails() {
    const ROW: Row = Row {
        number: 40,
        test: "a fifth of all calls to Telegram goes wrong, in 15 ways",
        figure: "one answer each, no pause broken",
        name: "telegram::a_fifth_of_all_calls_fails",
    };
    let mut scene = Scene::start(&[
        ("progress_update_interval_seconds", "1"),
        ("user_requests_per_minute", "600"),
        ("max_concurrent_workers", "2"),
    ])
    .await;
    let users = users(&scene, USERS);
    let pid = scene.bot.process().unwrap().pid();
    let mut all = vec![send_recording(&mut scene, &users[0], "progress 50", "до сбоев".to_owned())];
    all_answered(&all).await;
    let mut warm = process_usage(&scene).await;
    let before = calls(&scene).len();
    set_fault(&scene, RandomFaults::new(20_261_124, 20));
    let times = rounds(1);
    for round in 0..times {
        let mut sent = Vec::new();
        for (index, user) in users.iter().enumerate() {
            for part in ["утром", "днём", "вечером"] {
                sent.push(send_recording(&mut scene, user, "progress 40;wait 100", format!("{part} {round} {index}")));
            }
        }
        all_answered(&sent).await;
        all.extend(sent);
        if round == times / 4 && round + 1 < times {
            warm = process_usage(&scene).await;
        }
    }
    scene.api().set_fault(None);
    let last = vec![send_recording(&mut scene, &users[0], "progress 50", "после сбоев".to_owned())];
    all_answered(&last).await;
    all.extend(last);
    let end = process_usage(&scene).await;
    assert_eq!(scene.bot.process().unwrap().pid(), pid, "the bot runs on");
    let skipped = scene.api().read(skipped);
    let calls = calls(&scene);
    let mut took: Vec<Duration> = Vec::new();
    let mut stray = 0;
    for (sent, text) in &all {
        stray += stray_count(scene.api(), sent);
        took.push(answered_once(sent, text));
    }
    let rows = scene.shut_down().await;
    assert_eq!(rows.len(), all.len());
    assert!(rows.iter().all(|row| row.stage == "done"), "{rows:#?}");
    assert_eq!(skipped, 0, "an update was confirmed that the bot had not received");
    for (sent, text) in &all {
        answered_once(sent, text);
    }
    let demanded = pauses(&calls);
    assert!(demanded.count > 0);
    assert!(demanded.broken.is_empty(), "calls within pauses: {:#?}", demanded.broken);
    let kinds = injected_effects(&calls);
    let bad: usize = kinds.values().sum();
    let share = bad * 100 / (calls.len() - before);
    assert!((10..=30).contains(&share), "{share} % of {} calls: {kinds:?}", calls.len());
    let mib = |bytes: f64| bytes / (1024.0 * 1024.0);
    assert!(mib(end.0) < mib(warm.0) + 24.0, "memory grows: {} to {} MiB", mib(warm.0), mib(end.0));
    assert!(end.1 < warm.1 + 24.0, "open files grow: {} to {}", warm.1, end.1);
    let found = format!(
        "{bad} of {} calls went wrong; {} of {} answered once, median / longest {}; {stray} stray state messages; \
         {} pauses, 0 calls within; memory {:.0} to {:.0} MiB, open files {} to {}",
        calls.len(),
        took.len(),
        all.len(),
        spread(&took),
        demanded.count,
        mib(warm.0),
        mib(end.0),
        warm.1,
        end.1,
    );
    measured(&ROW, times, &found);
}

#[tokio::test]
async fn refusals_while_a_fifth_of_all_calls_fails() {
    const ROW: Row = Row {
        number: 41,
        test: "refusals while a fifth of all calls goes wrong",
        figure: "every sender is informed",
        name: "telegram::refusals_while_a_fifth_of_all_calls_fails",
    };
    let mut scene = Scene::start(&[("max_voice_duration_seconds", "1"), ("user_requests_per_minute", "600")]).await;
    let users = users(&scene, USERS);
    set_fault(&scene, RandomFaults::new(41, 20));
    let times = rounds(2);
    let mut all = Vec::new();
    for _ in 0..times {
        let voice = scripted(3, "say зря");
        let sent: Vec<_> = users.iter().map(|user| user.send_voice(&voice)).collect();
        for answer in join_all(sent.iter().map(|sent| sent.final_answer(SCENARIO_TIMEOUT))).await {
            assert!(matches!(answer.unwrap().outcome, RequestOutcome::Rejected(_)));
        }
        all.extend(sent);
    }
    scene.api().set_fault(None);
    scene.spoken.add("зря");
    let last = scene.send_voice(&scripted(1, "say коротко"));
    assert_eq!(scene.text(&last).await, "коротко");
    let calls = calls(&scene);
    let rows = scene.shut_down().await;
    assert_eq!(rows.len(), all.len() + 1);
    let repeated: usize = all.iter().map(|sent| sent.trail().answers.len() - 1).sum();
    let unheard = |call: &&CallRecord| {
        call.method == Method::SendMessage && matches!(call.outcome, CallOutcome::AcceptedResponseLost)
    };
    let unheard = calls.iter().filter(unheard).count();
    // Telegram has no idempotency key for messages.
    assert!(repeated <= unheard, "{repeated} repeated, {unheard} unheard");
    assert!(pauses(&calls).broken.is_empty());
    let found =
        format!("{0} of {0} told; {repeated} told twice, after {unheard} sends whose answer was lost", all.len());
    measured(&ROW, times, &found);
}

#[tokio::test]
async fn an_accepted_answer_times_out() {
    const ROW: Row = Row {
        number: 42,
        test: "Telegram accepts the answer and does not respond (20 s)",
        figure: "0 duplicates",
        name: "telegram::an_accepted_answer_times_out",
    };
    let mut scene = Scene::start(&[("max_queue_size", "1000"), ("max_concurrent_workers", "4")]).await;
    let times = rounds(2);
    let muted = Mutex::new(HashSet::new());
    let fault = move |call: &Call| -> FaultAction {
        let first = |chat| muted.lock().unwrap().insert(chat);
        if call.text.starts_with('✅') && call.chat.is_some_and(first) {
            Effect::Mute(SCENARIO_TIMEOUT).into()
        } else {
            Effect::Pass.into()
        }
    };
    set_fault(&scene, fault);
    let users = users(&scene, times);
    let all: Vec<_> = users
        .iter()
        .enumerate()
        .map(|(index, user)| send_recording(&mut scene, user, "wait 10", format!("дошло {index}")))
        .collect();
    all_answered(&all).await;
    let mut after = Vec::new();
    for (sent, _) in &all {
        let again = |call: &CallRecord| {
            call.chat == Some(sent.chat()) && call.outcome == CallOutcome::Refused(Refusal::NOT_MODIFIED)
        };
        let again = scene.wait_for_call("the same edit once more", again).await;
        let first =
            scene.wait_for_call("the edit", |call| call.chat == Some(sent.chat()) && call.fault == "mute").await;
        after.push(again.came - first.came);
    }
    let send_recording = scene.calls(Method::SendMessage);
    let rows = scene.shut_down().await;
    assert!(rows.iter().all(|row| row.stage == "done"));
    assert_eq!(send_recording, times, "the answers were edits");
    for (sent, text) in &all {
        answered_once(sent, text);
    }
    let found = format!("{times} of {times} answered once; the same edit again after {}", spread(&after));
    measured(&ROW, times, &found);
}

#[tokio::test]
async fn another_program_polls() {
    const ROW: Row = Row {
        number: 44,
        test: "another program polls with the same token, then stops (409)",
        figure: "goes on by itself",
        name: "telegram::another_program_polls",
    };
    let mut scene = Scene::start(&[]).await;
    let (url, token) = (scene.api().url().clone(), scene.api().token().to_owned());
    let times = rounds(2);
    let mut took = Vec::new();
    let mut all = Vec::new();
    for round in 0..times {
        let rival = Client::new(url.clone(), &token, Arc::new(|_| {})).unwrap();
        let conflicts = |calls: &[CallRecord]| {
            calls.iter().filter(|call| call.outcome == CallOutcome::Refused(Refusal::Conflict)).count()
        };
        let before = conflicts(&calls(&scene));
        let polling = async {
            loop {
                // The bot's poll ends with a conflict, and is repeated at once.
                let _ = rival.updates(None, Duration::from_secs(1)).await;
            }
        };
        let enough = scene.api().wait_for(|state| (conflicts(&state.calls) >= before + 5).then_some(()));
        let user = scene.new_user("Анна", "ru");
        tokio::select! {
            () = polling => {}
            () = eventually("both are turned away", enough) => {}
        }
        let (sent, text) = send_recording(&mut scene, &user, "wait 10", format!("снова один {round}"));
        all_answered(&[(sent.clone(), text.clone())]).await;
        took.push(answered_once(&sent, &text));
        all.push((sent, text));
    }
    assert_eq!(scene.api().read(skipped), 0);
    let log_says = std::fs::read_to_string(scene.bot.log()).unwrap();
    let rows = scene.shut_down().await;
    assert_eq!(rows.len(), times);
    assert!(log_says.contains("another program receives this bot's updates"));
    measured(&ROW, times, &format!("{times} of {times} answered once, {} after the other stopped", spread(&took)));
}

#[tokio::test]
async fn the_token_is_rejected_for_a_while() {
    const ROW: Row = Row {
        number: 48,
        test: "Telegram does not accept the token (401) for some seconds",
        figure: "nothing lost, nothing restarted",
        name: "telegram::the_token_is_rejected_for_a_while",
    };
    let mut scene = Scene::start(&[]).await;
    let pid = scene.bot.process().unwrap().pid();
    let times = rounds(1);
    let mut took = Vec::new();
    for round in 0..times {
        let turned_away = |_: &Call<'_>| -> FaultAction { Effect::Refuse(Refusal::Unauthorized).into() };
        let user = scene.new_user("Анна", "ru");
        let gate = Gate::new().await;
        let (sent, text) = send_recording(&mut scene, &user, &gate.instruction(), format!("узнали снова {round}"));
        let process_usage = gate.wait_reached().await;
        let before = calls(&scene).len();
        set_fault(&scene, turned_away);
        process_usage.release();
        // Also ends the poll under way.
        let (late, other) = send_recording(&mut scene, &user, "wait 10", format!("и второе {round}"));
        let refused = |calls: &[CallRecord], method| {
            let turned_away = |call: &&CallRecord| {
                call.method == method && call.outcome == CallOutcome::Refused(Refusal::Unauthorized)
            };
            calls.iter().skip(before).filter(turned_away).count()
        };
        let enough = |calls: &[CallRecord]| {
            let all = [Method::EditMessageText, Method::GetUpdates, Method::GetFile];
            all.iter().all(|method| refused(calls, *method) >= 2).then_some(())
        };
        eventually("everything is turned away", scene.api().wait_for(|state| enough(&state.calls))).await;
        assert!(sent.trail().answers.is_empty());
        scene.api().set_fault(None);
        let now = scene.api().now();
        let both = [(sent, text), (late, other)];
        all_answered(&both).await;
        took.extend(both.iter().map(|(sent, text)| {
            answered_once(sent, text);
            sent.trail().answers[0].at.saturating_sub(now)
        }));
    }
    assert_eq!(scene.bot.process().unwrap().pid(), pid, "the bot runs on");
    let rows = scene.shut_down().await;
    assert!(rows.iter().all(|row| row.stage == "done"), "{rows:#?}");
    measured(&ROW, times, &format!("{0} of {0} answered once, {1} after it does again", took.len(), spread(&took)));
}

#[tokio::test]
async fn a_hanging_message_does_not_block_the_engine() {
    const ROW: Row = Row {
        number: 49,
        test: "the first message to one user hangs for 15 s; another user sends",
        figure: "the engine goes on",
        name: "telegram::a_hanging_message_does_not_block_the_engine",
    };
    const CALL_DELAY: Duration = Duration::from_secs(15);
    let mut scene = Scene::start(&[]).await;
    let times = rounds(1);
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for round in 0..times {
        let [one, other] = [(); 2].map(|()| scene.new_user("Анна", "ru"));
        let chat = one.chat();
        let words = AtomicUsize::new(0);
        let fault = move |call: &Call| -> FaultAction {
            if call.chat != Some(chat) || call.method != Method::SendMessage {
                return Effect::Pass.into();
            }
            match words.fetch_add(1, Ordering::SeqCst) {
                0 => Effect::Answer(500, "").into(),
                1 => FaultAction { delay: CALL_DELAY, effect: Effect::BreakBefore },
                _ => Effect::Pass.into(),
            }
        };
        set_fault(&scene, fault);
        let process_usage = send_recording(&mut scene, &one, "wait 10", format!("после всех {round}"));
        scene.wait_for_call("a word fails", |call| call.chat == Some(chat) && call.fault == "answer").await;
        let free = send_recording(&mut scene, &other, "wait 10", format!("не жду никого {round}"));
        let both = [process_usage, free];
        all_answered(&both).await;
        first.push(answered_once(&both[0].0, &both[0].1));
        second.push(answered_once(&both[1].0, &both[1].1));
    }
    scene.shut_down().await;
    assert!(first.iter().all(|took| *took >= CALL_DELAY), "it hung: {first:?}");
    assert!(second.iter().all(|took| *took < CALL_DELAY / 2), "{second:?}");
    let found = format!("the other answered after {}, the first after {}", spread(&second), spread(&first));
    measured(&ROW, times, &found);
}
