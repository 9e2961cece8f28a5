//! The bot is killed repeatedly during the same work, which must not cause an apology.

use std::time::Duration;

use stenobot_simulator::users::SentMessage;

use super::figures::{Dice, spread};
use super::score::Score;
use super::{Row, measured, rounds};
use crate::recordings::{Gate, scripted};
use crate::scene::{Scene, answered};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_the_same_request() {
    const ROW: Row = Row {
        number: 4,
        test: "kill -9 of the bot three to six times while the engine transcribes the same request",
        figure: "its text each time, 0 apologies, 0 answered twice",
        name: "kills::over_the_same_request",
    };
    let rounds = rounds(2);
    let mut scene = Scene::start(&[]).await;
    let (mut took, mut all, mut kills) = (Vec::new(), Vec::new(), 0);
    for round in 0..rounds {
        let gate = Gate::new().await;
        let text = format!("упорно {round}");
        let sent = scene.send_voice(&scripted(3, &format!("{};say {text}", gate.instruction())));
        // 3, 6, 5, 4.
        for _ in 0..3 + 3 * round % 4 {
            let busy = gate.wait_reached().await;
            scene.bot.kill().await.unwrap();
            drop(busy);
            kills += 1;
            scene.bot.restart().await.unwrap();
        }
        let before = scene.api().now();
        gate.wait_reached().await.release();
        assert_eq!(scene.text(&sent).await, text);
        took.push(scene.api().now() - before);
        all.push(sent);
    }
    write_row(&ROW, rounds, kills, scene, &all, &took).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_random_during_twelve_recordings() {
    const ROW: Row = Row {
        number: 5,
        test: "kill -9 of the bot four times at random within 12 voices",
        figure: "12 texts, 0 apologies, 0 answered twice",
        name: "kills::at_random_during_twelve_recordings",
    };
    /// Maximum time from a start to the kill in milliseconds: each recording takes a part of it.
    const MAX_UPTIME_MS: usize = 400;
    let rounds = rounds(1);
    let mut scene = Scene::start(&[]).await;
    let (mut took, mut all) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let mut dice = Dice::new(round as u64);
        let text = |number: usize| format!("голос {number} круга {round}");
        let sent: Vec<SentMessage> =
            (0..12).map(|number| scene.send_voice(&scripted(3, &format!("wait 400;say {}", text(number))))).collect();
        for _ in 0..4 {
            // A random moment: no event marks it.
            tokio::time::sleep(Duration::from_millis(dice.below(MAX_UPTIME_MS) as u64)).await;
            scene.bot.kill().await.unwrap();
            scene.bot.restart().await.unwrap();
        }
        let before = scene.api().now();
        for (number, sent) in sent.iter().enumerate() {
            assert_eq!(answered(scene.answer(sent).await), text(number));
        }
        took.push(scene.api().now() - before);
        scene.wait_until_closed().await;
        all.extend(sent);
    }
    write_row(&ROW, rounds, 4 * rounds, scene, &all, &took).await;
}

/// Counts all requests, once no more messages follow, and writes the row. All texts were checked before.
async fn write_row(row: &Row, rounds: usize, kills: usize, scene: Scene, all: &[SentMessage], took: &[Duration]) {
    let scene = scene.into_stopped().await;
    Score::default().count(&scene, all);
    let texts = format!("{kills} kills, {0} of {0} texts: 0 apologies, 0 answered twice", all.len());
    measured(row, rounds, &format!("{texts}; the last text after the last start within {}", spread(took)));
}
