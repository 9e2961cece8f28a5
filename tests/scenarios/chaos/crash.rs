//! The bot is killed before and after each commit, and during long operations; its successor resumes.

use std::os::unix::process::ExitStatusExt;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use rustix::process::Signal;
use stenobot_domain::RequestId;
use stenobot_simulator::server::{Call, Effect, FaultAction, Method};
use stenobot_simulator::users::SentMessage;
use stenobot_simulator::voices::Voice;
use stenobot_telegram::Action;

use super::score::Score;
use super::{Row, measured, rounds};
use crate::recordings::{Gate, WaitingEngine, scripted};
use crate::scene::{SCENARIO_TIMEOUT, Scene, eventually, signal};

/// From the restart to the last answer.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(90);
/// Bots run concurrently, because they mostly wait.
const MAX_CONCURRENT: usize = 4;

/// What a user does so that the bot reaches the point.
#[derive(Clone, Copy)]
enum UserAction {
    /// Sends a recording.
    Voice,
    /// Sends the same recording as another user whose request waits.
    Same,
    /// Sends a recording whose text takes several messages.
    Long,
    /// Sends a recording with a claimed length over the limit.
    TooLong,
    /// Sends a damaged file.
    Damaged,
    /// Cancels a queued request.
    Cancel,
    /// Sends a recording that crashes the engine once.
    Retried,
}

/// Points at which the bot is killed, in the order in which a request reaches them.
const COMMITS: [(&str, UserAction); 25] = [
    // An update was fetched and not committed.
    ("before admission", UserAction::Voice),
    ("after admission", UserAction::Voice),
    ("after claim of a download", UserAction::Voice),
    ("before status message", UserAction::Voice),
    ("after status message", UserAction::Voice),
    ("before downloaded", UserAction::Voice),
    ("after downloaded", UserAction::Voice),
    ("before queued", UserAction::Voice),
    ("after queued", UserAction::Voice),
    ("after claim of a transcription", UserAction::Voice),
    ("before transcribing", UserAction::Voice),
    ("after transcribing", UserAction::Voice),
    ("before release", UserAction::Retried),
    ("after release", UserAction::Retried),
    ("before transcribed", UserAction::Voice),
    ("after transcribed", UserAction::Voice),
    ("after claim of a joined one", UserAction::Same),
    // A part of the answer was sent and not committed.
    ("before part", UserAction::Long),
    ("after part", UserAction::Long),
    ("before part message", UserAction::Long),
    ("after part message", UserAction::Long),
    ("before part #2", UserAction::Long),
    // The whole answer was sent and not committed.
    ("before done", UserAction::Voice),
    ("before done", UserAction::Same),
    ("after done", UserAction::Voice),
];

