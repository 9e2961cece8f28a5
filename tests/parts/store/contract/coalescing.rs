//! Requests for audio that waits already: they take neither a download nor the engine, and get the same text.

use std::time::Duration;

use stenobot::request::{Claim, Queued, Request, Transcribing};
use stenobot_domain::{AnswerForm, FailReason, MessageId, RequestId, StageName, UserId};
use stenobot_store::{Admission, Fence, IncomingAudio, LEASE, RequestUpdate, Settlement, StoreError, WorkSource};

use super::BACKEND;
use super::order::order;
use crate::store::test_store::{ROOMY, TestStore, arrival_of, queue_of, sender};

const MILLI: Duration = Duration::from_millis(1);

/// Two requests for the audio of `arrival(1)`: one that is queued, and one coalesced into it.
async fn coalesced(test: &TestStore) -> (RequestId, RequestId) {
    let original = test.enqueue(1).await;
    let id = same(test, 2).await;
    (original, id)
}

/// Admits another user's request for the audio of `arrival(1)`, which waits.
async fn same(test: &TestStore, user: i64) -> RequestId {
    let same = IncomingAudio { file_unique_id: "unique-1".into(), ..arrival_of(user, 50) };
    match test.store.queue.admit(&same, &ROOMY).await.unwrap() {
        Admission::Coalesced { id, .. } => id,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn only_the_same_waiting_audio_in_the_same_language_and_form_is_coalesced() {
    let test = TestStore::new(BACKEND).await;
    let (original, id) = coalesced(&test).await;
    assert_eq!(test.value::<i64>(id, "joined_to").await, original.0);
    let again = IncomingAudio { file_unique_id: "unique-1".into(), ..arrival_of(3, 51) };
    let third = test.store.queue.admit(&again, &ROOMY).await.unwrap();
    assert!(
        matches!(third, Admission::Coalesced { into: first, .. } if first == original),
        "never into one that is coalesced itself"
    );
    for (message, other) in [
        (60, IncomingAudio { form: AnswerForm::Srt, ..again.clone() }),
        (61, IncomingAudio { speech_language: Some("de".parse().unwrap()), ..again.clone() }),
        (62, IncomingAudio { speech_language: Some("ru,uk".parse().unwrap()), ..again.clone() }),
        (63, IncomingAudio { speech_language: Some("ru,de".parse().unwrap()), ..again.clone() }),
    ] {
        let other = IncomingAudio { key: stenobot_store::IdempotencyKey::Message(MessageId(message)), ..other };
        assert!(matches!(test.store.queue.admit(&other, &ROOMY).await.unwrap(), Admission::New(_)));
    }
    test.start("w").await;
    let late = IncomingAudio { file_unique_id: "unique-1".into(), ..arrival_of(4, 52) };
    assert!(matches!(test.store.queue.admit(&late, &ROOMY).await.unwrap(), Admission::New(_)), "it runs already");
    assert!(matches!(test.store.queue.admit(&arrival_of(4, 53), &queue_of(1)).await.unwrap(), Admission::QueueFull(_)));
}

#[tokio::test]
async fn a_coalesced_request_waits_for_the_text_of_its_original() {
    let test = TestStore::new(BACKEND).await;
    let (original, id) = coalesced(&test).await;
    let waiting = test.store.queue.waiting().await.unwrap();
    assert_eq!(waiting.iter().map(|waiting| waiting.id).collect::<Vec<_>>(), [original, id]);
    assert_eq!((waiting[1].coalesced_into, waiting[1].user.0), (Some(original), 2));
    assert_eq!(test.claim(WorkSource::Downloads, "w").await, None, "it needs no audio");

    let fence = test.start("w").await;
    assert_eq!(order(&test).await, [id], "only what runs is ahead of it");
    assert_eq!(test.claim(WorkSource::Transcriptions, "w").await, None);
    test.advance(&fence, StageName::Transcribed).await;
    let request = Request::<Transcribing>::claim_coalesced(&test.store, original, "w").await.unwrap().unwrap();
    assert_eq!((request.id(), request.coalesced_into(), request.chat().0), (id, Some(original), 2));
    assert!(
        Request::<Transcribing>::claim_coalesced(&test.store, original, "w").await.unwrap().is_none(),
        "it is held"
    );

    // The other's time is not counted twice.
    let update = |seconds| RequestUpdate {
        length: Some(Duration::from_secs(10)),
        model: Some("base".into()),
        processing: Some(Duration::from_secs(seconds)),
        ..RequestUpdate::default()
    };
    let held = Fence { id, stage: StageName::Transcribing, owner: "w".into(), attempt: 1 };
    test.store.queue.advance(&held, StageName::Transcribed, &update(9)).await.unwrap();
    test.advance(&Fence { stage: StageName::Transcribed, ..held }, StageName::Done).await;
    assert_eq!(test.store.statistics.recent_real_time_factor("base").await.unwrap(), None);
    drop(request);
}

#[tokio::test]
async fn a_coalesced_request_has_the_place_of_its_original() {
    let test = TestStore::new(BACKEND).await;
    let (original, id) = coalesced(&test).await;
    let other = test.enqueue_of(&arrival_of(3, 60)).await;
    let second = same(&test, 4).await;
    assert_eq!(order(&test).await, [original, id, second, other]);
    let position = test.store.queue.statuses_of(UserId(4)).await.unwrap()[0].position;
    assert_eq!(position, Some(3));

    let fence = test.start("w").await;
    assert_eq!(order(&test).await, [id, second, other]);
    test.store.queue.release(&fence, Duration::ZERO, false).await.unwrap();
    assert_eq!(order(&test).await, [original, id, second, other], "it was interrupted");
    let fence = test.start("w").await;
    test.store.queue.release(&fence, Duration::ZERO, true).await.unwrap();
    assert_eq!(order(&test).await, [other, original, id, second], "the engine failed on it");
    test.pass(MILLI);
    assert_eq!(test.start("w").await.id, other);
    assert_eq!(order(&test).await, [original, id, second]);
    let dead = test.start("dead").await;
    assert_eq!(dead.id, original);
    assert_eq!(order(&test).await, [id, second], "it runs");
}

#[tokio::test]
async fn a_coalesced_request_without_text_is_downloaded_itself() {
    for died in [false, true] {
        let test = TestStore::new(BACKEND).await;
        let (original, id) = coalesced(&test).await;
        let fence = test.start("w").await;
        let fence = test.advance(&fence, StageName::Transcribed).await;
        let row = test.store.queue.claim_coalesced(original, "w").await.unwrap().unwrap();
        test.advance(&fence, StageName::Done).await;
        if died {
            assert_eq!(test.claim(WorkSource::Downloads, "v").await, None, "it is held");
            test.pass(LEASE + MILLI);
        } else {
            test.store.queue.release(&row.fence, Duration::ZERO, false).await.unwrap();
        }
        assert_eq!(test.claim(WorkSource::Transcriptions, "v").await, None, "it has no audio");
        let own = test.claim(WorkSource::Downloads, "v").await.unwrap();
        assert_eq!((own.fence.id, own.fence.stage, own.coalesced_into), (id, StageName::Received, None));
        let late = test.store.queue.advance(&row.fence, StageName::Transcribed, &RequestUpdate::default()).await;
        assert!(matches!(late, Err(StoreError::LeaseLost { .. })));
        assert!(test.store.queue.claim_coalesced(original, "w").await.unwrap().is_none());
        let fence = test.advance(&own.fence, StageName::Downloaded).await;
        test.advance(&fence, StageName::Queued).await;
        let Some(Claim::Ready(request)) = Request::<Queued>::claim(&test.store, "v").await.unwrap() else {
            panic!("it is an ordinary request now")
        };
        assert_eq!(request.id(), id);
    }
}

#[tokio::test]
async fn a_separated_request_is_downloaded_itself_while_its_original_is_open() {
    let test = TestStore::new(BACKEND).await;
    let (original, id) = coalesced(&test).await;
    let fence = test.start("w").await;
    test.advance(&fence, StageName::Transcribed).await;
    let row = test.store.queue.claim_coalesced(original, "w").await.unwrap().unwrap();
    test.store.queue.separate(&row.fence).await.unwrap();
    assert!(test.store.queue.claim_coalesced(original, "w").await.unwrap().is_none());
    assert_eq!(test.store.queue.waiting().await.unwrap()[0].coalesced_into, None);
    let late = test.store.queue.separate(&row.fence).await;
    assert!(matches!(late, Err(StoreError::LeaseLost { .. })));
    assert_eq!(test.download().await, id);
    assert_eq!(test.start("w").await.id, id);
}

#[tokio::test]
async fn several_languages_are_those_of_the_request_and_of_its_kept_audio() {
    let test = TestStore::new(BACKEND).await;
    let several = Some("ru,uk".parse().unwrap());
    let id = test.enqueue_of(&IncomingAudio { speech_language: several.clone(), ..arrival_of(1, 1) }).await;
    let Some(Claim::Ready(request)) = Request::<Queued>::claim(&test.store, "w").await.unwrap() else {
        panic!("it waits")
    };
    assert_eq!((request.id(), request.speech_language()), (id, several.as_ref()));
    // A program of the version before knows one language only, and its choice is the newer one.
    test.execute("UPDATE usage SET speech_language = 'de'").await;
    drop(request);
    test.pass(LEASE + MILLI);
    let row = test.claim(WorkSource::Transcriptions, "v").await.unwrap();
    assert_eq!(row.speech_language, Some("de".parse().unwrap()));
}

#[tokio::test]
async fn a_request_coalesced_into_a_failed_or_cancelled_one_is_downloaded_itself() {
    let test = TestStore::new(BACKEND).await;
    let (_, id) = coalesced(&test).await;
    let fence = test.start("w").await;
    assert_eq!(test.claim(WorkSource::Downloads, "w").await, None);
    test.store.queue.settle(&fence, Settlement::Failed(FailReason::Deadline)).await.unwrap();
    assert_eq!(test.download().await, id);
    assert_eq!(test.start("w").await.id, id);

    let test = TestStore::new(BACKEND).await;
    let (original, id) = coalesced(&test).await;
    let _ended = test.store.queue.cancel(original, sender(7_000_000_001).id).await.unwrap();
    assert_eq!(test.store.queue.waiting().await.unwrap()[0].coalesced_into, None);
    assert_eq!(test.download().await, id);
}
