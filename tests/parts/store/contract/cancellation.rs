//! Cancelling requests, and the rights to them.

use std::time::Duration;

use stenobot::request;
use stenobot_domain::{CancelledBy, ChatId, MessageId, RequestId, StageName, UserId};
use stenobot_store::{
    Actor, AudioLookup, ButtonPermission, CancelOutcome, IncomingAudio, LEASE, Sender, Settlement, StoreError,
    WorkSource,
};

use super::BACKEND;
use super::audio::finish_and_keep;
use crate::store::test_store::{TestStore, arrival, arrival_of};

const ME: UserId = UserId(7_000_000_001);

#[tokio::test]
async fn a_waiting_request_is_cancelled_at_once_and_gets_a_notice() {
    for queued in [false, true] {
        let test = TestStore::new(BACKEND).await;
        let id = if queued { test.enqueue(1).await } else { test.admit(1).await };
        let from = if queued { StageName::Queued } else { StageName::Received };
        assert_eq!(request::cancel(&test.store, id, ME).await.unwrap(), CancelOutcome::Now { from });
        assert!(StageName::STEPS.contains(&(from, StageName::Cancelled)));
        assert_eq!(test.store.queue.depth().await.unwrap(), 0);
        assert_eq!(test.claim(WorkSource::Downloads, "w").await, None);
        assert_eq!(test.claim(WorkSource::Transcriptions, "w").await, None);
        let notice = test.store.queue.claim_notice("w").await.unwrap().unwrap();
        assert_eq!((notice.fence.id, notice.settlement), (id, Settlement::Cancelled(CancelledBy::Sender)));
        assert_eq!(request::cancel(&test.store, id, ME).await.unwrap(), CancelOutcome::Over);
    }
}

#[tokio::test]
async fn a_held_request_is_not_cancelled_until_its_lease_expires() {
    let test = TestStore::new(BACKEND).await;
    test.admit(1).await;
    let row = test.claim(WorkSource::Downloads, "w").await.unwrap();
    let id = row.fence.id;
    let mut cancelled = test.store.cancellations();
    assert_eq!(test.store.queue.cancellations_of("w").await.unwrap(), []);
    assert_eq!(test.store.queue.cancel(id, ME).await.unwrap(), CancelOutcome::Running);
    assert_eq!(cancelled.recv().await.unwrap(), id, "its holder is notified");
    assert_eq!(test.value::<String>(id, "stage").await, "received");
    assert_eq!(test.store.queue.cancellations_of("w").await.unwrap(), [id]);
    assert_eq!(test.store.queue.cancellations_of("v").await.unwrap(), []);
    let mut again = test.store.cancellations();
    test.store.queue.renew(&row.fence).await.unwrap();
    assert_eq!(again.recv().await.unwrap(), id, "a holder that missed it finds it with the next renewal");
    test.pass(LEASE + Duration::from_millis(1));
    assert_eq!(test.store.queue.cancel(id, ME).await.unwrap(), CancelOutcome::Now { from: StageName::Received });
    let late = test.store.queue.renew(&row.fence).await;
    assert!(matches!(late, Err(StoreError::LeaseLost { .. })), "who had it notices");
}

#[tokio::test]
async fn a_request_of_another_user_is_not_cancelled() {
    let test = TestStore::new(BACKEND).await;
    let id = test.admit(1).await;
    let before = test.row(id).await;
    assert_eq!(test.store.queue.cancel(id, UserId(2)).await.unwrap(), CancelOutcome::NotYours);
    assert_eq!(test.store.queue.cancel(RequestId(99), ME).await.unwrap(), CancelOutcome::Unknown);
    assert_eq!(test.row(id).await, before);
}

/// A request that was made in a group in the name of the group itself.
fn of_the_group(message: i32) -> IncomingAudio {
    let title = Sender { id: UserId(GROUP.0), username: None, first_name: Some("Us".into()), last_name: None };
    IncomingAudio { chat: GROUP, from: title, ..arrival(message) }
}

const GROUP: ChatId = ChatId(-100_200);

#[tokio::test]
async fn requests_of_a_chat_belong_to_its_admins() {
    let test = TestStore::new(BACKEND).await;
    let id = test.take(&of_the_group(1)).await;
    let private = test.admit(2).await;
    let admin = Actor::Admin { user: ME, group: GROUP };
    let elsewhere = Actor::Admin { user: ME, group: ChatId(-100_201) };
    let member = Actor::Member { user: ME, group: GROUP };
    assert_eq!(test.store.queue.cancel(id, ME).await.unwrap(), CancelOutcome::NotYours);
    assert_eq!(test.store.queue.cancel(id, elsewhere).await.unwrap(), CancelOutcome::NotYours);
    assert_eq!(test.store.queue.cancel(id, member).await.unwrap(), CancelOutcome::AdminsOnly);
    let other_admin = Actor::Admin { user: UserId(2), group: GROUP };
    assert_eq!(test.store.queue.cancel(private, other_admin).await.unwrap(), CancelOutcome::NotYours);
    assert_eq!(test.store.queue.cancel(private, ME).await.unwrap(), CancelOutcome::Now { from: StageName::Received });
    assert_eq!(test.store.queue.cancel(id, admin).await.unwrap(), CancelOutcome::Now { from: StageName::Received });

    let id = test.enqueue_of(&of_the_group(3)).await;
    finish_and_keep(&test, LEASE).await;
    assert_eq!(test.store.audio.kept_audio(id, ME).await.unwrap(), AudioLookup::NotYours);
    assert_eq!(test.store.audio.kept_audio(id, elsewhere).await.unwrap(), AudioLookup::NotYours);
    assert_eq!(test.store.audio.kept_audio(id, member).await.unwrap(), AudioLookup::AdminsOnly);
    let AudioLookup::Here(kept) = test.store.audio.kept_audio(id, admin).await.unwrap() else { panic!("it is kept") };
    assert_eq!(kept.owner, of_the_group(3).from);
}

