//! Telegram fails in every way it can, with the engine's stand-in.

mod oracle;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::join_all;
use stenobot::simulator::answers::Verdict as Said;
use stenobot::simulator::people::{Person, Sent};
use stenobot::simulator::server::{
    Call, CallRecord, Effect, Fault, Method, Mixed, Outcome, Refusal, Scripted, Verdict,
};
use stenobot::telegram::Client;

use self::oracle::{answered_once, pauses, skipped, spread, strays, struck};
use super::{Row, measured, rounds};
use crate::recordings::scripted;
use crate::scene::{PATIENCE, Scene, soon};

const PEOPLE: usize = 8;

fn set_fault(scene: &Scene, fault: impl Fault + 'static) {
    scene.simulation.api().set_fault(Some(Arc::new(fault)));
}

fn calls(scene: &Scene) -> Vec<CallRecord> {
    scene.simulation.api().read(|state| state.calls.clone())
}

fn people(scene: &Scene, count: usize) -> Vec<Person> {
    (0..count).map(|_| scene.simulation.person("Анна", "ru")).collect()
}

/// Somebody sends a recording in which `text` is heard.
fn sends(scene: &mut Scene, person: &Person, script: &str, text: String) -> (Sent, String) {
    let voice = scripted(3, &format!("{script};say {text}"));
    scene.spoken.add(&text);
    (person.sends_voice(&voice), text)
}

/// Waits until everybody has an answer.
async fn all_answered(sent: &[(Sent, String)]) {
    for answer in join_all(sent.iter().map(|(sent, _)| sent.final_answer(PATIENCE))).await {
        answer.unwrap();
    }
}

/// What the bot's process holds: bytes of memory, open files.
async fn held(scene: &Scene) -> (f64, f64) {
    let page = scene.simulation.metrics().await.unwrap();
    (page.value("process_resident_memory_bytes").unwrap(), page.value("process_open_fds").unwrap())
}

#[tokio::test]
async fn a_fifth_of_all_calls_goes_wrong() {
    const ROW: Row = Row {
        number: 40,
        test: "a fifth of all calls to Telegram goes wrong, in 15 ways",
        figure: "one answer each, no pause broken",
        name: "telegram::a_fifth_of_all_calls_goes_wrong",
    };
    let mut scene = Scene::stand_in(&[
        ("progress_update_interval_seconds", "1"),
        ("user_requests_per_minute", "600"),
        ("max_concurrent_workers", "2"),
    ])
    .await;
    let people = people(&scene, PEOPLE);
    let pid = scene.simulation.bot().unwrap().pid();
    let mut all = vec![sends(&mut scene, &people[0], "progress 50", "до сбоев".to_owned())];
    all_answered(&all).await;
    let mut warm = held(&scene).await;
    let before = calls(&scene).len();
    set_fault(&scene, Mixed::new(20_261_124, 20));
    let times = rounds(1);
    for round in 0..times {
        let mut sent = Vec::new();
        for (index, person) in people.iter().enumerate() {
            for part in ["утром", "днём", "вечером"] {
                sent.push(sends(&mut scene, person, "progress 40;wait 100", format!("{part} {round} {index}")));
            }
        }
        all_answered(&sent).await;
        all.extend(sent);
        if round == times / 4 && round + 1 < times {
            warm = held(&scene).await;
        }
    }
    scene.simulation.api().set_fault(None);
    let last = vec![sends(&mut scene, &people[0], "progress 50", "после сбоев".to_owned())];
    all_answered(&last).await;
    all.extend(last);
    let end = held(&scene).await;
    assert_eq!(scene.simulation.bot().unwrap().pid(), pid, "the bot runs on");
    let skipped = scene.simulation.api().read(skipped);
    let calls = calls(&scene);
    let mut took: Vec<Duration> = Vec::new();
    let mut stray = 0;
    for (sent, text) in &all {
        stray += strays(&scene, sent);
        took.push(answered_once(sent, text));
    }
    let rows = scene.end().await;
    assert_eq!(rows.len(), all.len());
    assert!(rows.iter().all(|row| row.stage == "done"), "{rows:#?}");
    assert_eq!(skipped, 0, "an update was confirmed that the bot had not heard of");
    for (sent, text) in &all {
        answered_once(sent, text);
    }
    let demanded = pauses(&calls);
    assert!(demanded.count > 0);
    assert!(demanded.broken.is_empty(), "calls within pauses: {:#?}", demanded.broken);
    let kinds = struck(&calls);
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
        spread(&mut took),
        demanded.count,
        mib(warm.0),
        mib(end.0),
        warm.1,
        end.1,
    );
    measured(&ROW, times, &found);
}

