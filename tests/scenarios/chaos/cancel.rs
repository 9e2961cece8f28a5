//! A user cancels a request at any moment of its life.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::join_all;
use stenobot_simulator::answers::{BotText, RequestOutcome, trail};
use stenobot_simulator::server::{Call, Effect, FaultAction, Method, State};
use stenobot_simulator::users::{SentMessage, User};
use tokio::sync::Notify;

use super::figures::{Dice, spread};
use super::{Row, measured, rounds};
use crate::recordings::{Gate, scripted};
use crate::scene::{SCENARIO_TIMEOUT, Scene, eventually};

/// From the cancel to the engine working on the next request: the grace period of 2 s and the start of a new engine.
const FREE_AGAIN: Duration = Duration::from_secs(7);

/// When the user cancels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// Directly after sending the recording.
    AtOnce,
    /// During the n-th call.
    Call(usize),
    /// While the download is stalled.
    Downloading,
    /// While the request is queued.
    Queued,
    /// While the engine works and responds to a cancellation.
    Working,
    /// While the engine works and does not respond to a cancellation.
    Deaf,
    /// After Telegram has accepted the answer, before the bot gets the response.
    Leaving,
}

impl Moment {
    fn of(round: usize, dice: &mut Dice) -> Self {
        match round % 7 {
            0 => Self::AtOnce,
            1 => Self::Call(1 + dice.below(8)),
            2 => Self::Downloading,
            3 => Self::Queued,
            4 => Self::Working,
            5 => Self::Deaf,
            _ => Self::Leaving,
        }
    }

    /// The fault that brings the moment about; notifies `struck` when it is applied.
    fn fault(self, struck: Arc<Notify>) -> impl Fn(&Call) -> FaultAction + Send + Sync {
        let calls = AtomicUsize::new(0);
        move |call: &Call| match self {
            Self::Call(wanted) => {
                if calls.fetch_add(1, Ordering::SeqCst) + 1 == wanted {
                    struck.notify_one();
                }
                Effect::Pass.into()
            }
            Self::Downloading if call.method == Method::Download => {
                struck.notify_one();
                FaultAction { delay: SCENARIO_TIMEOUT, effect: Effect::Pass }
            }
            Self::Leaving if call.method == Method::EditMessageText => {
                Effect::Slow { piece: 4000, pause: Duration::from_millis(300) }.into()
            }
            Self::AtOnce | Self::Downloading | Self::Queued | Self::Working | Self::Deaf | Self::Leaving => {
                Effect::Pass.into()
            }
        }
    }
}

/// Cancels by the button under the status message, or by the command.
fn wishes(user: &User, sent: &SentMessage, dice: &mut Dice) {
    let status = sent.status();
    let button = status.and_then(|status| user.keyboard(status).into_iter().flatten().next());
    match (status, button) {
        (Some(status), Some(button)) if dice.below(2) == 0 => drop(user.send_callback(status, &button.data)),
        (_, _) => drop(user.send_command("cancel")),
    }
}

/// Results of some rounds.
#[derive(Default)]
struct Found {
    cancelled: usize,
    answered: usize,
    words: Vec<Duration>,
    free: Vec<Duration>,
}

async fn lane(lane: usize, lanes: usize, times: usize) -> Found {
    let mut scene = Scene::start(&[]).await;
    let (gate, mut dice, mut found) = (Gate::new().await, Dice::new(lane as u64), Found::default());
    for round in (lane..times).step_by(lanes) {
        let moment = Moment::of(round, &mut dice);
        let struck = Arc::new(Notify::new());
        scene.api().set_fault(Some(Arc::new(moment.fault(struck.clone()))));
        let held = if moment == Moment::Queued {
            let before = scene.send_voice(&scripted(3, &format!("{};say занято", gate.instruction())));
            Some((before, gate.wait_reached().await))
        } else {
            None
        };
        let user = scene.new_user("Анна", "ru");
        let script = match moment {
            Moment::Working => "linger 20".to_owned(),
            Moment::Deaf => format!("{};deaf", gate.instruction()),
            Moment::AtOnce | Moment::Call(_) | Moment::Downloading | Moment::Queued | Moment::Leaving => {
                "wait 50;say передумала".to_owned()
            }
        };
        let sent = user.send_voice(&scripted(3, &script));
        let api = scene.api().clone();
        match moment {
            Moment::AtOnce => {}
            Moment::Call(_) | Moment::Downloading => eventually("the fault strikes", struck.notified()).await,
            Moment::Queued => {
                let place = |latest: &Option<BotText>| matches!(latest, Some(BotText::Queued { .. })).then_some(());
                sent.wait_for("a place in the queue", SCENARIO_TIMEOUT, |trail| place(&trail.latest)).await.unwrap();
            }
            Moment::Working => {
                sent.wait_for("it has begun", SCENARIO_TIMEOUT, |trail| trail.started).await.unwrap();
            }
            Moment::Deaf => gate.wait_reached().await.release(),
            Moment::Leaving => {
                let there = |state: &State| trail(state, sent.chat(), sent.id()).answer().map(|_| ());
                eventually("the answer is there", api.wait_for(there)).await;
            }
        }
        if moment != Moment::Leaving {
            // A stalled call stays stalled.
            api.set_fault(None);
        }
        let before = api.now();
        wishes(&user, &sent, &mut dice);
        let next = scene.send_voice(&scripted(3, "say следующий"));
        match scene.answer(&sent).await {
            RequestOutcome::Cancelled => found.cancelled += 1,
            RequestOutcome::Answered(text) if matches!(moment, Moment::Call(_) | Moment::Leaving) => {
                assert_eq!(text, "передумала");
                found.answered += 1;
            }
            other => panic!("{moment:?}: {other:?}, {}", sent.history()),
        }
        let word = sent.trail().answers[0].at;
        found.words.push(word.saturating_sub(before));
        if let Some((first, held)) = held {
            held.release();
            assert_eq!(scene.text(&first).await, "занято");
        } else {
            assert_eq!(scene.text(&next).await, "следующий");
            found.free.push(next.trail().answers[0].at.saturating_sub(before));
        }
        assert_eq!(scene.text(&next).await, "следующий");
        scene.api().set_fault(None);
        let trail = sent.trail();
        assert_eq!((trail.answers.len(), trail.overwritten), (1, false), "{moment:?}: {}", sent.history());
    }
    // Checks that no audio is left and that every sender was informed.
    scene.shut_down().await;
    found
}

#[tokio::test]
async fn cancelled_at_any_moment() {
    const ROW: Row = Row {
        number: 29,
        test: "a user cancels a request at any moment",
        figure: "one final message, the engine works for the next request within 7 s, no audio left",
        name: "cancel::cancelled_at_any_moment",
    };
    const LANES: usize = 2;
    let times = rounds(7);
    let found = join_all((0..LANES).map(|number| lane(number, LANES, times))).await;
    let mut all = Found::default();
    for found in found {
        all.cancelled += found.cancelled;
        all.answered += found.answered;
        all.words.extend(found.words);
        all.free.extend(found.free);
    }
    assert_eq!(all.cancelled + all.answered, times);
    assert!(all.cancelled > 0);
    let longest = all.free.iter().max().unwrap();
    assert!(*longest < FREE_AGAIN, "{longest:?}");
    let Found { cancelled, answered, words, free } = all;
    let found = format!(
        "{cancelled} stopped, {answered} were too late and answered; the last word after {}; the next answered after {}",
        spread(&words),
        spread(&free)
    );
    measured(&ROW, times, &found);
}
