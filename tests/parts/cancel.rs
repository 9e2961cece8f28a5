//! Withdrawing requests, and audio that is kept to be heard again.

use std::time::Duration;

use stenobot::request;
use stenobot_domain::{CancelledBy, ChatId, MessageId, RequestId, StageName, UserId};
use stenobot_store::{
    Actor, AudioLookup, ButtonPermission, CancelOutcome, Facts, IdempotencyKey, IncomingAudio, KeptAudio, LEASE,
    Sender, Settlement, StoreError, WorkSource,
};

use crate::desk::{Desk, arrival, arrival_of};

const ME: UserId = UserId(7_000_000_001);

/// How long recordings are kept here at most.
const RETENTION: Duration = Duration::from_secs(600);

/// The requests whose audio is to go now.
async fn due(desk: &Desk) -> Vec<RequestId> {
    desk.store.audio.audio_due(RETENTION).await.unwrap().into_iter().map(|due| due.id).collect()
}

#[tokio::test]
async fn what_waits_ends_at_once_and_its_sender_is_told() {
    for queued in [false, true] {
        let desk = Desk::new().await;
        let id = if queued { desk.enqueue(1).await } else { desk.admit(1).await };
        let from = if queued { StageName::Queued } else { StageName::Received };
        assert_eq!(request::cancel(&desk.store, id, ME).await.unwrap(), CancelOutcome::Now { from });
        assert!(StageName::STEPS.contains(&(from, StageName::Cancelled)));
        assert_eq!(desk.store.queue.depth().await.unwrap(), 0);
        assert_eq!(desk.claim(WorkSource::Downloads, "w").await, None);
        assert_eq!(desk.claim(WorkSource::Transcriptions, "w").await, None);
        let notice = desk.store.queue.claim_notice("w").await.unwrap().unwrap();
        assert_eq!((notice.fence.id, notice.settlement), (id, Settlement::Cancelled(CancelledBy::Sender)));
        assert_eq!(request::cancel(&desk.store, id, ME).await.unwrap(), CancelOutcome::Over);
    }
}

#[tokio::test]
async fn what_is_worked_on_is_left_to_whoever_works_on_it() {
    let desk = Desk::new().await;
    desk.admit(1).await;
    let row = desk.claim(WorkSource::Downloads, "w").await.unwrap();
    let id = row.fence.id;
    let before = desk.row(id).await;
    assert_eq!(desk.store.queue.cancel(id, ME).await.unwrap(), CancelOutcome::Running);
    assert_eq!(desk.row(id).await, before);
    desk.pass(LEASE + Duration::from_millis(1));
    assert_eq!(desk.store.queue.cancel(id, ME).await.unwrap(), CancelOutcome::Now { from: StageName::Received });
    let late = desk.store.queue.renew(&row.fence).await;
    assert!(matches!(late, Err(StoreError::LeaseLost { .. })), "who had it notices");
}

#[tokio::test]
async fn nobody_ends_what_is_not_theirs_or_not_there() {
    let desk = Desk::new().await;
    let id = desk.admit(1).await;
    let before = desk.row(id).await;
    assert_eq!(desk.store.queue.cancel(id, UserId(2)).await.unwrap(), CancelOutcome::NotYours);
    assert_eq!(desk.store.queue.cancel(RequestId(99), ME).await.unwrap(), CancelOutcome::Unknown);
    assert_eq!(desk.row(id).await, before);
}

/// A request that was made in a group in the name of the group itself.
fn of_the_group(message: i32) -> IncomingAudio {
    let title = Sender { id: UserId(GROUP.0), username: None, first_name: Some("Us".into()), last_name: None };
    IncomingAudio { chat: GROUP, from: title, ..arrival(message) }
}

const GROUP: ChatId = ChatId(-100_200);

#[tokio::test]
async fn what_a_chat_asked_for_is_its_admins_to_cancel_and_to_have_again() {
    let desk = Desk::new().await;
    let id = desk.take(&of_the_group(1)).await;
    let private = desk.admit(2).await;
    let admin = Actor::Admin { user: ME, group: GROUP };
    let elsewhere = Actor::Admin { user: ME, group: ChatId(-100_201) };
    let member = Actor::Member { user: ME, group: GROUP };
    assert_eq!(desk.store.queue.cancel(id, ME).await.unwrap(), CancelOutcome::NotYours);
    assert_eq!(desk.store.queue.cancel(id, elsewhere).await.unwrap(), CancelOutcome::NotYours);
    assert_eq!(desk.store.queue.cancel(id, member).await.unwrap(), CancelOutcome::AdminsOnly);
    let other_admin = Actor::Admin { user: UserId(2), group: GROUP };
    assert_eq!(desk.store.queue.cancel(private, other_admin).await.unwrap(), CancelOutcome::NotYours);
    assert_eq!(desk.store.queue.cancel(private, ME).await.unwrap(), CancelOutcome::Now { from: StageName::Received });
    assert_eq!(desk.store.queue.cancel(id, admin).await.unwrap(), CancelOutcome::Now { from: StageName::Received });

    let id = desk.enqueue_of(&of_the_group(3)).await;
    finish_and_keep(&desk, LEASE).await;
    assert_eq!(desk.store.audio.kept_audio(id, ME).await.unwrap(), AudioLookup::NotYours);
    assert_eq!(desk.store.audio.kept_audio(id, elsewhere).await.unwrap(), AudioLookup::NotYours);
    assert_eq!(desk.store.audio.kept_audio(id, member).await.unwrap(), AudioLookup::AdminsOnly);
    let AudioLookup::Here(kept) = desk.store.audio.kept_audio(id, admin).await.unwrap() else { panic!("it is kept") };
    assert_eq!(kept.owner, of_the_group(3).from);
}

