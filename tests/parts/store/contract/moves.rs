//! A group becomes a supergroup: what the store moves, what it keeps, and what must not change.

use std::time::Duration;

use stenobot_domain::{ChatId, MessageId, RejectReason, StageName, UserId};
use stenobot_store::{
    Admission, AudioLookup, ChatSettings, IdempotencyKey, IncomingAudio, RequestUpdate, Sender, WorkSource,
};

use super::BACKEND;
use crate::store::test_store::{ROOMY, TestStore, arrival_of};

const OLD: ChatId = ChatId(-200_300);
const NEW: ChatId = ChatId(-1_002_000_200_300);
const ME: i64 = 7;

/// A recording in the group as it was.
fn in_group(message: i32) -> IncomingAudio {
    IncomingAudio { chat: OLD, ..arrival_of(ME, message) }
}

#[tokio::test]
async fn open_requests_are_answered_in_the_supergroup_and_keep_their_idempotency_keys() {
    let test = TestStore::new(BACKEND).await;
    let held = test.enqueue_of(&in_group(5)).await;
    let fence = test.start("w").await;
    test.store.queue.set_status_message(&fence, OLD, MessageId(6)).await.unwrap();
    let refused = test.store.queue.refuse(&in_group(8), RejectReason::TooLong).await.unwrap().unwrap();

    assert!(test.store.users.move_chat(OLD, NEW).await.unwrap());
    // The same message again, as after a crash before the update was confirmed.
    let again = test.store.queue.admit(&in_group(5), &ROOMY).await.unwrap();
    assert_eq!(again, Admission::Duplicate);
    // One with the same number in the supergroup, where messages are counted anew.
    let other = test.take(&IncomingAudio { chat: NEW, file_unique_id: "other".into(), ..in_group(5) }).await;
    let row = test.claim(WorkSource::Downloads, "w").await.unwrap();
    assert_eq!((row.fence.id, row.chat, row.reply_to), (other, NEW, Some(MessageId(5))));

    let notice = test.store.queue.claim_notice("w").await.unwrap().unwrap();
    assert_eq!((notice.fence.id, notice.chat, notice.reply_to, notice.status_message), (refused, NEW, None, None));
    // The worker goes on: its fence holds.
    let facts = RequestUpdate { transcription_length: Some(3), ..RequestUpdate::default() };
    test.store.queue.advance(&fence, StageName::Transcribed, &facts).await.unwrap();
    test.pass(Duration::from_secs(61));
    let row = test.claim(WorkSource::Transcriptions, "v").await.unwrap();
    assert_eq!((row.fence.id, row.chat), (held, NEW));
    assert_eq!((row.reply_to, row.status_message, row.thread), (None, None, None), "messages stay behind");
}

#[tokio::test]
async fn a_message_id_of_the_former_group_is_dropped() {
    let test = TestStore::new(BACKEND).await;
    let id = test.enqueue_of(&in_group(1)).await;
    let fence = test.start("w").await;
    test.store.users.move_chat(OLD, NEW).await.unwrap();
    test.store.queue.set_status_message(&fence, OLD, MessageId(2)).await.unwrap();
    test.store.queue.set_part_message(&fence, OLD, MessageId(3)).await.unwrap();
    let shown = |column| test.value::<Option<i64>>(id, column);
    assert_eq!((shown("status_message_id").await, shown("part_message_id").await), (None, None));
    test.store.queue.set_status_message(&fence, NEW, MessageId(2)).await.unwrap();
    test.store.queue.set_part_message(&fence, NEW, MessageId(3)).await.unwrap();
    assert_eq!((shown("status_message_id").await, shown("part_message_id").await), (Some(2), Some(3)));

    // Said again, by the service message in the other chat or by a refusal, it changes nothing.
    assert!(!test.store.users.move_chat(OLD, NEW).await.unwrap());
    assert_eq!(shown("status_message_id").await, Some(2));
    assert!(!test.store.users.move_chat(NEW, NEW).await.unwrap());
    assert_eq!(test.count("moved_chats").await, 1);
}

#[tokio::test]
async fn a_late_message_of_the_former_group_is_answered_in_the_supergroup() {
    let test = TestStore::new(BACKEND).await;
    test.store.users.move_chat(OLD, NEW).await.unwrap();
    let id = test.take(&in_group(4)).await;
    let row = test.claim(WorkSource::Downloads, "w").await.unwrap();
    assert_eq!((row.fence.id, row.chat, row.reply_to), (id, NEW, None));
    assert_eq!(test.store.queue.statuses_of(UserId(ME)).await.unwrap()[0].chat, NEW);
    let waiting = test.store.queue.waiting().await.unwrap();
    assert_eq!(waiting[0].chat, NEW);
}

