//! What is said to one machine holds on all.

use std::time::Duration;

use stenobot_domain::UserId;
use stenobot_simulator::answers::RequestOutcome;
use stenobot_simulator::postgres::PrivatePostgres;
use stenobot_simulator::server::keyboard;
use stenobot_simulator::users::{SentMessage, User};

use super::cluster::Cluster;
use crate::chaos::figures::spread;
use crate::chaos::{Row, measured, rounds};
use crate::recordings::scripted;
use crate::scene::{SCENARIO_TIMEOUT, answered, eventually};

/// From the press of the button to the end of the work on the request, on whichever machine.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(2);
const OPERATOR: i64 = 650_000;

fn user(cluster: &Cluster, id: i64) -> User {
    User::new(cluster.api(), UserId(id), "Анна", "ru")
}

/// A request that a worker works on is cancelled by its button; gives the time to the last word.
async fn cancel(cluster: &Cluster, number: usize, loses_notifications: bool) -> Duration {
    let anna = user(cluster, 660_000 + number as i64);
    let sent = anna.send_voice(&scripted(3, &format!("wait 120000;say не нужно {number}")));
    sent.wait_for("it is transcribed", SCENARIO_TIMEOUT, |trail| trail.started).await.unwrap();
    let status = sent.status().unwrap();
    let button = anna.keyboard(status).into_iter().flatten().next().expect("a button cancels");
    if loses_notifications {
        cluster.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'").await;
    }
    let since = cluster.now();
    let _ = anna.send_callback(status, &button.data);
    let answer = sent.final_answer(SCENARIO_TIMEOUT).await.unwrap();
    assert_eq!(answer.outcome, RequestOutcome::Cancelled, "{}", sent.history());
    answer.at - since
}

async fn measure_cancels(row: &Row, loses_notifications: bool) {
    let rounds = rounds(2);
    let Some(server) = PrivatePostgres::shared_or_skip(row.name).await.unwrap() else { return };
    let mut cluster = Cluster::start(server.clone(), 1, 1, &[]).await;
    let mut took = Vec::new();
    for round in 0..rounds {
        took.push(cancel(&cluster, round, loses_notifications).await);
    }
    // The only worker is free.
    let next = user(&cluster, 670_000).send_voice(&scripted(3, "say следующая"));
    assert_eq!(answered(next.final_answer(SCENARIO_TIMEOUT).await.unwrap().outcome), "следующая");
    cluster.stop_all().await;
    assert!(took.iter().all(|time| *time < CANCEL_TIMEOUT), "{}", spread(&took));
    measured(row, rounds, &format!("{rounds} cancelled, the last word after {}", spread(&took)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_reaches_the_worker() {
    const ROW: Row = Row {
        number: 110,
        test: "a button pressed at the bot cancels what a worker transcribes",
        figure: "within 2 s",
        name: "machines::commands::a_cancel_reaches_the_worker",
    };
    measure_cancels(&ROW, false).await;
}

/// The bot takes the press, and the text is in the memory of the worker.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_reaches_the_worker_which_answers_with_the_text_so_far() {
    let name = "machines::commands::a_stop_reaches_the_worker_which_answers_with_the_text_so_far";
    let Some(server) = PrivatePostgres::shared_or_skip(name).await.unwrap() else { return };
    let mut cluster = Cluster::start(server.clone(), 1, 1, &[("progress_update_interval_seconds", "1")]).await;
    let anna = user(&cluster, 680_000);
    let sent = anna.send_voice(&scripted(3, "length 60;progress 30;segment 0 20000 половина;wait 120000"));
    let shown = cluster.api().wait_for(|state| {
        let status = state.replies(sent.chat(), sent.id()).next()?;
        let buttons = keyboard::rows(status.markup.as_ref()?);
        let stop = buttons.into_iter().flatten().find(|button| button.data.starts_with("1:k:"))?;
        status.content.text()?.ends_with("половина").then_some((status.id, stop.data))
    });
    let (status, stop) = eventually("the text so far is shown", shown).await;
    let _ = anna.send_callback(status, &stop);
    assert_eq!(answered(sent.final_answer(SCENARIO_TIMEOUT).await.unwrap().outcome), "0:00 половина");
    // The only worker is free.
    let next = user(&cluster, 680_001).send_voice(&scripted(3, "say следующая"));
    assert_eq!(answered(next.final_answer(SCENARIO_TIMEOUT).await.unwrap().outcome), "следующая");
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_whose_notification_is_lost_reaches_the_worker() {
    const ROW: Row = Row {
        number: 111,
        test: "the same while the sessions of all listeners are ended, so that the notification is lost",
        figure: "within 2 s",
        name: "machines::commands::a_cancel_whose_notification_is_lost_reaches_the_worker",
    };
    measure_cancels(&ROW, true).await;
}

/// The first reply of the bot.
async fn reply(cluster: &Cluster, sent: &SentMessage) -> String {
    let found = cluster.api().wait_for(|state| {
        let mut replies = state.replies(sent.chat(), sent.id());
        replies.find_map(|reply| reply.content.text().map(str::to_owned))
    });
    eventually("a reply", found).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_and_a_ban_hold_on_all_machines() {
    const ROW: Row = Row {
        number: 112,
        test: "/pause and /ban at one bot, whose machine is then killed",
        figure: "no worker begins, the next leader ignores the banned user; after /resume all is answered",
        name: "machines::commands::a_pause_and_a_ban_hold_on_all_machines",
    };
    /// Longer than a worker takes for a recording.
    const PAUSE: Duration = Duration::from_secs(3);
    let rounds = rounds(1);
    let Some(server) = PrivatePostgres::shared_or_skip(ROW.name).await.unwrap() else { return };
    let operator_id = OPERATOR.to_string();
    let mut cluster = Cluster::start(server.clone(), 2, 2, &[("admin_users", operator_id.as_str())]).await;
    let operator = user(&cluster, OPERATOR);
    for round in 0..rounds {
        let banned = user(&cluster, 680_000 + round as i64);
        reply(&cluster, &operator.send_command("pause")).await;
        reply(&cluster, &operator.send_command(&format!("ban {}", banned.chat()))).await;
        let waiting: Vec<SentMessage> = (0..4).map(|_| cluster.send("wait 50")).collect();
        tokio::time::sleep(PAUSE).await;
        let leader = cluster.leader().await;
        let polls = cluster.polls();
        cluster.machines.kill(leader).await.unwrap();
        cluster.wait_for_poll(polls, cluster.now()).await;
        cluster.machines.start_again(leader).unwrap();
        let ignored = banned.send_voice(&scripted(3, "say нельзя"));
        let also = cluster.send("wait 50");
        tokio::time::sleep(PAUSE).await;
        for sent in waiting.iter().chain([&also]) {
            let trail = sent.trail();
            assert!(trail.started.is_none() && trail.answers.is_empty(), "{}", sent.history());
        }
        reply(&cluster, &operator.send_command("resume")).await;
        cluster.wait_until_answered().await;
        assert!(ignored.texts().is_empty(), "{}", ignored.history());
    }
    let found = cluster.finish().await;
    measured(
        &ROW,
        rounds,
        &format!("{found}; 0 begun within {} s of the pause, 0 words to the banned", 2 * PAUSE.as_secs()),
    );
}
