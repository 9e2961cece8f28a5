//! Somebody stops their request, at any moment of its life.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::join_all;
use stenobot_simulator::answers::{Said, Verdict as Final, trail};
use stenobot_simulator::people::{Person, Sent};
use stenobot_simulator::server::{Call, Effect, Method, State, Verdict};
use tokio::sync::Notify;

use super::figures::{Dice, spread};
use super::{Row, measured, rounds};
use crate::recordings::{Gate, scripted};
use crate::scene::{PATIENCE, Scene, soon};

/// From the wish to the engine at work for somebody else: its grace is 2 s, and a new one starts.
const FREE_AGAIN: Duration = Duration::from_secs(7);

/// When the wish comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// Right behind the recording.
    AtOnce,
    /// During a call of any kind.
    Call(usize),
    /// While the file does not come.
    Downloading,
    /// While it waits.
    Queued,
    /// While the engine works and can be stopped.
    Working,
    /// While the engine works and hears nothing.
    Deaf,
    /// While the answer is on its way: Telegram has it, the bot does not know.
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

    /// What Telegram does then, and who is told that it happens.
    fn fault(self, struck: Arc<Notify>) -> impl Fn(&Call) -> Verdict + Send + Sync {
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
                Verdict { delay: PATIENCE, effect: Effect::Pass }
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

/// Presses the button under the status message, or writes the command where there is none.
fn wishes(person: &Person, sent: &Sent, dice: &mut Dice) {
    let status = sent.status();
    let button = status.and_then(|status| person.keyboard(status).into_iter().flatten().next());
    match (status, button) {
        (Some(status), Some(button)) if dice.below(2) == 0 => drop(person.presses_anyway(status, &button.data)),
        (_, _) => drop(person.sends_command("cancel")),
    }
}

/// What came of some rounds.
#[derive(Default)]
struct Found {
    cancelled: usize,
    answered: usize,
    words: Vec<Duration>,
    free: Vec<Duration>,
}

async fn lane(lane: usize, lanes: usize, times: usize) -> Found {
    let mut scene = Scene::stand_in(&[]).await;
    let (gate, mut dice, mut found) = (Gate::new().await, Dice::new(lane as u64), Found::default());
    for round in (lane..times).step_by(lanes) {
        let moment = Moment::of(round, &mut dice);
        let struck = Arc::new(Notify::new());
        scene.simulation.api().set_fault(Some(Arc::new(moment.fault(struck.clone()))));
        let held = if moment == Moment::Queued {
            let before = scene.somebody_sends(&scripted(3, &format!("{};say занято", gate.instruction())));
            Some((before, gate.reached().await))
        } else {
            None
        };
        let person = scene.simulation.person("Анна", "ru");
        let script = match moment {
            Moment::Working => "linger 20".to_owned(),
            Moment::Deaf => format!("{};unresponsive", gate.instruction()),
            Moment::AtOnce | Moment::Call(_) | Moment::Downloading | Moment::Queued | Moment::Leaving => {
                "wait 50;say передумала".to_owned()
            }
        };
        let sent = person.sends_voice(&scripted(3, &script));
        let api = scene.simulation.api().clone();
        match moment {
            Moment::AtOnce => {}
            Moment::Call(_) | Moment::Downloading => soon("the fault strikes", struck.notified()).await,
            Moment::Queued => {
                let place = |latest: &Option<Said>| matches!(latest, Some(Said::Queued { .. })).then_some(());
                sent.until("a place in the queue", PATIENCE, |trail| place(&trail.latest)).await.unwrap();
            }
            Moment::Working => {
                sent.until("it has begun", PATIENCE, |trail| trail.started).await.unwrap();
            }
            Moment::Deaf => gate.reached().await.open(),
            Moment::Leaving => {
                let there = |state: &State| trail(state, sent.chat(), sent.id()).answer().map(|_| ());
                soon("the answer is there", api.until(there)).await;
            }
        }
        if moment != Moment::Leaving {
            // What is held up stays so.
            api.set_fault(None);
        }
        let before = api.now();
        wishes(&person, &sent, &mut dice);
        let next = scene.somebody_sends(&scripted(3, "say следующий"));
        match scene.answer(&sent).await {
            Final::Cancelled => found.cancelled += 1,
            Final::Answered(text) if matches!(moment, Moment::Call(_) | Moment::Leaving) => {
                assert_eq!(text, "передумала");
                found.answered += 1;
            }
            other => panic!("{moment:?}: {other:?}, {}", sent.history()),
        }
        let word = sent.trail().answers[0].at;
        found.words.push(word.saturating_sub(before));
        if let Some((first, held)) = held {
            held.open();
            assert_eq!(scene.text(&first).await, "занято");
        } else {
            assert_eq!(scene.text(&next).await, "следующий");
            found.free.push(next.trail().answers[0].at.saturating_sub(before));
        }
        assert_eq!(scene.text(&next).await, "следующий");
        scene.simulation.api().set_fault(None);
        let trail = sent.trail();
        assert_eq!((trail.answers.len(), trail.overwritten), (1, false), "{moment:?}: {}", sent.history());
    }
    // No audio is left then, and nobody without a word.
    scene.end().await;
    found
}

#[tokio::test]
async fn a_wish_to_stop_at_any_moment() {
    const ROW: Row = Row {
        number: 29,
        test: "a person stops a request at any moment of its life",
        figure: "one last word, the engine at work for the next within 7 s, no audio left",
        name: "cancel::a_wish_to_stop_at_any_moment",
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
