//! Audio that is kept to be transcribed again.

use std::time::Duration;

use stenobot_domain::{MessageId, RequestId, StageName, ThreadId, UserId};
use stenobot_store::{AudioLookup, IdempotencyKey, IncomingAudio, KeptAudio, LEASE, RequestUpdate, WorkSource};

use super::BACKEND;
use crate::store::test_store::{TestStore, arrival};

const ME: UserId = UserId(7_000_000_001);

/// How long recordings are kept here at most.
const RETENTION: Duration = Duration::from_secs(600);

/// The requests whose audio is to go now.
async fn due(test: &TestStore) -> Vec<RequestId> {
    test.store.audio.take_due(RETENTION).await.unwrap().into_iter().map(|due| due.id).collect()
}

async fn done(test: &TestStore, arrival: &IncomingAudio) -> RequestId {
    let id = test.enqueue_of(arrival).await;
    finish(test).await;
    id
}

async fn finish(test: &TestStore) {
    let fence = test.start("w").await;
    let fence = test.advance(&fence, StageName::Transcribed).await;
    test.advance(&fence, StageName::Done).await;
}

/// The same, and the audio stays for so long.
pub(super) async fn finish_and_keep(test: &TestStore, time: Duration) {
    let fence = test.start("w").await;
    let fence = test.advance(&fence, StageName::Transcribed).await;
    let facts = RequestUpdate { keep_audio_for: Some(time), ..RequestUpdate::default() };
    test.store.queue.advance(&fence, StageName::Done, &facts).await.unwrap();
}

async fn here(test: &TestStore, id: RequestId) -> Option<KeptAudio> {
    match test.store.audio.kept_audio(id, ME).await.unwrap() {
        AudioLookup::Here(kept) => Some(*kept),
        AudioLookup::Gone => None,
        AudioLookup::NotYours | AudioLookup::AdminsOnly => panic!("it is"),
    }
}

#[tokio::test]
async fn audio_is_kept_for_its_sender_until_its_retention_is_over() {
    let test = TestStore::new(BACKEND).await;
    let not_kept = done(&test, &arrival(9)).await;
    assert!(here(&test, not_kept).await.is_none(), "it was not to be kept");
    let id = test.enqueue_of(&IncomingAudio { thread: Some(ThreadId::Topic(5)), ..arrival(1) }).await;
    assert!(here(&test, id).await.is_none(), "it is not done");
    finish_and_keep(&test, RETENTION).await;
    assert_eq!(test.store.audio.in_use(&[not_kept, id]).await.unwrap(), [id], "its file stays at the next start");

    let kept = here(&test, id).await.unwrap();
    assert_eq!(
        (kept.audio, kept.chat, kept.reply_to, kept.thread),
        (id, arrival(1).chat, Some(MessageId(1)), Some(ThreadId::Topic(5)))
    );
    assert_eq!((kept.file_id.as_str(), kept.file_unique_id.as_str()), ("file-1", "unique-1"));
    assert_eq!((kept.claimed, kept.locale.as_deref()), (Some(Duration::from_secs(10)), Some("ru")));
    assert_eq!(test.store.audio.kept_audio(id, UserId(2)).await.unwrap(), AudioLookup::NotYours);
    assert_eq!(test.store.audio.kept_audio(RequestId(99), ME).await.unwrap(), AudioLookup::Gone);

    test.pass(Duration::from_secs(599));
    assert_eq!(due(&test).await, []);
    test.pass(Duration::from_secs(1));
    assert!(here(&test, id).await.is_none(), "over, whether or not the file is still there");
    assert_eq!(due(&test).await, [id]);
    assert_eq!(due(&test).await, [], "taken once");
    assert_eq!(test.store.audio.in_use(&[not_kept, id]).await.unwrap(), []);
}

#[tokio::test]
async fn audio_transcribed_again_is_kept_until_that_is_over_under_the_same_id() {
    let test = TestStore::new(BACKEND).await;
    let first = test.enqueue(1).await;
    finish_and_keep(&test, LEASE).await;
    let audio = here(&test, first).await.unwrap().audio;
    let press = |number: u8| IncomingAudio {
        key: IdempotencyKey::Button { callback_id: format!("press {number}") },
        parent: Some(audio),
        speech_language: Some("de".parse().unwrap()),
        ..arrival(1)
    };
    let in_time = test.enqueue_of(&press(1)).await;
    finish(&test).await;
    assert_eq!(here(&test, in_time).await.unwrap().audio, first);
    let again = test.enqueue_of(&press(2)).await;
    test.pass(2 * LEASE);
    assert_eq!(due(&test).await, [], "it is about to be transcribed");
    let row = test.claim(WorkSource::Transcriptions, "w").await.unwrap();
    assert_eq!((row.fence.id, row.parent), (again, Some(first)));
    assert_eq!(row.speech_language, Some("de".parse().unwrap()));
    let fence = test.advance(&row.fence, StageName::Transcribing).await;
    let fence = test.advance(&fence, StageName::Transcribed).await;
    test.advance(&fence, StageName::Done).await;
    assert_eq!(due(&test).await, [first]);
    assert!(here(&test, again).await.is_none());
}
