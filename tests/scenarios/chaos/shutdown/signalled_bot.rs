//! One bot that is repeatedly stopped under load, started again, and checked.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use stenobot_simulator::answers::{Trail, trail};
use stenobot_simulator::server::{Call, Effect, FaultAction, Method, Refusal, State};
use stenobot_simulator::users::SentMessage;
use tokio::sync::Notify;

use super::{EXIT_TIMEOUT, GRACE_PERIOD, SIGNAL_INTERVAL};
use crate::chaos::figures::Dice;
use crate::recordings::{Gate, WaitingEngine, scripted};
use crate::scene::{SCENARIO_TIMEOUT, Scene, eventually, signal};

/// When the signal is sent.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// After so many updates were delivered to the bot.
    Delivered(usize),
    /// During the n-th call.
    Call(usize),
    /// While the engine works for longer than the grace period.
    Working,
    /// While the engine works and finishes at once.
    Finishing,
    /// While a download is stalled.
    Stalled,
    /// During a retry-after.
    RetryAfter,
    /// After Telegram has accepted an answer, before the bot gets the response.
    Answering,
}

impl Moment {
    fn of(round: usize, dice: &mut Dice) -> Self {
        match round % 7 {
            0 => Self::Delivered(1 + dice.below(5)),
            1 => Self::Call(1 + dice.below(25)),
            2 => Self::Working,
            3 => Self::Finishing,
            4 => Self::Stalled,
            5 => Self::RetryAfter,
            _ => Self::Answering,
        }
    }
}

/// The signals sent.
#[derive(Debug, Clone, Copy)]
pub(super) enum Signals {
    Once(Signal),
    Twice(Signal, Signal),
}

/// One bot that is stopped repeatedly.
pub(super) struct SignalledBot {
    pub(super) scene: Scene,
    gate: Gate,
    dice: Dice,
}

impl SignalledBot {
    pub(super) async fn new(seed: usize) -> Self {
        let grace_period = GRACE_PERIOD.as_secs().to_string();
        let scene = Scene::start(&[("shutdown_timeout_seconds", grace_period.as_str())]).await;
        Self { scene, gate: Gate::new().await, dice: Dice::new(seed as u64) }
    }

    /// Injects the fault that the moment needs; the result is notified when it is applied.
    fn fault(&mut self, moment: Moment) -> Arc<Notify> {
        let (injected, calls) = (Arc::new(Notify::new()), AtomicUsize::new(0));
        let notify = injected.clone();
        let pause = Duration::from_secs(1 + self.dice.below(3) as u64);
        let fault = move |call: &Call| -> FaultAction {
            let is_text = matches!(call.method, Method::EditMessageText | Method::SendMessage);
            match moment {
                Moment::Call(wanted) => {
                    if calls.fetch_add(1, Ordering::SeqCst) + 1 == wanted {
                        notify.notify_one();
                    }
                    Effect::Pass.into()
                }
                Moment::Stalled if call.method == Method::Download => {
                    notify.notify_one();
                    FaultAction { delay: SCENARIO_TIMEOUT, effect: Effect::Pass }
                }
                Moment::RetryAfter if is_text => {
                    notify.notify_one();
                    Effect::Refuse(Refusal::TooMany(pause)).into()
                }
                Moment::Answering if is_text => Effect::Slow { piece: 4000, pause: Duration::from_millis(200) }.into(),
                Moment::Delivered(_)
                | Moment::Working
                | Moment::Finishing
                | Moment::Stalled
                | Moment::RetryAfter
                | Moment::Answering => Effect::Pass.into(),
            }
        };
        self.scene.api().set_fault(Some(Arc::new(fault)));
        injected
    }

