//! Files that differ from what Telegram has announced.

use std::time::Duration;

use stenobot_simulator::answers::RequestOutcome;
use stenobot_simulator::server::{CallRecord, Effect, Method, ScriptedFault, State};

use super::oracle::{answered_once, injected_effects};
use super::{all_answered, calls, send_recording, set_fault, users};
use crate::chaos::figures::spread;
use crate::chaos::{Row, measured, rounds};
use crate::recordings::scripted;
use crate::scene::{SCENARIO_TIMEOUT, Scene, eventually};

#[tokio::test]
async fn files_that_differ_from_their_announcement() {
    const ROW: Row = Row {
        number: 45,
        test: "slow, broken, cut, exchanged and grown files, expired links",
        figure: "one answer each, none from half a file",
        name: "telegram::files::files_that_differ_from_their_announcement",
    };
    let limit = 200_000;
    let limits = [("max_file_size_bytes", limit.to_string()), ("user_requests_per_minute", "600".to_owned())];
    let mut scene = Scene::start(&limits.each_ref().map(|(key, value)| (*key, value.as_str()))).await;
    let user = scene.new_user("Анна", "ru");
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
            // Twice, so that a new link is requested twice.
            let times_applied = if matches!(effect, Effect::Expire) { 2 } else { 1 };
            set_fault(&scene, ScriptedFault::new(Method::Download, times_applied, effect));
            let (sent, text) = send_recording(&mut scene, &user, "wait 10", format!("целое {name} {round}"));
            all_answered(&[(sent.clone(), text.clone())]).await;
            took.push(answered_once(&sent, &text));
            wrong += 1;
        }
        // A body over the limit is not written to disk.
        set_fault(&scene, ScriptedFault::new(Method::Download, u32::MAX, Effect::Longer(10 * limit)));
        let sent = scene.send_voice(&scripted(3, "say слишком длинно"));
        assert!(matches!(scene.answer(&sent).await, RequestOutcome::Rejected(_)));
    }
    let kinds = injected_effects(&calls(&scene));
    assert!(kinds.len() >= 8, "{kinds:?}");
    scene.shut_down().await;
    measured(&ROW, times, &format!("{wrong} of {wrong} answered once and whole, after {}", spread(&took)));
}

#[tokio::test]
async fn stalled_downloads_release_their_permits() {
    const ROW: Row = Row {
        number: 46,
        test: "all four concurrent downloads stall; the next user sends (download_timeout_seconds = 5)",
        figure: "no permit is held longer",
        name: "telegram::files::stalled_downloads_release_their_permits",
    };
    const PERMITS: usize = 4;
    let mut scene = Scene::start(&[("download_timeout_seconds", "5")]).await;
    let times = rounds(1);
    let mut took = Vec::new();
    for round in 0..times {
        let stall = Effect::Slow { piece: 1, pause: SCENARIO_TIMEOUT };
        set_fault(&scene, ScriptedFault::new(Method::Download, PERMITS as u32, stall));
        let users = users(&scene, PERMITS + 1);
        let mut all = Vec::new();
        for (index, user) in users.iter().enumerate() {
            if index == PERMITS {
                let taken = |state: &State| {
                    let is_stalled = |call: &&CallRecord| call.method == Method::Download && call.fault == "slow";
                    (state.calls.iter().filter(is_stalled).count() == PERMITS * (round + 1)).then_some(())
                };
                eventually("all places are taken", scene.api().wait_for(taken)).await;
            }
            all.push(send_recording(&mut scene, user, "wait 10", format!("скачано {index} {round}")));
        }
        all_answered(&all).await;
        let times: Vec<_> = all.iter().map(|(sent, text)| answered_once(sent, text)).collect();
        took.push(times[PERMITS]);
    }
    assert!(took.iter().all(|took| *took < Duration::from_secs(10)), "{took:?}");
    let rows = scene.shut_down().await;
    assert_eq!(rows.len(), (PERMITS + 1) * times);
    measured(&ROW, times, &format!("{0} of {0} answered once; the next person after {1}", rows.len(), spread(&took)));
}