#[tokio::test]
async fn refusals_while_a_fifth_goes_wrong() {
    const ROW: Row = Row {
        number: 41,
        test: "refusals while a fifth of all calls goes wrong",
        figure: "everybody is told",
        name: "telegram::refusals_while_a_fifth_goes_wrong",
    };
    let mut scene = Scene::stand_in(&[("max_voice_duration_seconds", "1"), ("user_requests_per_minute", "600")]).await;
    let people = people(&scene, PEOPLE);
    set_fault(&scene, Mixed::new(41, 20));
    let times = rounds(2);
    let mut all = Vec::new();
    for _ in 0..times {
        let voice = scripted(3, "say зря");
        let sent: Vec<_> = people.iter().map(|person| person.sends_voice(&voice)).collect();
        for answer in join_all(sent.iter().map(|sent| sent.final_answer(PATIENCE))).await {
            assert!(matches!(answer.unwrap().verdict, Said::Rejected(_)));
        }
        all.extend(sent);
    }
    scene.simulation.api().set_fault(None);
    scene.spoken.add("зря");
    let calls = calls(&scene);
    let rows = scene.end().await;
    assert_eq!(rows.len(), all.len());
    let repeated: usize = all.iter().map(|sent| sent.trail().answers.len() - 1).sum();
    let unheard =
        |call: &&CallRecord| call.method == Method::SendMessage && matches!(call.outcome, Outcome::TakenUnheard);
    let unheard = calls.iter().filter(unheard).count();
    // Telegram has no key by which a message that is sent again could be known.
    assert!(repeated <= unheard, "{repeated} repeated, {unheard} unheard");
    assert!(pauses(&calls).broken.is_empty());
    let found =
        format!("{0} of {0} told; {repeated} told twice, after {unheard} sends whose answer was lost", all.len());
    measured(&ROW, times, &found);
}

#[tokio::test]
async fn an_answer_that_was_taken_times_out() {
    const ROW: Row = Row {
        number: 42,
        test: "Telegram takes the answer and never says so (20 s)",
        figure: "0 duplicates",
        name: "telegram::an_answer_that_was_taken_times_out",
    };
    let mut scene = Scene::stand_in(&[("max_queue_size", "1000"), ("max_concurrent_workers", "4")]).await;
    let times = rounds(2);
    let muted = Mutex::new(HashMap::new());
    let fault = move |call: &Call| -> Verdict {
        let first = |chat| muted.lock().unwrap().insert(chat, ()).is_none();
        if call.text.starts_with('✅') && call.chat.is_some_and(first) {
            Effect::Mute(PATIENCE).into()
        } else {
            Effect::Pass.into()
        }
    };
    set_fault(&scene, fault);
    let people = people(&scene, times);
    let all: Vec<_> = people
        .iter()
        .enumerate()
        .map(|(index, person)| sends(&mut scene, person, "wait 10", format!("дошло {index}")))
        .collect();
    all_answered(&all).await;
    let mut after = Vec::new();
    for (sent, _) in &all {
        let again = |call: &CallRecord| {
            call.chat == Some(sent.chat()) && call.outcome == Outcome::Refused(Refusal::NOT_MODIFIED)
        };
        let again = scene.call("the same edit once more", again).await;
        let first = scene.call("the edit", |call| call.chat == Some(sent.chat()) && call.fault == "mute").await;
        after.push(again.came - first.came);
    }
    let sends = scene.calls(Method::SendMessage);
    let rows = scene.end().await;
    assert!(rows.iter().all(|row| row.stage == "done"));
    assert_eq!(sends, times, "the answers were edits");
    for (sent, text) in &all {
        answered_once(sent, text);
    }
    let found = format!("{times} of {times} answered once; the same edit again after {}", spread(&mut after));
    measured(&ROW, times, &found);
}

