//! Machines beside each other.

use std::collections::HashSet;
use std::time::Duration;

use futures::future::join_all;
use stenobot_domain::StageName;
use stenobot_store::{
    Admission, CancelOutcome, Capacity, Fence, Pause, RequestUpdate, ServiceMode, StopOutcome, Store, Topic, WorkSource,
};

use super::{database, open};
use crate::store::test_store::{ROOMY, arrival, arrival_of, queue_of};

/// Notifications of what was done before may come within this time.
const LATE: Duration = Duration::from_millis(300);

async fn changed(store: &Store, change: impl Future<Output = ()>) {
    let mut changes = store.changes();
    while tokio::time::timeout(LATE, changes.changed()).await.is_ok() {}
    change.await;
    changes.changed().await.unwrap();
}

/// The topics of which `store` is notified when another one makes this change.
async fn topics_of(store: &Store, change: impl Future<Output = ()>) -> Vec<Topic> {
    const TOPICS: [Topic; 4] =
        [Topic::Work(WorkSource::Downloads), Topic::Work(WorkSource::Transcriptions), Topic::Mode, Topic::Pauses];
    let mut receivers = TOPICS.map(|topic| (topic, store.changes_of(topic)));
    tokio::time::sleep(LATE).await;
    for (_, changes) in &mut receivers {
        changes.mark_unchanged();
    }
    changed(store, change).await;
    tokio::time::sleep(LATE).await;
    receivers.iter().filter(|(_, changes)| changes.has_changed().unwrap()).map(|(topic, _)| *topic).collect()
}

#[tokio::test]
async fn a_machine_is_notified_of_what_another_does() {
    let Some((_, url)) = database("notifications").await else { return };
    let (one, two) = (open(&url).await, open(&url).await);
    changed(&two, async {
        let _ = one.queue.admit(&arrival(1), &ROOMY).await.unwrap();
    })
    .await;
    changed(&two, async { one.service.set_mode(ServiceMode::Paused).await.unwrap() }).await;

    let row = two.queue.claim(WorkSource::Downloads, "two").await.unwrap().unwrap();
    let mut cancellations = two.cancellations();
    let sender = arrival(1).from.id;
    assert_eq!(one.queue.cancel(row.fence.id, sender).await.unwrap(), CancelOutcome::Running);
    assert_eq!(cancellations.recv().await.unwrap(), row.fence.id);
}

#[tokio::test]
async fn the_machine_that_transcribes_a_request_is_notified_of_its_stop_on_another() {
    let Some((_, url)) = database("stops").await else { return };
    let (one, two) = (open(&url).await, open(&url).await);
    let _ = one.queue.admit(&arrival(1), &ROOMY).await.unwrap();
    let mut fence = two.queue.claim(WorkSource::Downloads, "two").await.unwrap().unwrap().fence;
    for stage in [StageName::Downloaded, StageName::Queued] {
        two.queue.advance(&fence, stage, &RequestUpdate::default()).await.unwrap();
        fence = Fence { stage, ..fence };
    }
    let fence = two.queue.claim(WorkSource::Transcriptions, "two").await.unwrap().unwrap().fence;
    two.queue.advance(&fence, StageName::Transcribing, &RequestUpdate::default()).await.unwrap();
    let mut stops = two.stops();
    assert_eq!(one.queue.stop(fence.id, arrival(1).from.id).await.unwrap(), StopOutcome::Stopping);
    assert_eq!(stops.recv().await.unwrap(), fence.id);
}

#[tokio::test]
async fn a_machine_is_woken_only_for_what_it_waits_for() {
    let Some((_, url)) = database("topics").await else { return };
    let (one, two) = (open(&url).await, open(&url).await);
    let admit = async {
        let _ = one.queue.admit(&arrival(1), &ROOMY).await.unwrap();
    };
    assert_eq!(topics_of(&two, admit).await, [Topic::Work(WorkSource::Downloads)]);
    let queue = async {
        let mut fence = one.queue.claim(WorkSource::Downloads, "one").await.unwrap().unwrap().fence;
        for stage in [StageName::Downloaded, StageName::Queued] {
            one.queue.advance(&fence, stage, &RequestUpdate::default()).await.unwrap();
            fence = Fence { stage, ..fence };
        }
    };
    assert_eq!(topics_of(&two, queue).await, [Topic::Work(WorkSource::Transcriptions)]);
    let start = async {
        let fence = one.queue.claim(WorkSource::Transcriptions, "one").await.unwrap().unwrap().fence;
        one.queue.advance(&fence, StageName::Transcribing, &RequestUpdate::default()).await.unwrap();
    };
    assert_eq!(topics_of(&two, start).await, []);
    assert_eq!(
        topics_of(&two, async { one.service.set_mode(ServiceMode::Paused).await.unwrap() }).await,
        [Topic::Mode]
    );
    let pause = Pause { chat: None, left: Duration::from_secs(9) };
    assert_eq!(topics_of(&two, async { one.service.record_pause(pause).await.unwrap() }).await, [Topic::Pauses]);
}

