//! The store's file is damaged while the bot runs and while it is stopped.

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
use crate::scene::{SCENARIO_TIMEOUT, Scene, eventually};

const PAGE: usize = 4096;

/// Checkpoints the write-ahead log and overwrites the first page of the request table.
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

/// Asserts that a start fails with the sentence and makes no call to Telegram.
async fn assert_start_fails(scene: &mut Scene) {
    let before = scene.api().read(State::polls);
    match scene.bot.restart().await.unwrap_err() {
        SimulationError::Ended { status, log } => {
            assert_eq!(status.code(), Some(1));
            assert!(log.lines().last().unwrap_or_default().contains(SENTENCE), "{log}");
        }
        other => panic!("{other}"),
    }
    assert_eq!(scene.api().read(State::polls), before);
}

async fn restore_backup(scene: &mut Scene, copy: &Path) {
    let _ = restore(copy, &scene.bot.store(), AfterRestore::Continue).await.unwrap();
    scene.bot.restart().await.unwrap();
}

/// Copies the store beside the running bot.
async fn backup(scene: &Scene, copy: &Path) -> Result<Contents, BackupError> {
    let store = ReadOnlyStore::open(&StoreUrl::sqlite(scene.bot.store())).await?;
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
        let mut scene = Scene::start(&[]).await;
        let gate = Gate::new().await;
        let waits = scene.send_voice(&scripted(3, &format!("{};say начатое", gate.instruction())));
        let held = gate.wait_reached().await;
        waits.wait_for("it has begun", SCENARIO_TIMEOUT, |trail| trail.started).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let copy = folder.path().join("copy.db");
        let _ = backup(&scene, &copy).await.unwrap();

        damage(&scene.bot.store()).await;
        let from = scene.api().now();
        let new = scene.send_voice(&scripted(3, "say новое"));
        held.release();
        let status = eventually("the bot stops by itself", scene.bot.process().unwrap().wait_for_exit()).await.unwrap();
        took.push(scene.api().now() - from);
        assert_eq!(status.code(), Some(1));
        let log = std::fs::read_to_string(scene.bot.log()).unwrap();
        let errors: Vec<&str> = log.lines().filter(|line| line.contains("ERROR")).collect();
        assert!(errors.len() == 1 && errors[0].contains(SENTENCE), "{errors:#?}");
        assert!(!scene.api().read(|state| is_confirmed(state, &new)), "it is nowhere now");
        assert!(waits.trail().answers.is_empty() && new.trail().answers.is_empty(), "{}", waits.history());

        assert_start_fails(&mut scene).await;
        restore_backup(&mut scene, &copy).await;
        gate.wait_reached().await.release();
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
        let mut scene = Scene::start(&[]).await;
        let before = scene.send_voice(&scripted(3, "say раньше"));
        assert_eq!(scene.text(&before).await, "раньше");
        let status = scene.bot.terminate(SCENARIO_TIMEOUT).await.unwrap();
        assert!(status.success(), "{status}");
        let folder = tempfile::tempdir().unwrap();
        let copy = folder.path().join("copy.db");
        let _ = backup(&scene, &copy).await.unwrap();

        damage(&scene.bot.store()).await;
        let new = scene.send_voice(&scripted(3, "say потом"));
        assert_start_fails(&mut scene).await;
        restore_backup(&mut scene, &copy).await;
        all_answered_once(&mut scene, &[(&before, "раньше"), (&new, "потом")]).await;
        assert_eq!(lost(&scene, &[&before, &new]).await, 0);
        end(scene, 2).await;
    }
    measured(&ROW, times, &format!("{times} of {times} refused, 0 of {} lost, 0 twice", 2 * times));
}