#[tokio::test]
async fn pauses_of_one_to_five_seconds() {
    const ROW: Row = Row {
        number: 43,
        test: "Telegram refuses every third message, edit and poll for 1 to 5 s",
        figure: "no call within a pause",
        name: "telegram::pauses_of_one_to_five_seconds",
    };
    let mut scene = Scene::stand_in(&[
        ("progress_update_interval_seconds", "1"),
        ("user_requests_per_minute", "600"),
        ("max_concurrent_workers", "4"),
    ])
    .await;
    let number = AtomicU64::new(0);
    let fault = move |call: &Call| -> Verdict {
        let number = number.fetch_add(1, Ordering::Relaxed);
        let pause = Duration::from_secs(1 + number / 3 % 5);
        if number.is_multiple_of(3) && (call.chat.is_some() || call.method == Method::GetUpdates) {
            Effect::Refuse(Refusal::TooMany(pause)).into()
        } else {
            Effect::Pass.into()
        }
    };
    set_fault(&scene, fault);
    let people = people(&scene, 4);
    let times = rounds(1);
    let mut all = Vec::new();
    for round in 0..times {
        let mut sent = Vec::new();
        for (index, person) in people.iter().enumerate() {
            for part in ["раз", "два"] {
                let script = "progress 20;wait 1200;progress 60;wait 1200";
                sent.push(sends(&mut scene, person, script, format!("терпение {part} {round} {index}")));
            }
        }
        all_answered(&sent).await;
        all.extend(sent);
    }
    scene.simulation.api().set_fault(None);
    let calls = calls(&scene);
    scene.end().await;
    let mut took: Vec<_> = all.iter().map(|(sent, text)| answered_once(sent, text)).collect();
    let mut demanded = pauses(&calls);
    assert!(demanded.count >= 3, "{}", demanded.count);
    assert!(demanded.broken.is_empty(), "calls within pauses: {:#?}", demanded.broken);
    let found = format!(
        "{} pauses, 0 calls within; the next call after {}; {} of {} answered once, after {}",
        demanded.count,
        spread(&mut demanded.after),
        took.len(),
        all.len(),
        spread(&mut took),
    );
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
    let mut scene = Scene::stand_in(&[]).await;
    let (url, token) = (scene.simulation.api().url().clone(), scene.simulation.api().token().to_owned());
    let times = rounds(2);
    let mut took = Vec::new();
    let mut all = Vec::new();
    for round in 0..times {
        let rival = Client::new(url.clone(), &token, Arc::new(|_| {})).unwrap();
        let conflicts = |calls: &[CallRecord]| {
            calls.iter().filter(|call| call.outcome == Outcome::Refused(Refusal::Conflict)).count()
        };
        let before = conflicts(&calls(&scene));
        let polling = async {
            loop {
                // It is turned away in its turn, and comes back at once.
                let _ = rival.updates(None, Duration::from_secs(1)).await;
            }
        };
        let enough = scene.simulation.api().until(|state| (conflicts(&state.calls) >= before + 4).then_some(()));
        let person = scene.simulation.person("Анна", "ru");
        tokio::select! {
            () = polling => {}
            () = soon("both are turned away", enough) => {}
        }
        let (sent, text) = sends(&mut scene, &person, "wait 10", format!("снова один {round}"));
        all_answered(&[(sent.clone(), text.clone())]).await;
        took.push(answered_once(&sent, &text));
        all.push((sent, text));
    }
    assert_eq!(scene.simulation.api().read(skipped), 0);
    let log_says = std::fs::read_to_string(scene.simulation.log()).unwrap();
    let rows = scene.end().await;
    assert_eq!(rows.len(), times);
    assert!(log_says.contains("another program receives this bot's updates"));
    measured(&ROW, times, &format!("{times} of {times} answered once, {} after the other stopped", spread(&mut took)));
}

