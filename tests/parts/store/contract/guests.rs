//! Calls of the bot in chats that it is not in.

use stenobot_domain::{
    CancelledBy, ChatId, GuestCall, GuestQueryId, InlineMessageId, Origin, RejectReason, RequestId, StageName, UserId,
};
use stenobot_store::{Admission, GuestPress, IdempotencyKey, IncomingAudio, Settlement, WorkSource};

use super::BACKEND;
use crate::store::test_store::{ROOMY, TestStore, arrival};

const CALLER: UserId = UserId(7_000_000_001);
const STRANGER: UserId = UserId(7_000_000_002);

fn query(number: i32) -> GuestQueryId {
    GuestQueryId(format!("query {number}"))
}

fn message(name: &str) -> InlineMessageId {
    InlineMessageId(name.to_owned())
}

/// A call to a recording of its own.
fn called(number: i32) -> IncomingAudio {
    let origin = Origin::Guest(GuestCall { query: query(number), message: None });
    IncomingAudio { key: IdempotencyKey::Origin, reply_to: None, origin, ..arrival(number) }
}

fn open(number: i32, name: &str, is_found: bool) -> GuestPress {
    GuestPress::Open { call: GuestCall { query: query(number), message: Some(message(name)) }, is_found }
}

#[tokio::test]
async fn a_call_that_comes_again_is_one_request_and_its_message_is_kept() {
    let test = TestStore::new(BACKEND).await;
    let queue = &test.store.queue;
    let Admission::New(id) = queue.admit(&called(1), &ROOMY).await.unwrap() else { panic!("not admitted") };
    assert_eq!(queue.admit(&called(1), &ROOMY).await.unwrap(), Admission::Duplicate);
    assert_eq!(queue.guest_message(id).await.unwrap(), None);
    assert!(queue.record_guest_message(id, &message("a")).await.unwrap());
    assert!(!queue.record_guest_message(id, &message("b")).await.unwrap(), "there is one message for a call");
    assert_eq!(queue.guest_message(id).await.unwrap(), Some(message("a")));
    let row = test.claim(WorkSource::Downloads, "w").await.unwrap();
    assert_eq!(row.chat, ChatId(CALLER.0), "what does not fit there goes to the private chat");
    assert_eq!(row.origin, Origin::Guest(GuestCall { query: query(1), message: Some(message("a")) }));
    let waiting = queue.waiting().await.unwrap();
    assert_eq!(waiting[0].origin, row.origin);
}

#[tokio::test]
async fn a_press_belongs_to_the_caller_and_to_the_message_of_the_request() {
    let test = TestStore::new(BACKEND).await;
    let queue = &test.store.queue;
    let (first, second) = (test.take(&called(1)).await, test.take(&called(2)).await);
    let own = test.take(&arrival(3)).await;
    assert!(queue.record_guest_message(first, &message("a")).await.unwrap());
    assert_eq!(queue.guest_press(first, CALLER, &message("a")).await.unwrap(), open(1, "a", false));
    assert_eq!(queue.guest_press(first, STRANGER, &message("a")).await.unwrap(), GuestPress::NotYours);
    assert_eq!(queue.guest_press(first, CALLER, &message("x")).await.unwrap(), GuestPress::Elsewhere);
    assert_eq!(queue.guest_press(own, CALLER, &message("x")).await.unwrap(), GuestPress::Elsewhere, "no call");
    assert_eq!(queue.guest_press(RequestId(999), CALLER, &message("x")).await.unwrap(), GuestPress::Elsewhere);
    // The message of another request is not taken for that of one whose message is not known.
    assert_eq!(queue.guest_press(second, CALLER, &message("a")).await.unwrap(), GuestPress::Elsewhere);
    assert_eq!(queue.guest_press(second, STRANGER, &message("b")).await.unwrap(), GuestPress::NotYours);
    assert_eq!(queue.guest_message(second).await.unwrap(), None);
    // A message that was posted by a process which died is found by the caller's press.
    assert_eq!(queue.guest_press(second, CALLER, &message("b")).await.unwrap(), open(2, "b", true));
    assert_eq!(queue.guest_press(second, CALLER, &message("b")).await.unwrap(), open(2, "b", false));
    assert_eq!(queue.guest_message(second).await.unwrap(), Some(message("b")));
}

#[tokio::test]
async fn a_press_after_the_end_tells_whether_the_message_was_known() {
    let test = TestStore::new(BACKEND).await;
    let id = test.enqueue_of(&called(1)).await;
    let fence = test.start("w").await;
    let fence = test.advance(&fence, StageName::Transcribed).await;
    test.advance(&fence, StageName::Done).await;
    let queue = &test.store.queue;
    assert_eq!(queue.guest_press(id, CALLER, &message("a")).await.unwrap(), GuestPress::Closed { is_found: true });
    assert_eq!(queue.guest_press(id, CALLER, &message("a")).await.unwrap(), GuestPress::Closed { is_found: false });
    assert_eq!(queue.guest_press(id, CALLER, &message("b")).await.unwrap(), GuestPress::Elsewhere);
}

#[tokio::test]
async fn each_refused_call_is_answered_by_a_notice_of_its_own() {
    let test = TestStore::new(BACKEND).await;
    let queue = &test.store.queue;
    // In the private chat, the refusal of an ordinary message is answered together with others of its kind.
    for arrival in [called(1), arrival(2), called(3), arrival(4)] {
        queue.refuse(&arrival, RejectReason::TooLong).await.unwrap().unwrap();
    }
    let mut notices = Vec::new();
    while let Some(notice) = queue.claim_notice("w").await.unwrap() {
        assert_eq!(notice.settlement, Settlement::Rejected(RejectReason::TooLong));
        queue.close_notices(&notice.fence, &notice.folded).await.unwrap();
        let call = match &notice.origin {
            Origin::Guest(call) => Some(call.query.clone()),
            Origin::Chat | Origin::Business(_) => None,
        };
        notices.push((call, notice.folded.len()));
    }
    assert_eq!(notices, [(Some(query(1)), 0), (None, 1), (Some(query(3)), 0)]);
}

#[tokio::test]
async fn erasure_leaves_nothing_of_a_call() {
    let test = TestStore::new(BACKEND).await;
    let id = test.enqueue_of(&called(1)).await;
    assert!(test.store.queue.record_guest_message(id, &message("a")).await.unwrap());
    let fence = test.start("w").await;
    test.store.queue.settle(&fence, Settlement::Cancelled(CancelledBy::ChatGone)).await.unwrap();
    let _forgotten = test.store.users.forget(CALLER).await.unwrap();
    assert_eq!(test.count("usage WHERE guest_query IS NOT NULL OR inline_message_id IS NOT NULL").await, 0);
    assert_eq!(test.store.queue.guest_press(id, CALLER, &message("a")).await.unwrap(), GuestPress::Elsewhere);
}
