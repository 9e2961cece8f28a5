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
const ENGINE_FREE_TIMEOUT: Duration = Duration::from_secs(7);

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
    Unresponsive,
    /// After Telegram has accepted the answer, before the bot gets the response.
    Delivering,
}

impl Moment {
    fn of(round: usize, dice: &mut Dice) -> Self {
        match round % 7 {
            0 => Self::AtOnce,
            1 => Self::Call(1 + dice.below(8)),
            2 => Self::Downloading,
            3 => Self::Queued,
            4 => Self::Working,
            5 => Self::Unresponsive,
            _ => Self::Delivering,
        }
    }

    /// The fault that brings the moment about; notifies `reached` when it is applied.
    fn fault(self, reached: Arc<Notify>) -> impl Fn(&Call) -> FaultAction + Send + Sync {
        let calls = AtomicUsize::new(0);
        move |call: &Call| match self {
            Self::Call(wanted) => {
                if calls.fetch_add(1, Ordering::SeqCst) + 1 == wanted {
                    reached.notify_one();
                }
                Effect::Pass.into()
            }
            Self::Downloading if call.method == Method::Download => {
                reached.notify_one();
                FaultAction { delay: SCENARIO_TIMEOUT, effect: Effect::Pass }
            }
            Self::Delivering if call.method == Method::EditMessageText => {
                Effect::Slow { piece: 4000, pause: Duration::from_millis(300) }.into()
            }
            Self::AtOnce | Self::Downloading | Self::Queued | Self::Working | Self::Unresponsive | Self::Delivering => {
                Effect::Pass.into()
            }
        }
    }
}

/// Cancels by the button under the status message, or by the command.
fn cancel(user: &User, sent: &SentMessage, dice: &mut Dice) {
    let status = sent.status();
    let button = status.and_then(|status| user.keyboard(status).into_iter().flatten().next());
    match (status, button) {
        (Some(status), Some(button)) if dice.below(2) == 0 => drop(user.send_callback(status, &button.data)),
        (_, _) => drop(user.send_command("cancel")),
    }
}

/// Results of some rounds.
#[derive(Default)]
struct Results {
    cancelled: usize,
    answered: usize,
    answer_times: Vec<Duration>,
    next_times: Vec<Duration>,
}

async fn cancel_rounds(bot: usize, bots: usize, times: usize) -> Results {
    let mut scene = Scene::start(&[]).await;
    let (gate, mut dice, mut found) = (Gate::new().await, Dice::new(bot as u64), Results::default());
    for round in (bot..times).step_by(bots) {
        let moment = Moment::of(round, &mut dice);
        let reached = Arc::new(Notify::new());
        scene.api().set_fault(Some(Arc::new(moment.fault(reached.clone()))));
        let held = if moment == Moment::Queued {
            let before = scene.send_voice(&scripted(3, &format!("{};say занято", gate.instruction())));
            Some((before, gate.wait_reached().await))
        } else {
            None
        };
        let user = scene.new_user("Анна", "ru");
        let script = match moment {
            Moment::Working => "linger 20".to_owned(),
            Moment::Unresponsive => format!("{};unresponsive", gate.instruction()),
            Moment::AtOnce | Moment::Call(_) | Moment::Downloading | Moment::Queued | Moment::Delivering => {
                "wait 50;say передумала".to_owned()
            }
        };
        let sent = user.send_voice(&scripted(3, &script));
        let api = scene.api().clone();
        match moment {
            Moment::AtOnce => {}
            Moment::Call(_) | Moment::Downloading => eventually("the fault is injected", reached.notified()).await,
            Moment::Queued => {
                let queued = |latest: &Option<BotText>| matches!(latest, Some(BotText::Queued { .. })).then_some(());
                sent.wait_for("a position in the queue", SCENARIO_TIMEOUT, |trail| queued(&trail.latest))
                    .await
                    .unwrap();
            }
            Moment::Working => {
                sent.wait_for("it has begun", SCENARIO_TIMEOUT, |trail| trail.started).await.unwrap();
            }
            Moment::Unresponsive => gate.wait_reached().await.release(),
            Moment::Delivering => {
                let there = |state: &State| trail(state, sent.chat(), sent.id()).answer().map(|_| ());
                eventually("the answer is there", api.wait_for(there)).await;
            }
        }
        if moment != Moment::Delivering {
            // A stalled call stays stalled.
            api.set_fault(None);
        }
        let before = api.now();
        cancel(&user, &sent, &mut dice);
        let next = scene.send_voice(&scripted(3, "say следующий"));
        match scene.answer(&sent).await {
            RequestOutcome::Cancelled => found.cancelled += 1,
            RequestOutcome::Answered(text) if matches!(moment, Moment::Call(_) | Moment::Delivering) => {
                assert_eq!(text, "передумала");
                found.answered += 1;
            }
            other => panic!("{moment:?}: {other:?}, {}", sent.history()),
        }
        let answered_at = sent.trail().answers[0].at;
        found.answer_times.push(answered_at.saturating_sub(before));
        if let Some((first, held)) = held {
            held.release();
            assert_eq!(scene.text(&first).await, "занято");
        } else {
            assert_eq!(scene.text(&next).await, "следующий");
            found.next_times.push(next.trail().answers[0].at.saturating_sub(before));
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
    const BOTS: usize = 2;
    let times = rounds(7);
    let found = join_all((0..BOTS).map(|bot| cancel_rounds(bot, BOTS, times))).await;
    let mut all = Results::default();
    for found in found {
        all.cancelled += found.cancelled;
        all.answered += found.answered;
        all.answer_times.extend(found.answer_times);
        all.next_times.extend(found.next_times);
    }
    assert_eq!(all.cancelled + all.answered, times);
    assert!(all.cancelled > 0);
    let longest = all.next_times.iter().max().unwrap();
    assert!(*longest < ENGINE_FREE_TIMEOUT, "{longest:?}");
    let Results { cancelled, answered, answer_times, next_times } = all;
    let found = format!(
        "{cancelled} stopped, {answered} were too late and answered; the last word after {}; the next answered after {}",
        spread(&answer_times),
        spread(&next_times)
    );
    measured(&ROW, times, &found);
}
