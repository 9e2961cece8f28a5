//! Telegram refuses calls with a retry-after.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use stenobot_simulator::server::{Call, CallOutcome, Effect, FaultAction, Method, Refusal};
use tokio::time::Instant;

use super::oracle::{answered_once, pauses};
use super::{all_answered, calls, send_recording, set_fault, users};
use crate::chaos::figures::spread;
use crate::chaos::{Row, measured, rounds};
use crate::scene::Scene;

#[tokio::test]
async fn retry_after_of_one_to_five_seconds() {
    const ROW: Row = Row {
        number: 43,
        test: "Telegram refuses every third message, edit and poll for 1 to 5 s",
        figure: "no call within a pause",
        name: "telegram::pauses::retry_after_of_one_to_five_seconds",
    };
    let mut scene = Scene::start(&[
        ("progress_update_interval_seconds", "1"),
        ("user_requests_per_minute", "600"),
        ("max_concurrent_workers", "4"),
    ])
    .await;
    let number = AtomicU64::new(0);
    let fault = move |call: &Call| -> FaultAction {
        let number = number.fetch_add(1, Ordering::Relaxed);
        let pause = Duration::from_secs(1 + number / 3 % 5);
        if number.is_multiple_of(3) && (call.chat.is_some() || call.method == Method::GetUpdates) {
            Effect::Refuse(Refusal::TooMany(pause)).into()
        } else {
            Effect::Pass.into()
        }
    };
    set_fault(&scene, fault);
    let users = users(&scene, 4);
    let times = rounds(1);
    let mut all = Vec::new();
    for round in 0..times {
        let mut sent = Vec::new();
        for (index, user) in users.iter().enumerate() {
            for part in ["раз", "два"] {
                let script = "progress 20;wait 1200;progress 60;wait 1200";
                sent.push(send_recording(&mut scene, user, script, format!("терпение {part} {round} {index}")));
            }
        }
        all_answered(&sent).await;
        all.extend(sent);
    }
    scene.api().set_fault(None);
    let calls = calls(&scene);
    scene.shut_down().await;
    let took: Vec<_> = all.iter().map(|(sent, text)| answered_once(sent, text)).collect();
    let demanded = pauses(&calls);
    assert!(demanded.count >= 3, "{}", demanded.count);
    assert!(demanded.broken.is_empty(), "calls within pauses: {:#?}", demanded.broken);
    let found = format!(
        "{} pauses, 0 calls within; the next call after {}; {} of {} answered once, after {}",
        demanded.count,
        spread(&demanded.after),
        took.len(),
        all.len(),
        spread(&took),
    );
    measured(&ROW, times, &found);
}

#[tokio::test]
async fn retry_after_for_the_whole_bot() {
    const ROW: Row = Row {
        number: 47,
        test: "Telegram refuses all chats of the bot for 5 s; 20 users have just sent a message",
        figure: "the bot stops calling for each of them",
        name: "telegram::pauses::retry_after_for_the_whole_bot",
    };
    const USERS: usize = 20;
    let mut scene = Scene::start(&[("max_concurrent_workers", "4")]).await;
    let times = rounds(1);
    let (mut took, mut refused) = (Vec::new(), Vec::new());
    for round in 0..times {
        let end: Mutex<Option<Instant>> = Mutex::new(None);
        let fault = move |call: &Call| -> FaultAction {
            if call.chat.is_none() {
                return Effect::Pass.into();
            }
            let now = Instant::now();
            let end = *end.lock().unwrap().get_or_insert(now + Duration::from_secs(5));
            let left = end.saturating_duration_since(now);
            if left.is_zero() {
                return Effect::Pass.into();
            }
            // A retry-after has whole seconds.
            let wait = Duration::from_secs(left.as_millis().div_ceil(1000) as u64);
            Effect::Refuse(Refusal::TooMany(wait)).into()
        };
        let before = calls(&scene).len();
        set_fault(&scene, fault);
        let users = users(&scene, USERS);
        let mut all = Vec::new();
        for (index, user) in users.iter().enumerate() {
            all.push(send_recording(&mut scene, user, "wait 10", format!("тишина {index} {round}")));
        }
        all_answered(&all).await;
        took.extend(all.iter().map(|(sent, text)| answered_once(sent, text)));
        let calls = calls(&scene).split_off(before);
        assert!(pauses(&calls).broken.is_empty());
        refused.push(
            calls.iter().filter(|call| matches!(call.outcome, CallOutcome::Refused(Refusal::TooMany(_)))).count(),
        );
        assert!(calls.iter().all(|call| call.fault == "pass" || call.method != Method::GetUpdates));
    }
    scene.shut_down().await;
    let most = *refused.iter().max().unwrap();
    // Three refusals show that all chats are concerned; some calls were under way.
    assert!((3..USERS).contains(&most), "{most}");
    let found = format!("{most} calls refused at most; {0} of {0} answered once, after {1}", took.len(), spread(&took));
    measured(&ROW, times, &found);
}