#[tokio::test]
async fn files_that_do_not_come_as_told() {
    const ROW: Row = Row {
        number: 45,
        test: "slow, broken, cut, exchanged and grown files, expired links",
        figure: "one answer each, none from half a file",
        name: "telegram::files_that_do_not_come_as_told",
    };
    let limit = 200_000;
    let mut scene = Scene::stand_in(&[("max_file_size_bytes", &limit.to_string())]).await;
    let person = scene.simulation.person("Анна", "ru");
    let times = rounds(1);
    let mut took = Vec::new();
    let mut wrong = 0;
    for round in 0..times {
        let other = scripted(2, "say чужое").bytes;
        let faults = [
            Effect::Slow { piece: 2000, pause: Duration::from_millis(30) },
            Effect::BreakBefore,
            Effect::BreakAfter,
            Effect::Cut(10_000),
            Effect::Short(10_000),
            Effect::Short(0),
            Effect::Swap(other),
            Effect::Longer(100_000),
            Effect::Expire,
        ];
        for effect in faults {
            let name = effect.name();
            // Not the first time only, so that a new link is asked for twice.
            let strikes = if matches!(effect, Effect::Expire) { 2 } else { 1 };
            set_fault(&scene, Scripted::new(Method::Download, strikes, effect));
            let (sent, text) = sends(&mut scene, &person, "wait 10", format!("целое {name} {round}"));
            all_answered(&[(sent.clone(), text.clone())]).await;
            took.push(answered_once(&sent, &text));
            wrong += 1;
        }
        // What grows beyond the limit is not even written down.
        set_fault(&scene, Scripted::new(Method::Download, u32::MAX, Effect::Longer(10 * limit)));
        let sent = scene.somebody_sends(&scripted(3, "say слишком длинно"));
        assert!(matches!(scene.answer(&sent).await, Said::Rejected(_)));
    }
    let kinds = struck(&calls(&scene));
    assert!(kinds.len() >= 8, "{kinds:?}");
    scene.end().await;
    measured(&ROW, times, &format!("{wrong} of {wrong} answered once and whole, after {}", spread(&mut took)));
}

#[tokio::test]
async fn stalled_downloads_give_their_places_back() {
    const ROW: Row = Row {
        number: 46,
        test: "six downloads stall; the next person sends (download_timeout_seconds = 5)",
        figure: "no place is held longer",
        name: "telegram::stalled_downloads_give_their_places_back",
    };
    let mut scene = Scene::stand_in(&[("download_timeout_seconds", "5")]).await;
    let times = rounds(1);
    let mut took = Vec::new();
    for round in 0..times {
        let stall = Effect::Slow { piece: 1, pause: PATIENCE };
        set_fault(&scene, Scripted::new(Method::Download, 6, stall));
        let people = people(&scene, 7);
        let mut all = Vec::new();
        let before = scene.calls(Method::Download);
        for (index, person) in people.iter().enumerate() {
            if index == 6 {
                // The places are taken.
                scene.calls_reach(Method::Download, before + 4).await;
            }
            all.push(sends(&mut scene, person, "wait 10", format!("скачано {index} {round}")));
        }
        all_answered(&all).await;
        let times: Vec<_> = all.iter().map(|(sent, text)| answered_once(sent, text)).collect();
        took.push(times[6]);
    }
    assert!(took.iter().all(|took| *took < Duration::from_secs(20)), "{took:?}");
    let rows = scene.end().await;
    assert_eq!(rows.len(), 7 * times);
    measured(&ROW, times, &format!("7 of 7 answered once; the next person after {}", spread(&mut took)));
}
