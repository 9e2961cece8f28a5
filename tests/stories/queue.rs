//! The queue and its limits.

use std::time::Duration;

use stenobot_simulator::server::{Attachment, Method};
use stenobot_simulator::users::SentMessage;

use super::recordings::{Gate, scripted};
use super::scene::{Scene, TestBot, assert_processed_in_order, rejected, row_of};

pub(crate) async fn a_full_queue_refuses_at_once_and_loses_no_request<B: TestBot>() {
    const LIMIT: usize = 3;
    let mut scene = Scene::<B>::start(&[("max_queue_size", "3")]).await;
    let gate = Gate::new().await;
    let first = scene.send_voice(&scripted(3, &format!("{};say первая слышна", gate.instruction())));
    let held = gate.wait_reached().await;
    let mut waiting = Vec::new();
    for _ in 0..LIMIT {
        waiting.push(scene.send_voice(&scripted(3, "say очередь дошла")));
    }
    let refused: Vec<SentMessage> = (0..3).map(|_| scene.send_voice(&scripted(3, "say лишняя"))).collect();

    // While the engine is busy with the first.
    for sent in &refused {
        let sentence = rejected(scene.answer(sent).await);
        assert_eq!(sentence, "Очередь переполнена. Пожалуйста, попробуйте через несколько минут.");
    }
    let page = scene.bot.metrics().await;
    let waits: f64 = ["received", "downloaded", "queued"]
        .iter()
        .filter_map(|stage| page.value(&format!("stenobot_requests{{state=\"{stage}\"}}")))
        .sum();
    assert!(waits <= LIMIT as f64, "{waits} wait");
    assert_eq!(page.value("stenobot_queue_limit"), Some(LIMIT as f64));
    assert_eq!(page.value("stenobot_requests_rejected_total{reason=\"queue_full\"}"), Some(3.0));

    held.release();
    assert_eq!(scene.text(&first).await, "первая слышна");
    for sent in &waiting {
        assert_eq!(scene.text(sent).await, "очередь дошла");
    }
    let rows = scene.shut_down().await;
    for sent in &refused {
        let row = row_of(&rows, sent);
        assert_eq!((row.stage.as_str(), row.reason.as_deref()), ("rejected", Some("queue_full")));
    }
    let accepted: Vec<_> = rows.iter().filter(|row| row.stage == "done").collect();
    assert_eq!(accepted.len(), 1 + LIMIT);
    for row in &accepted {
        let at = row.received_at;
        let depth = accepted.iter().filter(|other| other.received_at <= at && at < other.started_at.unwrap()).count();
        assert!(depth <= LIMIT, "{depth} waited at once");
    }
}

pub(crate) async fn three_concurrent_requests_move_up_and_are_answered_in_order<B: TestBot>() {
    let mut scene = Scene::<B>::start(&[]).await;
    let gate = Gate::new().await;
    let script = |text: &str| scripted(30, &format!("{};say {text}", gate.instruction()));
    let sent: Vec<SentMessage> = ["раз", "два", "три"].iter().map(|text| scene.send_voice(&script(text))).collect();

    // Whichever request is first, the others wait behind it and move up.
    for positions in [&[1, 2][..], &[1], &[]] {
        let held = gate.wait_reached().await;
        scene.wait_for_positions(&sent, positions).await;
        held.release();
    }
    for (sent, text) in sent.iter().zip(["раз", "два", "три"]) {
        assert_eq!(scene.text(sent).await, text);
        assert_eq!(sent.trail().answers.len(), 1);
    }
    let rows = scene.shut_down().await;
    assert_processed_in_order(&rows);
}