/// Points of requests that end without a text.
const NOTICES: [(&str, UserAction); 10] = [
    ("before refusal", UserAction::TooLong),
    ("after refusal", UserAction::TooLong),
    ("before settlement", UserAction::Damaged),
    ("after settlement", UserAction::Damaged),
    ("before told", UserAction::Damaged),
    ("after told", UserAction::Damaged),
    ("before cancel", UserAction::Cancel),
    ("after cancel", UserAction::Cancel),
    ("before told", UserAction::Cancel),
    ("after told", UserAction::TooLong),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_every_commit() {
    const ROW: Row = Row {
        number: 1,
        test: "kill -9 before and after each commit: update fetched, committed, downloaded, queued, transcribing, transcribed, \
               answer sent but not committed, done",
        figure: "0 lost, 0 answered twice, recovery <= 90 s",
        name: "crash::at_every_commit",
    };
    let (rounds, score) = kill_at_points(&COMMITS).await;
    measured(&ROW, rounds, &format!("{} points; {}", COMMITS.len(), score.to_text()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_every_commit_of_a_refusal_an_apology_or_a_cancel() {
    const ROW: Row = Row {
        number: 2,
        test: "kill -9 before and after each commit of a refusal, an apology, a cancel",
        figure: "0 lost, 0 answered twice, recovery <= 90 s",
        name: "crash::at_every_commit_of_a_refusal_an_apology_or_a_cancel",
    };
    let (rounds, score) = kill_at_points(&NOTICES).await;
    measured(&ROW, rounds, &format!("{} points; {}", NOTICES.len(), score.to_text()));
}

async fn kill_at_points(points: &[(&'static str, UserAction)]) -> (usize, Score) {
    let rounds = rounds(1);
    let scores = futures::stream::iter(points.iter().copied()).map(|(moment, action)| kill_at(moment, action, rounds));
    let all = scores.buffer_unordered(MAX_CONCURRENT).collect::<Vec<_>>().await;
    let mut score = Score::default();
    all.into_iter().for_each(|other| score.add(other));
    assert!(score.slowest_recovery() < RECOVERY_TIMEOUT, "{}", score.to_text());
    (rounds, score)
}

/// Kills at one point repeatedly, on one store.
async fn kill_at(moment: &str, action: UserAction, rounds: usize) -> Score {
    let mut scene = Scene::start(&[]).await;
    let (mut score, mut all) = (Score::default(), Vec::new());
    for round in 0..rounds {
        scene.bot.set_variable("CRASH_AT", Some(moment));
        scene.bot.restart().await.unwrap();
        let gate = Gate::new().await;
        let (sent, busy) = perform(&mut scene, action, &gate, round).await;
        wait_until_killed(&mut scene, moment).await;
        drop(busy);
        scene.bot.set_variable("CRASH_AT", None);
        score.recovered(recover(&mut scene, &gate, &sent).await);
        all.extend(sent);
    }
    // Counted after the shutdown, because duplicates would arrive later.
    let scene = scene.into_stopped().await;
    score.count(&scene, &all);
    score
}

async fn wait_until_killed(scene: &mut Scene, when: &str) {
    let bot = scene.bot.process().unwrap();
    let status = eventually(&format!("the bot is killed {when}"), bot.wait_for_exit()).await.unwrap();
    assert_eq!(status.signal(), Some(Signal::KILL.as_raw()), "{when}: {status}");
}

/// Restarts the bot and waits for all answers; gives the time.
async fn recover(scene: &mut Scene, gate: &Gate, sent: &[SentMessage]) -> Duration {
    let before = scene.api().now();
    scene.bot.restart().await.unwrap();
    let _ = wait_for_answers(scene, gate, sent).await;
    scene.api().now() - before
}

/// Waits for all answers; gives the time.
async fn wait_for_answers(scene: &Scene, gate: &Gate, sent: &[SentMessage]) -> Duration {
    let before = scene.api().now();
    let answers = async {
        for sent in sent {
            sent.final_answer(SCENARIO_TIMEOUT).await.unwrap();
        }
        scene.wait_until_closed().await;
    };
    // Further attempts pass the gate.
    let doorkeeper = async {
        loop {
            gate.wait_reached().await.release();
        }
    };
    tokio::select! {
        () = answers => {}
        () = doorkeeper => {}
    }
    scene.api().now() - before
}

/// Brings the bot to the point; gives the messages that must be answered, and an engine to hold meanwhile.
async fn perform(
    scene: &mut Scene,
    action: UserAction,
    gate: &Gate,
    round: usize,
) -> (Vec<SentMessage>, Option<WaitingEngine>) {
    let voice = |text: &str| scripted(3, &format!("say {text} {round}"));
    let held = |text: &str| scripted(3, &format!("{};say {text} {round}", gate.instruction()));
    let sent = match action {
        UserAction::Voice => vec![scene.send_voice(&voice("первая")), scene.send_voice(&voice("вторая"))],
        UserAction::Long => vec![scene.send_voice(&voice(&"долгая речь ".repeat(900)))],
        UserAction::TooLong => {
            let long = Voice { duration: Duration::from_secs(300), ..voice("длинная") };
            vec![scene.send_voice(&long), scene.send_voice(&voice("короткая"))]
        }
        UserAction::Damaged => {
            let mut bytes = b"OggS".to_vec();
            bytes.extend(std::iter::repeat_n(round as u8, 2000));
            let damaged = Voice { bytes: bytes.into(), ..voice("битая") };
            vec![scene.send_voice(&damaged), scene.send_voice(&voice("целая"))]
        }
        UserAction::Retried => {
            let sent = scene.send_voice(&held("со второго раза"));
            signal(gate.wait_reached().await.pid, Signal::KILL);
            vec![sent]
        }
        UserAction::Same => {
            let blocker = scene.send_voice(&held("ждём"));
            let busy = gate.wait_reached().await;
            let first = scene.send_voice(&voice("одно на двоих"));
            scene.wait_for_positions(std::slice::from_ref(&first), &[1]).await;
            let same = scene.new_user("Борис", "ru").forward(&first).unwrap();
            same.wait_for("it stands in the queue", SCENARIO_TIMEOUT, |trail| trail.latest.clone()).await.unwrap();
            busy.release();
            vec![blocker, first, same]
        }
        UserAction::Cancel => {
            let blocker = scene.send_voice(&held("ждём"));
            let busy = gate.wait_reached().await;
            let boris = scene.new_user("Борис", "ru");
            let sent = boris.send_voice(&voice("не надо"));
            scene.wait_for_positions(std::slice::from_ref(&sent), &[1]).await;
            let message = sent.status().unwrap();
            let id = RequestId(scene.row(&sent).await.id);
            let _ = boris.send_callback(message, &Action::Cancel(id).encode());
            return (vec![blocker, sent], Some(busy));
        }
    };
    (sent, None)
}

#[derive(Clone, Copy)]
enum Victim {
    Bot,
    Engine,
    Both,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn during_download_and_transcription() {
    const ROW: Row = Row {
        number: 3,
        test: "kill -9 of the bot while it downloads; of bot, engine, both while the engine transcribes",
        figure: "0 lost, 0 answered twice, recovery <= 90 s",
        name: "crash::during_download_and_transcription",
    };
    let rounds = rounds(1);
    let mut scene = Scene::start(&[]).await;
    let (mut score, mut all) = (Score::default(), Vec::new());
    for round in 0..rounds {
        let gate = Gate::new().await;
        let stall = |call: &Call| -> FaultAction {
            let delay = if call.method == Method::Download { SCENARIO_TIMEOUT } else { Duration::ZERO };
            FaultAction { delay, effect: Effect::Pass }
        };
        scene.api().set_fault(Some(Arc::new(stall)));
        let sent = vec![scene.send_voice(&scripted(3, &format!("say скачано {round}")))];
        let asked = scene.calls(Method::GetFile);
        scene.wait_for_calls(Method::GetFile, asked.max(1)).await;
        sent[0].wait_for("the file is being fetched", SCENARIO_TIMEOUT, |trail| trail.latest.clone()).await.unwrap();
        scene.bot.kill().await.unwrap();
        scene.api().set_fault(None);
        score.recovered(recover(&mut scene, &gate, &sent).await);
        all.extend(sent);

        for victim in [Victim::Bot, Victim::Engine, Victim::Both] {
            let held = format!("{};say услышано {round}", gate.instruction());
            let sent = vec![scene.send_voice(&scripted(3, &held)), scene.send_voice(&scripted(3, "say следующая"))];
            let busy = gate.wait_reached().await;
            match victim {
                Victim::Bot => drop(scene.bot.kill().await.unwrap()),
                Victim::Engine => signal(busy.pid, Signal::KILL),
                Victim::Both => {
                    signal(busy.pid, Signal::KILL);
                    scene.bot.kill().await.unwrap();
                }
            }
            drop(busy);
            score.recovered(match victim {
                Victim::Bot | Victim::Both => recover(&mut scene, &gate, &sent).await,
                Victim::Engine => wait_for_answers(&scene, &gate, &sent).await,
            });
            all.extend(sent);
        }
    }
    assert!(score.slowest_recovery() < RECOVERY_TIMEOUT, "{}", score.to_text());
    let scene = scene.into_stopped().await;
    score.count(&scene, &all);
    measured(&ROW, rounds, &score.to_text());
}
