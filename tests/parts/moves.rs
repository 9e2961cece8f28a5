//! A group becomes a supergroup: what the store moves, what it keeps, and what must not change.

use std::time::Duration;

use stenobot_domain::{ChatId, MessageId, RejectReason, StageName, UserId};
use stenobot_store::{Admission, AudioLookup, ChatSettings, Facts, IdempotencyKey, IncomingAudio, Sender, WorkSource};

use crate::desk::{Desk, ROOMY, arrival_of};

const OLD: ChatId = ChatId(-200_300);
const NEW: ChatId = ChatId(-1_002_000_200_300);
const ME: i64 = 7;

/// A recording in the group as it was.
fn in_group(message: i32) -> IncomingAudio {
    IncomingAudio { chat: OLD, ..arrival_of(ME, message) }
}

#[tokio::test]
async fn what_is_open_is_answered_in_the_supergroup_and_known_by_the_message_that_asked_for_it() {
    let desk = Desk::new().await;
    let held = desk.enqueue_of(&in_group(5)).await;
    let fence = desk.start("w").await;
    desk.store.queue.set_status_message(&fence, OLD, MessageId(6)).await.unwrap();
    let refused = desk.store.queue.refuse(&in_group(8), RejectReason::TooLong).await.unwrap().unwrap();

    assert!(desk.store.users.move_chat(OLD, NEW).await.unwrap());
    // The same message again, as after a crash before the update was confirmed.
    let again = desk.store.queue.admit(&in_group(5), &ROOMY).await.unwrap();
    assert_eq!(again, Admission::Duplicate);
    // One with the same number in the supergroup, where messages are counted anew.
    let other = desk.take(&IncomingAudio { chat: NEW, file_unique_id: "other".into(), ..in_group(5) }).await;
    let row = desk.claim(WorkSource::Downloads, "w").await.unwrap();
    assert_eq!((row.fence.id, row.chat, row.reply_to), (other, NEW, Some(MessageId(5))));

    let notice = desk.store.queue.claim_notice("w").await.unwrap().unwrap();
    assert_eq!((notice.fence.id, notice.chat, notice.reply_to, notice.status_message), (refused, NEW, None, None));
    // The worker goes on: its fence holds.
    let facts = Facts { transcription_length: Some(3), ..Facts::default() };
    desk.store.queue.advance(&fence, StageName::Transcribed, &facts).await.unwrap();
    desk.pass(Duration::from_secs(61));
    let row = desk.claim(WorkSource::Transcriptions, "v").await.unwrap();
    assert_eq!((row.fence.id, row.chat), (held, NEW));
    assert_eq!((row.reply_to, row.status_message, row.thread), (None, None, None), "messages stay behind");
}

#[tokio::test]
async fn a_message_of_the_group_that_is_recorded_too_late_is_not_taken_for_one_of_the_supergroup() {
    let desk = Desk::new().await;
    let id = desk.enqueue_of(&in_group(1)).await;
    let fence = desk.start("w").await;
    desk.store.users.move_chat(OLD, NEW).await.unwrap();
    desk.store.queue.set_status_message(&fence, OLD, MessageId(2)).await.unwrap();
    desk.store.queue.set_part_message(&fence, OLD, MessageId(3)).await.unwrap();
    let shown = |column| desk.value::<Option<i64>>(id, column);
    assert_eq!((shown("status_message_id").await, shown("part_message_id").await), (None, None));
    desk.store.queue.set_status_message(&fence, NEW, MessageId(2)).await.unwrap();
    desk.store.queue.set_part_message(&fence, NEW, MessageId(3)).await.unwrap();
    assert_eq!((shown("status_message_id").await, shown("part_message_id").await), (Some(2), Some(3)));

    // Said again, by the service message in the other chat or by a refusal, it changes nothing.
    assert!(!desk.store.users.move_chat(OLD, NEW).await.unwrap());
    assert_eq!(shown("status_message_id").await, Some(2));
    assert!(!desk.store.users.move_chat(NEW, NEW).await.unwrap());
    assert_eq!(desk.count("moved_chats").await, 1);
}

#[tokio::test]
async fn a_recording_that_comes_late_from_the_group_is_answered_in_the_supergroup() {
    let desk = Desk::new().await;
    desk.store.users.move_chat(OLD, NEW).await.unwrap();
    let id = desk.take(&in_group(4)).await;
    let row = desk.claim(WorkSource::Downloads, "w").await.unwrap();
    assert_eq!((row.fence.id, row.chat, row.reply_to), (id, NEW, None));
    assert_eq!(desk.store.queue.standing(UserId(ME)).await.unwrap()[0].chat, NEW);
    let waiting = desk.store.queue.waiting().await.unwrap();
    assert_eq!(waiting[0].chat, NEW);
}

