//! The store's file is damaged, under a bot that works and while it is stopped.

use std::os::unix::fs::FileExt;
use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};
use stenobot_simulator::harness::SimulationError;
use stenobot_simulator::server::State;
use stenobot_store::{AfterRestore, BackupError, Contents, ReadOnlyStore, StoreUrl, restore};

use super::storage::{all_answered_once, end, is_confirmed, lost};
use super::{Row, measured, rounds};
use crate::recordings::{Gate, scripted};
use crate::scene::{PATIENCE, Scene, soon};

const PAGE: usize = 4096;

/// Writes rubbish over the page in which the requests begin, with all before it brought into the file.
async fn damage(store: &Path) {
    let mut sql = SqliteConnectOptions::new().filename(store).connect().await.unwrap();
    let page: i64 = sqlx::query_scalar("SELECT rootpage FROM sqlite_master WHERE name = 'usage'")
        .fetch_one(&mut sql)
        .await
        .unwrap();
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut sql).await.unwrap();
    sql.close().await.unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(store).unwrap();
    file.write_all_at(&[0xA5; PAGE], (page.cast_unsigned() - 1) * PAGE as u64).unwrap();
}

const SENTENCE: &str = "the store is damaged or is no SQLite database: put a backup back with `stenobot restore FILE`";

/// A start is refused with the sentence, and asks Telegram for nothing.
async fn refuses_to_start(scene: &mut Scene) {
    let before = scene.simulation.api().read(State::polls);
    match scene.simulation.restart().await.unwrap_err() {
        SimulationError::Ended { status, log } => {
            assert_eq!(status.code(), Some(1));
            assert!(log.lines().last().unwrap_or_default().contains(SENTENCE), "{log}");
        }
        other => panic!("{other}"),
    }
    assert_eq!(scene.simulation.api().read(State::polls), before);
}

async fn put_back(scene: &mut Scene, copy: &Path) {
    let _ = restore(copy, &StoreUrl::sqlite(scene.simulation.store()), AfterRestore::Continue).await.unwrap();
    scene.simulation.restart().await.unwrap();
}

/// Copies the store beside the running bot.
async fn backup(scene: &Scene, copy: &Path) -> Result<Contents, BackupError> {
    let store = ReadOnlyStore::open(&StoreUrl::sqlite(scene.simulation.store())).await?;
    store.backup(copy, false).await
}

#[tokio::test]
async fn a_page_is_damaged_while_the_bot_runs() {
    const ROW: Row = Row {
        number: 57,
        test: "a page of the store is overwritten while the bot runs",
        figure: "stops with status 1 and one error that names the remedy; after `restore` 0 lost, each answered once",
        name: "damage::a_page_is_damaged_while_the_bot_runs",
    };
    let times = rounds(1);
    let mut took = Vec::new();
    for _ in 0..times {
        let mut scene = Scene::stand_in(&[]).await;
        let gate = Gate::new().await;
        let waits = scene.somebody_sends(&scripted(3, &format!("{};say начатое", gate.instruction())));
        let held = gate.reached().await;
        waits.until("it has begun", PATIENCE, |trail| trail.started).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let copy = folder.path().join("copy.db");
        let _ = backup(&scene, &copy).await.unwrap();

        damage(&scene.simulation.store()).await;
        let from = scene.simulation.api().now();
        let new = scene.somebody_sends(&scripted(3, "say новое"));
        held.open();
        let status = soon("the bot stops by itself", scene.simulation.bot().unwrap().ended()).await.unwrap();
        took.push(scene.simulation.api().now() - from);
        assert_eq!(status.code(), Some(1));
        let log = std::fs::read_to_string(scene.simulation.log()).unwrap();
        let errors: Vec<&str> = log.lines().filter(|line| line.contains("ERROR")).collect();
        assert!(errors.len() == 1 && errors[0].contains(SENTENCE), "{errors:#?}");
        assert!(!scene.simulation.api().read(|state| is_confirmed(state, &new)), "it is nowhere now");
        assert!(waits.trail().answers.is_empty() && new.trail().answers.is_empty(), "{}", waits.history());

        refuses_to_start(&mut scene).await;
        put_back(&mut scene, &copy).await;
        gate.reached().await.open();
        all_answered_once(&mut scene, &[(&waits, "начатое"), (&new, "новое")]).await;
        assert_eq!(lost(&scene, &[&waits, &new]).await, 0);
        end(scene, 2).await;
    }
    took.sort_unstable();
    let longest = took.last().unwrap().as_millis();
    measured(&ROW, times, &format!("stopped within {longest} ms, 0 of {} lost, 0 twice", 2 * times));
}

#[tokio::test]
async fn a_page_is_damaged_while_the_bot_is_stopped() {
    const ROW: Row = Row {
        number: 58,
        test: "a page of the store is overwritten while the bot is stopped",
        figure: "refuses to start, asks Telegram for nothing; after `restore` 0 lost, each answered once",
        name: "damage::a_page_is_damaged_while_the_bot_is_stopped",
    };
    let times = rounds(1);
    for _ in 0..times {
        let mut scene = Scene::stand_in(&[]).await;
        let before = scene.somebody_sends(&scripted(3, "say раньше"));
        assert_eq!(scene.text(&before).await, "раньше");
        let status = scene.simulation.terminate_bot(PATIENCE).await.unwrap();
        assert!(status.success(), "{status}");
        let folder = tempfile::tempdir().unwrap();
        let copy = folder.path().join("copy.db");
        let _ = backup(&scene, &copy).await.unwrap();

        damage(&scene.simulation.store()).await;
        let new = scene.somebody_sends(&scripted(3, "say потом"));
        refuses_to_start(&mut scene).await;
        put_back(&mut scene, &copy).await;
        all_answered_once(&mut scene, &[(&before, "раньше"), (&new, "потом")]).await;
        assert_eq!(lost(&scene, &[&before, &new]).await, 0);
        end(scene, 2).await;
    }
    measured(&ROW, times, &format!("{times} of {times} refused, 0 of {} lost, 0 twice", 2 * times));
}
