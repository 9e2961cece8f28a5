//! Recordings that users receive on their own accounts.

use std::time::Duration;

use stenobot_domain::{
    BusinessKey, BusinessMessage, CancelledBy, ChatId, MessageId, Origin, PersonName, StageName, Timestamp, UserId,
};
use stenobot_store::{
    Admission, AudioLookup, BusinessConnection, CancelOutcome, DeletedSource, IdempotencyKey, IncomingAudio,
    RequestUpdate, Settlement, WorkSource,
};

use super::BACKEND;
use crate::store::test_store::{ROOMY, TestStore, arrival};

const ME: UserId = UserId(7_000_000_001);
const CHAT: ChatId = ChatId(7_000_000_001);

fn key(message: i32) -> BusinessKey {
    BusinessKey::of("connection", ChatId(500), MessageId(message))
}

/// A recording from Bea.
fn received(message: i32) -> IncomingAudio {
    let (author, sent_at) = (PersonName::new("Bea"), Timestamp(1_700_000_000_000));
    let origin = Origin::Business(BusinessMessage { key: key(message), author, sent_at });
    IncomingAudio { key: IdempotencyKey::Origin, reply_to: None, origin, ..arrival(message) }
}

async fn has_name(test: &TestStore) -> bool {
    test.count("usage WHERE author_name IS NOT NULL").await > 0
}

#[tokio::test]
async fn a_message_of_another_chat_is_one_request_and_shares_no_number_with_the_bots_own_chat() {
    let test = TestStore::new(BACKEND).await;
    let (first, own) = (received(1), arrival(1));
    assert!(matches!(test.store.queue.admit(&own, &ROOMY).await.unwrap(), Admission::New(_)));
    let coalesced = test.store.queue.admit(&first, &ROOMY).await.unwrap();
    assert!(matches!(coalesced, Admission::Coalesced { .. }), "the same file, and another message: {coalesced:?}");
    assert_eq!(test.store.queue.admit(&first, &ROOMY).await.unwrap(), Admission::Duplicate);
    let other = IncomingAudio { file_unique_id: "other".into(), ..received(2) };
    assert!(matches!(test.store.queue.admit(&other, &ROOMY).await.unwrap(), Admission::New(_)));
    let waiting = test.store.queue.waiting().await.unwrap();
    let origins: Vec<&Origin> = waiting.iter().map(|request| &request.origin).collect();
    assert_eq!(origins, [&Origin::Chat, &first.origin, &other.origin]);
    test.claim(WorkSource::Downloads, "w").await.unwrap();
    let row = test.claim(WorkSource::Downloads, "w").await.unwrap();
    assert_eq!((row.chat, row.origin, row.reply_to), (CHAT, other.origin, None));
}

#[tokio::test]
async fn the_name_of_the_author_is_erased_when_the_request_is_closed() {
    let test = TestStore::new(BACKEND).await;
    let id = test.enqueue_of(&received(1)).await;
    let fence = test.start("w").await;
    assert_eq!(test.store.queue.erase_author_names().await.unwrap(), 0, "it is open");
    let fence = test.advance(&fence, StageName::Transcribed).await;
    test.advance(&fence, StageName::Done).await;
    assert!(has_name(&test).await);
    assert_eq!(test.store.queue.erase_author_names().await.unwrap(), 1);
    assert!(!has_name(&test).await);
    assert_eq!(test.store.queue.admit(&received(1), &ROOMY).await.unwrap(), Admission::Duplicate);
    assert_eq!(test.value::<i64>(id, "sent_at").await, 1_700_000_000_000);
}