#[tokio::test]
async fn all_of_one_s_requests_end_and_nobody_else_s() {
    let desk = Desk::new().await;
    let running = desk.enqueue(1).await;
    desk.start("w").await;
    let queued = desk.enqueue(2).await;
    let theirs = desk.take(&arrival_of(2, 3)).await;
    let received = desk.admit(4).await;
    let outcomes = request::cancel_all(&desk.store, ME).await.unwrap();
    let now = |from| CancelOutcome::Now { from };
    let expected =
        [(running, CancelOutcome::Running), (queued, now(StageName::Queued)), (received, now(StageName::Received))];
    assert_eq!(outcomes, expected);
    assert_eq!(desk.value::<String>(theirs, "stage").await, "received");
    assert_eq!(desk.store.queue.cancel_all(UserId(99)).await.unwrap(), []);
}

#[tokio::test]
async fn the_operator_ends_anybody_s_and_they_are_told() {
    let desk = Desk::new().await;
    let id = desk.admit(1).await;
    let outcome = request::cancel_by_operator(&desk.store, id).await.unwrap();
    assert_eq!(outcome, CancelOutcome::Now { from: StageName::Received });
    let notice = desk.store.queue.claim_notice("w").await.unwrap().unwrap();
    assert_eq!(notice.settlement, Settlement::Cancelled(CancelledBy::Operator));
}

// === Kept audio ===

async fn done(desk: &Desk, arrival: &IncomingAudio) -> RequestId {
    let id = desk.enqueue_of(arrival).await;
    finish(desk).await;
    id
}

async fn finish(desk: &Desk) {
    let fence = desk.start("w").await;
    let fence = desk.advance(&fence, StageName::Transcribed).await;
    desk.advance(&fence, StageName::Done).await;
}

/// The same, and the audio stays for so long.
async fn finish_and_keep(desk: &Desk, time: Duration) {
    let fence = desk.start("w").await;
    let fence = desk.advance(&fence, StageName::Transcribed).await;
    let facts = Facts { audio_until: Some(desk.now().after(time)), ..Facts::default() };
    desk.store.queue.advance(&fence, StageName::Done, &facts).await.unwrap();
}

async fn here(desk: &Desk, id: RequestId) -> Option<KeptAudio> {
    match desk.store.audio.kept_audio(id, ME).await.unwrap() {
        AudioLookup::Here(kept) => Some(*kept),
        AudioLookup::Gone => None,
        AudioLookup::NotYours | AudioLookup::AdminsOnly => panic!("it is"),
    }
}

#[tokio::test]
async fn audio_is_kept_for_its_sender_until_its_time_is_over() {
    let desk = Desk::new().await;
    let not_kept = done(&desk, &arrival(9)).await;
    assert!(here(&desk, not_kept).await.is_none(), "nobody asked to keep it");
    let id = desk.enqueue_of(&IncomingAudio { thread: Some(5), ..arrival(1) }).await;
    assert!(here(&desk, id).await.is_none(), "it is not done");
    finish_and_keep(&desk, RETENTION).await;
    assert_eq!(desk.store.audio.under_way().await.unwrap(), [id], "its file stays at the next start");

    let kept = here(&desk, id).await.unwrap();
    assert_eq!((kept.audio, kept.chat, kept.reply_to, kept.thread), (id, arrival(1).chat, Some(MessageId(1)), Some(5)));
    assert_eq!((kept.file_id.as_str(), kept.file_unique_id.as_str()), ("file-1", "unique-1"));
    assert_eq!((kept.claimed, kept.locale.as_deref()), (Some(Duration::from_secs(10)), Some("ru")));
    assert_eq!(desk.store.audio.kept_audio(id, UserId(2)).await.unwrap(), AudioLookup::NotYours);
    assert_eq!(desk.store.audio.kept_audio(RequestId(99), ME).await.unwrap(), AudioLookup::Gone);

    desk.pass(Duration::from_secs(599));
    assert_eq!(due(&desk).await, []);
    desk.pass(Duration::from_secs(1));
    assert!(here(&desk, id).await.is_none(), "over, whether or not the file is still there");
    assert_eq!(due(&desk).await, [id]);
    assert_eq!(due(&desk).await, [], "told once");
    assert_eq!(desk.store.audio.under_way().await.unwrap(), []);
}

