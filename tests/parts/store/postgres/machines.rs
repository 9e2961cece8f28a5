//! Machines beside each other.

use std::collections::HashSet;

use futures::future::join_all;
use stenobot_domain::StageName;
use stenobot_store::{Admission, CancelOutcome, Capacity, ServiceMode, Store, WorkSource};

use super::{database, open};
use crate::store::test_store::{ROOMY, arrival, arrival_of, queue_of};

async fn changed(store: &Store, change: impl Future<Output = ()>) {
    let mut changes = store.changes();
    // What was notified before may come now.
    while tokio::time::timeout(std::time::Duration::from_millis(300), changes.changed()).await.is_ok() {}
    change.await;
    changes.changed().await.unwrap();
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
                store.queue.advance(&fence, stage, &stenobot_store::RequestUpdate::default()).await.unwrap();
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