#[tokio::test]
async fn settings_bans_and_the_group_as_a_sender_move_too() {
    let test = TestStore::new(BACKEND).await;
    let uk = || Some("uk".parse().unwrap());
    test.store.users.set_auto(OLD, true).await.unwrap();
    test.store.users.set_speech_language(OLD, uk()).await.unwrap();
    test.store.users.ban(UserId(OLD.0)).await.unwrap();
    let itself = Sender { id: UserId(OLD.0), username: None, first_name: Some("Мы".into()), last_name: None };
    let id = test.enqueue_of(&IncomingAudio { from: itself, ..in_group(1) }).await;
    let fence = test.start("w").await;
    let fence = test.advance(&fence, StageName::Transcribed).await;
    let kept = RequestUpdate { keep_audio_for: Some(Duration::from_secs(600)), ..RequestUpdate::default() };
    test.store.queue.advance(&fence, StageName::Done, &kept).await.unwrap();

    test.store.users.move_chat(OLD, NEW).await.unwrap();
    let set = ChatSettings { speech_language: uk(), auto: true, times: true, ..ChatSettings::default() };
    for chat in [OLD, NEW] {
        assert_eq!(test.store.users.chat_settings(chat).await.unwrap(), set);
    }
    assert_eq!(test.count("chats").await, 1);
    assert!(test.store.users.is_banned(UserId(NEW.0)).await.unwrap());
    // A button under the old answer: the recording is here, and the text goes to the supergroup.
    let AudioLookup::Here(audio) = test.store.audio.kept_audio(id, UserId(NEW.0)).await.unwrap() else {
        panic!("it is kept")
    };
    assert_eq!((audio.chat, audio.reply_to, audio.status_message), (NEW, None, None));
    let button = IdempotencyKey::Button { callback_id: "1".into() };
    let again =
        IncomingAudio { chat: audio.chat, key: button, reply_to: audio.reply_to, parent: Some(id), ..in_group(1) };
    test.take(&again).await;
    assert_eq!(test.claim(WorkSource::Downloads, "w").await.unwrap().reply_to, None);

    // What comes late from the old chat concerns the new one.
    test.store.users.set_auto(OLD, false).await.unwrap();
    assert_eq!(test.store.users.chat_settings(NEW).await.unwrap(), ChatSettings { auto: false, ..set });
    assert_eq!(test.store.users.other_ids(NEW).await.unwrap(), [OLD]);
    assert_eq!(test.store.users.other_ids(OLD).await.unwrap(), [NEW]);
    assert_eq!(test.store.users.moved_to(OLD).await.unwrap(), Some(NEW));
    assert_eq!(test.store.users.moved_to(NEW).await.unwrap(), None);
    // Whichever of its ids the operator types.
    for (banned, lifted) in [(OLD, NEW), (NEW, OLD), (OLD, OLD)] {
        assert!(test.store.users.unban(UserId(lifted.0)).await.unwrap());
        for chat in [OLD, NEW] {
            assert!(!test.store.users.is_banned(UserId(chat.0)).await.unwrap());
        }
        test.store.users.ban(UserId(banned.0)).await.unwrap();
        for chat in [OLD, NEW] {
            assert!(test.store.users.is_banned(UserId(chat.0)).await.unwrap());
        }
    }
}

#[tokio::test]
async fn several_languages_move_too_but_never_beside_those_of_the_supergroup() {
    let (one, several) = (Some("de".parse().unwrap()), Some("ru,uk".parse().unwrap()));
    for (old, new, kept) in [(&several, &None, &several), (&several, &one, &one), (&one, &several, &several)] {
        let test = TestStore::new(BACKEND).await;
        test.store.users.set_speech_language(OLD, old.clone()).await.unwrap();
        if new.is_some() {
            test.store.users.set_speech_language(NEW, new.clone()).await.unwrap();
        }
        test.store.users.move_chat(OLD, NEW).await.unwrap();
        assert_eq!(test.store.users.chat_settings(NEW).await.unwrap().speech_language, *kept);
    }
}

#[tokio::test]
async fn settings_of_the_supergroup_outrank_those_of_the_group() {
    let test = TestStore::new(BACKEND).await;
    test.store.users.set_auto(OLD, true).await.unwrap();
    test.store.users.set_times(OLD, false).await.unwrap();
    test.store.users.set_speech_language(OLD, Some("uk".parse().unwrap())).await.unwrap();
    test.store.users.set_speech_language(NEW, Some("de".parse().unwrap())).await.unwrap();
    test.store.users.move_chat(OLD, NEW).await.unwrap();
    let set = ChatSettings {
        speech_language: Some("de".parse().unwrap()),
        auto: true,
        times: false,
        ..ChatSettings::default()
    };
    assert_eq!(test.store.users.chat_settings(NEW).await.unwrap(), set);
}

#[tokio::test]
async fn due_audio_of_a_moved_chat_names_no_message() {
    let test = TestStore::new(BACKEND).await;
    test.enqueue_of(&in_group(1)).await;
    let fence = test.start("w").await;
    test.store.queue.set_status_message(&fence, OLD, MessageId(6)).await.unwrap();
    let fence = test.advance(&fence, StageName::Transcribed).await;
    let kept = RequestUpdate { keep_audio_for: Some(Duration::ZERO), ..RequestUpdate::default() };
    test.store.queue.advance(&fence, StageName::Done, &kept).await.unwrap();
    test.store.users.move_chat(OLD, NEW).await.unwrap();
    let due = test.store.audio.take_due(std::time::Duration::from_secs(300)).await.unwrap();
    assert_eq!((due.len(), due[0].chat, due[0].status_message), (1, NEW, None));
}