#[tokio::test]
async fn what_is_heard_again_stays_until_that_is_over_and_leads_to_the_same_file() {
    let desk = Desk::new().await;
    let first = desk.enqueue(1).await;
    finish_and_keep(&desk, LEASE).await;
    let audio = here(&desk, first).await.unwrap().audio;
    let press = |number: u8| IncomingAudio {
        key: IdempotencyKey::Button { callback_id: format!("press {number}") },
        parent: Some(audio),
        speech_language: Some("de".parse().unwrap()),
        ..arrival(1)
    };
    let in_time = desk.enqueue_of(&press(1)).await;
    finish(&desk).await;
    assert_eq!(here(&desk, in_time).await.unwrap().audio, first);
    let again = desk.enqueue_of(&press(2)).await;
    desk.pass(2 * LEASE);
    assert_eq!(due(&desk).await, [], "it is about to be heard");
    let row = desk.claim(WorkSource::Transcriptions, "w").await.unwrap();
    assert_eq!((row.fence.id, row.parent), (again, Some(first)));
    assert_eq!(row.speech_language, Some("de".parse().unwrap()));
    let fence = desk.advance(&row.fence, StageName::Transcribing).await;
    let fence = desk.advance(&fence, StageName::Transcribed).await;
    desk.advance(&fence, StageName::Done).await;
    assert_eq!(due(&desk).await, [first]);
    assert!(here(&desk, again).await.is_none());
}

#[tokio::test]
async fn a_press_is_held_against_the_message_of_the_request_that_it_names() {
    let desk = Desk::new().await;
    let own = ChatId(ME.0);
    let id = desk.enqueue(1).await;
    let fence = desk.start("w").await;
    let me = Actor::Sender(ME);
    let pressing =
        async |of, by, chat, message| desk.store.queue.pressing(of, by, chat, MessageId(message)).await.unwrap();
    // The status message was sent a moment ago.
    assert_eq!(pressing(id, me, own, 8).await, ButtonPermission::Allowed);
    assert_eq!(pressing(id, me, GROUP, 8).await, ButtonPermission::Elsewhere);
    desk.store.queue.set_status_message(&fence, own, MessageId(9)).await.unwrap();
    assert_eq!(pressing(id, me, own, 9).await, ButtonPermission::Allowed);
    assert_eq!(pressing(id, me, own, 8).await, ButtonPermission::Elsewhere);
    assert_eq!(pressing(id, Actor::Member { user: ME, group: GROUP }, GROUP, 9).await, ButtonPermission::Elsewhere);
    assert_eq!(pressing(id, Actor::Sender(UserId(2)), own, 9).await, ButtonPermission::NotYours);
    assert_eq!(pressing(RequestId(99), me, own, 9).await, ButtonPermission::Elsewhere);

    // Of a group: in the group, and in the supergroup that it becomes.
    let id = desk.take(&of_the_group(2)).await;
    let (admin, member) = (Actor::Admin { user: ME, group: GROUP }, Actor::Member { user: ME, group: GROUP });
    assert_eq!(pressing(id, member, GROUP, 7).await, ButtonPermission::AdminsOnly);
    assert_eq!(pressing(id, admin, GROUP, 7).await, ButtonPermission::Allowed);
    assert_eq!(pressing(id, me, GROUP, 7).await, ButtonPermission::NotYours);
    let supergroup = ChatId(-100_300);
    let mine = desk.take(&IncomingAudio { chat: GROUP, ..arrival(3) }).await;
    desk.store.users.move_chat(GROUP, supergroup).await.unwrap();
    for chat in [GROUP, supergroup] {
        assert_eq!(pressing(mine, Actor::Member { user: ME, group: chat }, chat, 7).await, ButtonPermission::Allowed);
    }
    assert_eq!(pressing(mine, me, own, 7).await, ButtonPermission::Elsewhere);
}

#[tokio::test]
async fn all_that_is_under_way_in_a_group_ends_at_once() {
    let desk = Desk::new().await;
    let in_group = [desk.take(&of_the_group(1)).await, desk.take(&IncomingAudio { chat: GROUP, ..arrival(2) }).await];
    let private = desk.admit(3).await;
    desk.store.users.move_chat(GROUP, ChatId(-100_300)).await.unwrap();
    let ended = request::cancel_all_in(&desk.store, GROUP).await.unwrap();
    let now = CancelOutcome::Now { from: StageName::Received };
    assert_eq!(ended, in_group.map(|id| (id, now)));
    assert_eq!(request::cancel_all_in(&desk.store, ChatId(-100_300)).await.unwrap(), []);
    assert_eq!(desk.store.queue.cancel(private, ME).await.unwrap(), now, "it was left alone");
}