#[tokio::test]
async fn settings_bans_and_the_group_as_a_sender_move_too() {
    let desk = Desk::new().await;
    let uk = || Some("uk".parse().unwrap());
    desk.store.users.set_auto(OLD, true).await.unwrap();
    desk.store.users.set_speech_language(OLD, uk()).await.unwrap();
    desk.store.users.ban(UserId(OLD.0)).await.unwrap();
    let itself = Sender { id: UserId(OLD.0), username: None, first_name: Some("Мы".into()), last_name: None };
    let id = desk.enqueue_of(&IncomingAudio { from: itself, ..in_group(1) }).await;
    let fence = desk.start("w").await;
    let fence = desk.advance(&fence, StageName::Transcribed).await;
    let kept = Facts { audio_until: Some(desk.now().after(Duration::from_secs(600))), ..Facts::default() };
    desk.store.queue.advance(&fence, StageName::Done, &kept).await.unwrap();

    desk.store.users.move_chat(OLD, NEW).await.unwrap();
    let set = ChatSettings { speech_language: uk(), auto: true };
    for chat in [OLD, NEW] {
        assert_eq!(desk.store.users.chat_settings(chat).await.unwrap(), set);
    }
    assert_eq!(desk.count("chats").await, 1);
    assert!(desk.store.users.is_banned(UserId(NEW.0)).await.unwrap());
    // A button under the old answer: the recording is here, and the text goes to the supergroup.
    let AudioLookup::Here(audio) = desk.store.audio.kept_audio(id, UserId(NEW.0)).await.unwrap() else {
        panic!("it is kept")
    };
    assert_eq!((audio.chat, audio.reply_to, audio.status_message), (NEW, None, None));
    let button = IdempotencyKey::Button { callback_id: "1".into() };
    let again =
        IncomingAudio { chat: audio.chat, key: button, reply_to: audio.reply_to, parent: Some(id), ..in_group(1) };
    desk.take(&again).await;
    assert_eq!(desk.claim(WorkSource::Downloads, "w").await.unwrap().reply_to, None);

    // What comes late from the old chat concerns the new one.
    desk.store.users.set_auto(OLD, false).await.unwrap();
    assert_eq!(desk.store.users.chat_settings(NEW).await.unwrap(), ChatSettings { auto: false, ..set });
    assert_eq!(desk.store.users.other_ids(NEW).await.unwrap(), [OLD]);
    assert_eq!(desk.store.users.other_ids(OLD).await.unwrap(), [NEW]);
    assert_eq!(desk.store.users.moved_to(OLD).await.unwrap(), Some(NEW));
    assert_eq!(desk.store.users.moved_to(NEW).await.unwrap(), None);
    // Whichever of its ids the operator types.
    for (banned, lifted) in [(OLD, NEW), (NEW, OLD), (OLD, OLD)] {
        assert!(desk.store.users.unban(UserId(lifted.0)).await.unwrap());
        for chat in [OLD, NEW] {
            assert!(!desk.store.users.is_banned(UserId(chat.0)).await.unwrap());
        }
        desk.store.users.ban(UserId(banned.0)).await.unwrap();
        for chat in [OLD, NEW] {
            assert!(desk.store.users.is_banned(UserId(chat.0)).await.unwrap());
        }
    }
}

#[tokio::test]
async fn what_the_supergroup_has_set_already_is_not_lost() {
    let desk = Desk::new().await;
    desk.store.users.set_auto(OLD, true).await.unwrap();
    desk.store.users.set_speech_language(OLD, Some("uk".parse().unwrap())).await.unwrap();
    desk.store.users.set_speech_language(NEW, Some("de".parse().unwrap())).await.unwrap();
    desk.store.users.move_chat(OLD, NEW).await.unwrap();
    let set = ChatSettings { speech_language: Some("de".parse().unwrap()), auto: true };
    assert_eq!(desk.store.users.chat_settings(NEW).await.unwrap(), set);
}

#[tokio::test]
async fn buttons_that_stayed_behind_are_not_asked_to_go() {
    let desk = Desk::new().await;
    desk.enqueue_of(&in_group(1)).await;
    let fence = desk.start("w").await;
    desk.store.queue.set_status_message(&fence, OLD, MessageId(6)).await.unwrap();
    let fence = desk.advance(&fence, StageName::Transcribed).await;
    let kept = Facts { audio_until: Some(desk.now()), ..Facts::default() };
    desk.store.queue.advance(&fence, StageName::Done, &kept).await.unwrap();
    desk.store.users.move_chat(OLD, NEW).await.unwrap();
    let due = desk.store.audio.audio_due(std::time::Duration::from_secs(300)).await.unwrap();
    assert_eq!((due.len(), due[0].chat, due[0].status_message), (1, NEW, None));
}