pub(crate) async fn the_length_limit_holds_for_claimed_and_measured_length<B: TestBot>() {
    let mut scene = Scene::<B>::start(&[("max_voice_duration_seconds", "20")]).await;
    let at_limit = scene.send_voice(&scripted(20, "say впритык"));
    assert_eq!(scene.text(&at_limit).await, "впритык");
    let downloads = scene.calls(Method::Download);

    let user = scene.new_user("Вера", "ru");
    let claims = |seconds| Attachment::voice(Duration::from_secs(seconds));
    let too_long = user.send_file(claims(21), scripted(21, "say длинная").bytes);
    let sentence = rejected(scene.answer(&too_long).await);
    assert_eq!(sentence, "Максимальная длительность: 20с\nВаш файл: 21с");
    assert_eq!(scene.calls(Method::Download), downloads, "what is refused is not downloaded");

    let false_claim = user.send_file(claims(10), scripted(25, "say длинная").bytes);
    let sentence = rejected(scene.answer(&false_claim).await);
    assert_eq!(sentence, "Максимальная длительность: 20с\nВаш файл длиннее.");

    let gate = Gate::new().await;
    let script = format!("{};say скромная", gate.instruction());
    let short_claim = user.send_file(claims(1), scripted(15, &script).bytes);
    let held = gate.wait_reached().await;
    assert_eq!(scene.row(&short_claim).await.voice_duration_seconds, Some(15.0), "what was decoded counts");
    held.release();
    assert_eq!(scene.text(&short_claim).await, "скромная");
    let rows = scene.shut_down().await;
    assert_eq!(rows.iter().map(|row| row.stage.as_str()).collect::<Vec<_>>(), ["done", "rejected", "rejected", "done"]);
}

pub(crate) async fn a_repeated_update_creates_no_request<B: TestBot>() {
    let mut scene = Scene::<B>::start(&[]).await;
    let gate = Gate::new().await;
    let sent = scene.send_voice(&scripted(3, &format!("{};say однажды", gate.instruction())));
    let again = |scene: &Scene<B>| scene.api().repeat(sent.chat(), sent.id()).unwrap();
    let in_the_same_batch = again(&scene);
    let held = gate.wait_reached().await;
    let while_it_is_heard = again(&scene);
    scene.wait_until_confirmed(in_the_same_batch).await;
    scene.wait_until_confirmed(while_it_is_heard).await;
    held.release();
    assert_eq!(scene.text(&sent).await, "однажды");
    let afterwards = again(&scene);
    scene.wait_until_confirmed(afterwards).await;

    assert_eq!(sent.trail().answers.len(), 1);
    let replies = scene.api().read(|state| state.replies(sent.chat(), sent.id()).count());
    assert_eq!(replies, 1);
    assert_eq!(scene.calls(Method::Download), 1);
    assert_eq!(scene.shut_down().await.len(), 1);
}

#[allow(dead_code, reason = "in one process only: it takes long")]
pub(crate) async fn positions_far_behind_are_rounded_and_seldom_edited<B: TestBot>() {
    let settings = [("max_queue_size", "300"), ("progress_update_interval_seconds", "1")];
    let mut scene = Scene::<B>::start(&settings).await;
    let gate = Gate::new().await;
    let first = scene.send_voice(&scripted(3, &format!("{};say первая", gate.instruction())));
    let held = gate.wait_reached().await;
    let second = scene.send_voice(&scripted(3, &format!("{};say вторая", gate.instruction())));
    let mut sent = vec![second];
    sent.extend((0..129).map(|_| scene.send_voice(&scripted(3, "say дальше"))));
    // From 1: exact up to 100, then rounded to fifties.
    let positions = |waiting: u32| -> Vec<u32> {
        (1..=waiting).map(|number| if number > 100 { (number + 25) / 50 * 50 } else { number }).collect()
    };
    let sorted = |mut positions: Vec<u32>| {
        positions.sort_unstable();
        positions
    };
    scene.wait_for_positions(&sent, &sorted(positions(130))).await;
    let edits = |scene: &Scene<B>| -> usize {
        let last = sent.last().unwrap();
        scene.api().read(|state| state.replies(last.chat(), last.id()).map(|message| message.edits.len()).sum())
    };
    let before = edits(&scene);
    held.release();
    let held = gate.wait_reached().await;
    assert_eq!(scene.text(&first).await, "первая");
    // The first hundred move up. Of the others, those that are still close to what they show keep it.
    scene.wait_for_positions(&sent[1..101], &positions(100)).await;
    assert_eq!(edits(&scene), before, "the last one's rounded position is the same");
    held.release();
    for sent in &sent {
        scene.answer(sent).await;
    }
    scene.shut_down().await;
}