    /// Five users: one with a text of two messages, one whose recording waits at the gate.
    fn load(&mut self, moment: Moment) -> Vec<(SentMessage, String)> {
        let long = "Очень длинный рассказ о том, как всё было. ".repeat(150).trim().to_owned();
        let mut scripts = vec![
            (format!("wait 100;say {long}"), long),
            ("wait 200;say второй".to_owned(), "второй".to_owned()),
            ("say третий".to_owned(), "третий".to_owned()),
            ("progress 50;wait 300;say четвёртый".to_owned(), "четвёртый".to_owned()),
            ("say пятый".to_owned(), "пятый".to_owned()),
        ];
        if matches!(moment, Moment::Working | Moment::Finishing) {
            let at = self.dice.below(scripts.len());
            scripts[at] = (format!("{};say у ворот", self.gate.instruction()), "у ворот".to_owned());
        }
        scripts.into_iter().map(|(script, text)| (self.scene.send_voice(&scripted(3, &script)), text)).collect()
    }

    /// Waits for the moment.
    async fn reach(&self, moment: Moment, injected: &Notify, sent: &[(SentMessage, String)]) -> Option<WaitingEngine> {
        let api = self.scene.api();
        match moment {
            Moment::Delivered(wanted) => {
                let delivered = |state: &State| {
                    let trails = sent.iter().map(|(sent, _)| trail(state, sent.chat(), sent.id()));
                    trails.filter(|trail| trail.delivered.is_some()).count()
                };
                eventually("updates are delivered", api.wait_for(|state| (delivered(state) >= wanted).then_some(())))
                    .await;
            }
            Moment::Call(_) | Moment::Stalled | Moment::RetryAfter => {
                eventually("the fault is injected", injected.notified()).await
            }
            Moment::Working | Moment::Finishing => return Some(self.gate.wait_reached().await),
            Moment::Answering => {
                let answered =
                    |state: &State, sent: &SentMessage| trail(state, sent.chat(), sent.id()).answer().is_some();
                let some = api.wait_for(|state| sent.iter().any(|(sent, _)| answered(state, sent)).then_some(()));
                eventually("an answer is there", some).await;
            }
        }
        None
    }

    /// Stops the bot at a moment, starts it again, and asserts that every user has exactly one answer. Gives the time from the
    /// last signal to the end of the process.
    pub(super) async fn round(&mut self, round: usize, signals: Signals) -> Duration {
        let moment = Moment::of(round, &mut self.dice);
        let injected = self.fault(moment);
        let sent = self.load(moment);
        let mut held = self.reach(moment, &injected, &sent).await;
        let pid = self.scene.bot.process().unwrap().pid();
        let mut before = self.scene.api().now();
        match signals {
            Signals::Once(one) => signal(pid, one),
            Signals::Twice(one, two) => {
                signal(pid, one);
                tokio::time::sleep(SIGNAL_INTERVAL).await;
                before = self.scene.api().now();
                signal(pid, two);
            }
        }
        if matches!(moment, Moment::Finishing) {
            held = None;
        }
        let status = self.scene.bot.wait_for_exit(GRACE_PERIOD + EXIT_TIMEOUT).await.unwrap();
        let took = self.scene.api().now() - before;
        assert!(status.success(), "{moment:?}, {signals:?}: {status} after {took:?}");
        drop(held);
        self.scene.api().set_fault(None);
        self.scene.bot.restart().await.unwrap();
        let gate_again = async {
            // Releases an attempt after the restart, if there is one.
            loop {
                self.gate.wait_reached().await.release();
            }
        };
        let answers = async {
            for (sent, _) in &sent {
                sent.final_answer(SCENARIO_TIMEOUT).await.unwrap();
            }
        };
        if matches!(moment, Moment::Working | Moment::Finishing) {
            tokio::select! {
                () = answers => {}
                () = gate_again => {}
            }
        } else {
            answers.await;
        }
        for (sent, text) in &sent {
            // Further parts of a long text follow its first message.
            let whole = |trail: &Trail| {
                let spoken = trail.answer()?.spoken()?;
                (spoken.split_whitespace().count() >= text.split_whitespace().count()).then_some(())
            };
            sent.wait_for("the whole text", SCENARIO_TIMEOUT, whole).await.unwrap();
            self.scene.spoken.add(text);
            let trail = sent.trail();
            let what = format!("{moment:?}, {signals:?}: {}", sent.history());
            assert_eq!(trail.answers.len(), 1, "{what}");
            assert!(!trail.overwritten, "{what}");
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            assert_eq!(words(&trail.answers[0].spoken().unwrap()), words(text), "{what}");
        }
        took
    }
}