#[tokio::test]
async fn a_deleted_message_ends_its_request_without_a_notice() {
    let test = TestStore::new(BACKEND).await;
    let held = test.enqueue_of(&received(1)).await;
    let fence = test.start("w").await;
    test.store.queue.set_status_message(&fence, CHAT, MessageId(70)).await.unwrap();
    let waits = test.take(&received(2)).await;
    let other = test.take(&received(3)).await;
    let now = CancelOutcome::Now { from: StageName::Received };
    assert_eq!(test.store.queue.delete_source(key(2)).await.unwrap(), [(waits, now)]);
    assert_eq!(test.store.queue.delete_source(key(1)).await.unwrap(), [(held, CancelOutcome::Running)]);
    assert_eq!(test.store.queue.delete_source(key(9)).await.unwrap(), []);
    let due = |id, messages: &[i32]| DeletedSource {
        id,
        chat: CHAT,
        messages: messages.iter().copied().map(MessageId).collect(),
    };
    assert_eq!(test.store.queue.deleted_sources().await.unwrap(), [due(waits, &[])], "the other is held");
    test.store.queue.settle(&fence, Settlement::Cancelled(CancelledBy::Sender)).await.unwrap();
    assert_eq!(test.store.queue.claim_notice("w").await.unwrap(), None);
    assert_eq!(test.store.queue.deleted_sources().await.unwrap(), [due(held, &[70]), due(waits, &[])]);
    for id in [held, waits] {
        test.store.queue.finish_deletion(id).await.unwrap();
    }
    assert_eq!(test.store.queue.deleted_sources().await.unwrap(), []);
    assert_eq!(test.store.queue.claim_notice("w").await.unwrap(), None);
    let open = test.store.queue.waiting().await.unwrap();
    assert_eq!(open.iter().map(|request| request.id).collect::<Vec<_>>(), [other]);
    assert_eq!(test.store.queue.admit(&received(1), &ROOMY).await.unwrap(), Admission::Duplicate);
}

#[tokio::test]
async fn every_message_of_an_answer_is_known_when_its_source_is_deleted() {
    let test = TestStore::new(BACKEND).await;
    let id = test.enqueue_of(&received(1)).await;
    let fence = test.start("w").await;
    test.store.queue.set_status_message(&fence, CHAT, MessageId(70)).await.unwrap();
    let fence = test.advance(&fence, StageName::Transcribed).await;
    for (part, message) in [(1, 71), (2, 72)] {
        test.store.queue.set_parts_delivered(&fence, part).await.unwrap();
        test.store.queue.set_part_message(&fence, CHAT, MessageId(message)).await.unwrap();
    }
    test.store.queue.add_sent_message(&fence, MessageId(73)).await.unwrap();
    let keep = RequestUpdate { keep_audio_for: Some(Duration::from_secs(600)), ..RequestUpdate::default() };
    test.store.queue.advance(&fence, StageName::Done, &keep).await.unwrap();
    assert!(matches!(test.store.audio.kept_audio(id, ME).await.unwrap(), AudioLookup::Here(_)));
    assert_eq!(test.store.queue.delete_source(key(1)).await.unwrap(), [(id, CancelOutcome::Over)]);
    assert_eq!(test.store.audio.kept_audio(id, ME).await.unwrap(), AudioLookup::Gone);
    let due = test.store.queue.deleted_sources().await.unwrap();
    let messages = [70, 71, 72, 73].map(MessageId).to_vec();
    assert_eq!(due, [DeletedSource { id, chat: CHAT, messages }]);
    test.store.queue.finish_deletion(id).await.unwrap();
    assert_eq!(test.store.queue.deleted_sources().await.unwrap(), []);
}

#[tokio::test]
async fn a_connection_is_recorded_refused_once_and_erased_with_its_user() {
    let test = TestStore::new(BACKEND).await;
    let business = &test.store.business;
    let mut connection = BusinessConnection {
        id: "connection".into(),
        user: ME,
        chat: CHAT,
        locale: Some("de".into()),
        is_enabled: true,
    };
    assert_eq!(business.connection("connection").await.unwrap(), None);
    business.record(&connection).await.unwrap();
    assert_eq!(business.connection("connection").await.unwrap(), Some(connection.clone()));
    assert!(business.is_connected(ME).await.unwrap());
    assert!(business.refuse("connection").await.unwrap() && !business.refuse("connection").await.unwrap());
    // The language is not always given.
    (connection.locale, connection.is_enabled) = (None, false);
    business.record(&connection).await.unwrap();
    let stored = business.connection("connection").await.unwrap().unwrap();
    assert_eq!((stored.locale.as_deref(), stored.is_enabled), (Some("de"), false));
    assert!(!business.is_connected(ME).await.unwrap() && !business.refuse("connection").await.unwrap());
    assert_eq!(business.user(&stored).await.unwrap().first_name, None);
    test.take(&received(1)).await;
    let _ = test.store.users.forget(ME).await.unwrap();
    assert_eq!(business.connection("connection").await.unwrap(), None);
    assert_eq!(test.count("usage WHERE business_key IS NOT NULL OR author_name IS NOT NULL").await, 0);
}