#[tokio::test]
async fn cancelling_all_ends_the_requests_of_one_user_only() {
    let test = TestStore::new(BACKEND).await;
    let running = test.enqueue(1).await;
    test.start("w").await;
    let queued = test.enqueue(2).await;
    let theirs = test.take(&arrival_of(2, 3)).await;
    let received = test.admit(4).await;
    let outcomes = request::cancel_all(&test.store, ME).await.unwrap();
    let now = |from| CancelOutcome::Now { from };
    let expected =
        [(running, CancelOutcome::Running), (queued, now(StageName::Queued)), (received, now(StageName::Received))];
    assert_eq!(outcomes, expected);
    assert_eq!(test.value::<String>(theirs, "stage").await, "received");
    assert_eq!(test.store.queue.cancel_all(UserId(99)).await.unwrap(), []);
}

#[tokio::test]
async fn the_operator_cancels_any_request_and_its_sender_gets_a_notice() {
    let test = TestStore::new(BACKEND).await;
    let id = test.admit(1).await;
    let outcomes = request::cancel_all_in(&test.store, arrival(1).chat).await.unwrap();
    assert_eq!(outcomes, [(id, CancelOutcome::Now { from: StageName::Received })]);
    let notice = test.store.queue.claim_notice("w").await.unwrap().unwrap();
    assert_eq!(notice.settlement, Settlement::Cancelled(CancelledBy::Operator));
}

#[tokio::test]
async fn a_button_is_allowed_under_its_own_message_only() {
    let test = TestStore::new(BACKEND).await;
    let own = ChatId(ME.0);
    let id = test.enqueue(1).await;
    let fence = test.start("w").await;
    let me = Actor::Sender(ME);
    let pressing = async |of, by, chat, message| {
        test.store.queue.button_permission(of, by, chat, MessageId(message)).await.unwrap()
    };
    // The status message was sent a moment ago.
    assert_eq!(pressing(id, me, own, 8).await, ButtonPermission::Allowed);
    assert_eq!(pressing(id, me, GROUP, 8).await, ButtonPermission::Elsewhere);
    test.store.queue.set_status_message(&fence, own, MessageId(9)).await.unwrap();
    assert_eq!(pressing(id, me, own, 9).await, ButtonPermission::Allowed);
    assert_eq!(pressing(id, me, own, 8).await, ButtonPermission::Elsewhere);
    assert_eq!(pressing(id, Actor::Member { user: ME, group: GROUP }, GROUP, 9).await, ButtonPermission::Elsewhere);
    assert_eq!(pressing(id, Actor::Sender(UserId(2)), own, 9).await, ButtonPermission::NotYours);
    assert_eq!(pressing(RequestId(99), me, own, 9).await, ButtonPermission::Elsewhere);

    // Of a group: in the group, and in the supergroup that it becomes.
    let id = test.take(&of_the_group(2)).await;
    let (admin, member) = (Actor::Admin { user: ME, group: GROUP }, Actor::Member { user: ME, group: GROUP });
    assert_eq!(pressing(id, member, GROUP, 7).await, ButtonPermission::AdminsOnly);
    assert_eq!(pressing(id, admin, GROUP, 7).await, ButtonPermission::Allowed);
    assert_eq!(pressing(id, me, GROUP, 7).await, ButtonPermission::NotYours);
    let supergroup = ChatId(-100_300);
    let mine = test.take(&IncomingAudio { chat: GROUP, ..arrival(3) }).await;
    test.store.users.move_chat(GROUP, supergroup).await.unwrap();
    for chat in [GROUP, supergroup] {
        assert_eq!(pressing(mine, Actor::Member { user: ME, group: chat }, chat, 7).await, ButtonPermission::Allowed);
    }
    assert_eq!(pressing(mine, me, own, 7).await, ButtonPermission::Elsewhere);
}

#[tokio::test]
async fn cancelling_a_group_ends_all_its_open_requests() {
    let test = TestStore::new(BACKEND).await;
    let in_group = [test.take(&of_the_group(1)).await, test.take(&IncomingAudio { chat: GROUP, ..arrival(2) }).await];
    let private = test.admit(3).await;
    test.store.users.move_chat(GROUP, ChatId(-100_300)).await.unwrap();
    let ended = request::cancel_all_in(&test.store, GROUP).await.unwrap();
    let now = CancelOutcome::Now { from: StageName::Received };
    assert_eq!(ended, in_group.map(|id| (id, now)));
    assert_eq!(request::cancel_all_in(&test.store, ChatId(-100_300)).await.unwrap(), []);
    assert_eq!(test.store.queue.cancel(private, ME).await.unwrap(), now, "it was left alone");
}
