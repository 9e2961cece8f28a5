//! Withdrawing requests, and audio that is kept to be heard again.

use std::time::Duration;

use stenobot::request;
use stenobot_domain::{CancelledBy, ChatId, MessageId, RequestId, StageName, UserId};
use stenobot_store::{
    Actor, AudioLookup, ButtonPermission, CancelOutcome, IdempotencyKey, IncomingAudio, KeptAudio, LEASE,
    RequestUpdate, Sender, Settlement, StoreError, WorkSource,
};

use crate::store::test_store::{TestStore, arrival, arrival_of};

const ME: UserId = UserId(7_000_000_001);

/// How long recordings are kept here at most.
const RETENTION: Duration = Duration::from_secs(600);

/// The requests whose audio is to go now.
async fn due(test: &TestStore) -> Vec<RequestId> {
    test.store.audio.take_due(RETENTION).await.unwrap().into_iter().map(|due| due.id).collect()
}

#[tokio::test]
async fn a_waiting_request_is_cancelled_at_once_and_gets_a_notice() {
    for queued in [false, true] {
        let test = TestStore::new().await;
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
    let test = TestStore::new().await;
    test.admit(1).await;
    let row = test.claim(WorkSource::Downloads, "w").await.unwrap();
    let id = row.fence.id;
    let before = test.row(id).await;
    assert_eq!(test.store.queue.cancel(id, ME).await.unwrap(), CancelOutcome::Running);
    assert_eq!(test.row(id).await, before);
    test.pass(LEASE + Duration::from_millis(1));
    assert_eq!(test.store.queue.cancel(id, ME).await.unwrap(), CancelOutcome::Now { from: StageName::Received });
    let late = test.store.queue.renew(&row.fence).await;
    assert!(matches!(late, Err(StoreError::LeaseLost { .. })), "who had it notices");
}

#[tokio::test]
async fn a_request_of_another_user_is_not_cancelled() {
    let test = TestStore::new().await;
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
    let test = TestStore::new().await;
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
    let test = TestStore::new().await;
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
    let test = TestStore::new().await;
    let id = test.admit(1).await;
    let outcomes = request::cancel_all_in(&test.store, arrival(1).chat).await.unwrap();
    assert_eq!(outcomes, [(id, CancelOutcome::Now { from: StageName::Received })]);
    let notice = test.store.queue.claim_notice("w").await.unwrap().unwrap();
    assert_eq!(notice.settlement, Settlement::Cancelled(CancelledBy::Operator));
}

// === Kept audio ===

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
async fn finish_and_keep(test: &TestStore, time: Duration) {
    let fence = test.start("w").await;
    let fence = test.advance(&fence, StageName::Transcribed).await;
    let facts = RequestUpdate { audio_until: Some(test.now().after(time)), ..RequestUpdate::default() };
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
    let test = TestStore::new().await;
    let not_kept = done(&test, &arrival(9)).await;
    assert!(here(&test, not_kept).await.is_none(), "nobody asked to keep it");
    let id = test.enqueue_of(&IncomingAudio { thread: Some(5), ..arrival(1) }).await;
    assert!(here(&test, id).await.is_none(), "it is not done");
    finish_and_keep(&test, RETENTION).await;
    assert_eq!(test.store.audio.ids_in_use().await.unwrap(), [id], "its file stays at the next start");

    let kept = here(&test, id).await.unwrap();
    assert_eq!((kept.audio, kept.chat, kept.reply_to, kept.thread), (id, arrival(1).chat, Some(MessageId(1)), Some(5)));
    assert_eq!((kept.file_id.as_str(), kept.file_unique_id.as_str()), ("file-1", "unique-1"));
    assert_eq!((kept.claimed, kept.locale.as_deref()), (Some(Duration::from_secs(10)), Some("ru")));
    assert_eq!(test.store.audio.kept_audio(id, UserId(2)).await.unwrap(), AudioLookup::NotYours);
    assert_eq!(test.store.audio.kept_audio(RequestId(99), ME).await.unwrap(), AudioLookup::Gone);

    test.pass(Duration::from_secs(599));
    assert_eq!(due(&test).await, []);
    test.pass(Duration::from_secs(1));
    assert!(here(&test, id).await.is_none(), "over, whether or not the file is still there");
    assert_eq!(due(&test).await, [id]);
    assert_eq!(due(&test).await, [], "told once");
    assert_eq!(test.store.audio.ids_in_use().await.unwrap(), []);
}

#[tokio::test]
async fn audio_transcribed_again_is_kept_until_that_is_over_under_the_same_id() {
    let test = TestStore::new().await;
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
    assert_eq!(due(&test).await, [], "it is about to be heard");
    let row = test.claim(WorkSource::Transcriptions, "w").await.unwrap();
    assert_eq!((row.fence.id, row.parent), (again, Some(first)));
    assert_eq!(row.speech_language, Some("de".parse().unwrap()));
    let fence = test.advance(&row.fence, StageName::Transcribing).await;
    let fence = test.advance(&fence, StageName::Transcribed).await;
    test.advance(&fence, StageName::Done).await;
    assert_eq!(due(&test).await, [first]);
    assert!(here(&test, again).await.is_none());
}

#[tokio::test]
async fn a_button_is_allowed_under_its_own_message_only() {
    let test = TestStore::new().await;
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
    let test = TestStore::new().await;
    let in_group = [test.take(&of_the_group(1)).await, test.take(&IncomingAudio { chat: GROUP, ..arrival(2) }).await];
    let private = test.admit(3).await;
    test.store.users.move_chat(GROUP, ChatId(-100_300)).await.unwrap();
    let ended = request::cancel_all_in(&test.store, GROUP).await.unwrap();
    let now = CancelOutcome::Now { from: StageName::Received };
    assert_eq!(ended, in_group.map(|id| (id, now)));
    assert_eq!(request::cancel_all_in(&test.store, ChatId(-100_300)).await.unwrap(), []);
    assert_eq!(test.store.queue.cancel(private, ME).await.unwrap(), now, "it was left alone");
}