#[tokio::test]
async fn no_request_is_claimed_twice_and_the_queue_takes_no_more_than_it_may() {
    const REQUESTS: i32 = 60;
    let Some((_, url)) = database("claims side by side").await else { return };
    let stores = join_all((0..4).map(|_| open(&url))).await;
    let admissions = (0..REQUESTS).map(|message| {
        let store = &stores[message.unsigned_abs() as usize % stores.len()];
        // Each arrives twice, at two machines.
        let other = &stores[(message.unsigned_abs() as usize + 1) % stores.len()];
        async move {
            let arrival = arrival_of(i64::from(message % 7) + 1, message);
            let limit = queue_of(50);
            let (first, second) =
                tokio::join!(store.queue.admit(&arrival, &limit), other.queue.admit(&arrival, &limit));
            [first.unwrap(), second.unwrap()]
        }
    });
    let admissions: Vec<Admission> = join_all(admissions).await.concat();
    let count = |wanted: fn(&Admission) -> bool| admissions.iter().filter(|admission| wanted(admission)).count();
    assert_eq!(count(|admission| matches!(admission, Admission::New(_))), 50);
    assert_eq!(count(|admission| matches!(admission, Admission::Duplicate)), 60);
    assert_eq!(count(|admission| matches!(admission, Admission::QueueFull(_))), 10);

    let take_all = |store: Store, source: WorkSource, owner: String| async move {
        let mut taken = Vec::new();
        while let Some(row) = store.queue.claim(source, &owner).await.unwrap() {
            let next = match source {
                WorkSource::Downloads => [StageName::Downloaded, StageName::Queued],
                WorkSource::Transcriptions => [StageName::Transcribing, StageName::Transcribed],
            };
            let mut fence = row.fence;
            for stage in next {
                store.queue.advance(&fence, stage, &RequestUpdate::default()).await.unwrap();
                fence.stage = stage;
            }
            taken.push(fence.id);
        }
        taken
    };
    for source in [WorkSource::Downloads, WorkSource::Transcriptions] {
        let taken = stores.iter().enumerate().map(|(n, store)| take_all(store.clone(), source, format!("worker {n}")));
        let taken: Vec<_> = join_all(taken).await.concat();
        assert_eq!((taken.len(), taken.iter().collect::<HashSet<_>>().len()), (50, 50), "{source:?}");
    }
}

#[tokio::test]
async fn of_two_recordings_that_are_measured_at_once_only_one_takes_the_rest_of_the_day() {
    use std::time::Duration;

    use stenobot_store::RequestUpdate;

    let Some((_, url)) = database("the limit of a day").await else { return };
    for round in 0..10 {
        let (one, two) = (open(&url).await, open(&url).await);
        let user = 100 + round;
        let minute = Some(Duration::from_secs(60));
        let capacity = Capacity { per_day: minute, ..ROOMY };
        let mut fences = Vec::new();
        for message in 0..2 {
            let mut arrival = arrival_of(user, message);
            arrival.claimed = Some(Duration::from_secs(1));
            assert!(matches!(one.queue.admit(&arrival, &capacity).await.unwrap(), Admission::New(_)));
            fences.push(one.queue.claim(WorkSource::Downloads, "w").await.unwrap().unwrap().fence);
        }
        let update = RequestUpdate { length: Some(Duration::from_secs(40)), ..RequestUpdate::default() };
        let (first, second) = tokio::join!(
            one.queue.advance_within_day(&fences[0], StageName::Downloaded, &update, minute),
            two.queue.advance_within_day(&fences[1], StageName::Downloaded, &update, minute),
        );
        assert_eq!(u8::from(first.unwrap()) + u8::from(second.unwrap()), 1, "round {round}");
        one.close().await;
        two.close().await;
    }
}
