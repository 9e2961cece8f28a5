//! How requests are shown, where they are answered, and what groups have chosen.

use std::time::Duration;

use stenobot_domain::{ChatId, MessageId, RejectReason, StateDisplay, StatusStyle, ThreadId};
use stenobot_store::{ChatSettings, CommentPlace, IncomingAudio, Settlement, WorkSource};

use super::BACKEND;
use crate::store::test_store::{TestStore, arrival};

const GROUP: ChatId = ChatId(-100);

fn in_group(message: i32, display: StateDisplay) -> IncomingAudio {
    IncomingAudio { chat: GROUP, display, ..arrival(message) }
}

#[tokio::test]
async fn the_display_and_the_topic_of_a_request_come_with_every_claim() {
    let test = TestStore::new(BACKEND).await;
    for (message, display) in (1..).zip(StateDisplay::ALL) {
        let thread = Some(ThreadId::Direct(5_111_222_333));
        test.take(&IncomingAudio { thread, ..in_group(message, *display) }).await;
        let row = test.claim(WorkSource::Downloads, "w").await.unwrap();
        assert_eq!((row.display, row.thread), (*display, thread));
        let refused = Settlement::Rejected(RejectReason::TooLong);
        test.store.queue.settle(&row.fence, refused).await.unwrap();
        let notice = test.store.queue.claim_notice("w").await.unwrap().unwrap();
        assert_eq!((notice.display, notice.thread), (*display, thread));
        test.store.queue.close_notice(&notice.fence).await.unwrap();
    }
}

#[tokio::test]
async fn refusals_that_are_shown_by_reactions_are_answered_one_by_one() {
    let test = TestStore::new(BACKEND).await;
    for message in [1, 2] {
        let refused = in_group(message, StateDisplay::Quiet);
        test.store.queue.refuse(&refused, RejectReason::TooLong).await.unwrap();
    }
    // A recording that was downloaded carries a reaction, which is to be removed.
    for message in [3, 4] {
        test.take(&in_group(message, StateDisplay::Reaction)).await;
        let row = test.claim(WorkSource::Downloads, "w").await.unwrap();
        test.pass(Duration::from_millis(1));
        test.store.queue.settle(&row.fence, Settlement::Rejected(RejectReason::TooLong)).await.unwrap();
    }
    for _ in 0..4 {
        let notice = test.store.queue.claim_notice("w").await.unwrap().unwrap();
        assert!(notice.folded.is_empty(), "{notice:?}");
        test.store.queue.close_notice(&notice.fence).await.unwrap();
    }
    // Those that were refused at once carry none.
    for message in [5, 6] {
        let refused = in_group(message, StateDisplay::Reaction);
        test.store.queue.refuse(&refused, RejectReason::TooLong).await.unwrap();
    }
    assert_eq!(test.store.queue.claim_notice("w").await.unwrap().unwrap().folded.len(), 1);
}

#[tokio::test]
async fn a_group_s_choice_of_display_is_kept_and_moves_with_it() {
    const SUPERGROUP: ChatId = ChatId(-100_100);
    let test = TestStore::new(BACKEND).await;
    let users = &test.store.users;
    assert_eq!(users.chat_settings(GROUP).await.unwrap(), ChatSettings::default());
    users.set_status(GROUP, StatusStyle::Messages).await.unwrap();
    users.set_quiet(GROUP, true).await.unwrap();
    let set = ChatSettings { status: Some(StatusStyle::Messages), quiet: true, ..ChatSettings::default() };
    assert_eq!(users.chat_settings(GROUP).await.unwrap(), set);
    users.set_status(SUPERGROUP, StatusStyle::Reactions).await.unwrap();
    users.move_chat(GROUP, SUPERGROUP).await.unwrap();
    let moved = ChatSettings { status: Some(StatusStyle::Reactions), ..set };
    assert_eq!(users.chat_settings(SUPERGROUP).await.unwrap(), moved, "the supergroup's own choice holds");
    users.set_quiet(SUPERGROUP, false).await.unwrap();
    assert!(!users.chat_settings(GROUP).await.unwrap().quiet);
}

#[tokio::test]
async fn the_place_for_comments_is_recorded_for_open_requests() {
    let test = TestStore::new(BACKEND).await;
    let channel = ChatId(-200);
    let place = CommentPlace { group: GROUP, message: MessageId(40) };
    let post = IncomingAudio { chat: channel, display: StateDisplay::Caption, ..arrival(7) };
    // A post that is no request.
    test.store.queue.set_comment_place(channel, MessageId(7), place).await.unwrap();
    let id = test.take(&post).await;
    assert_eq!(test.store.queue.comment_place(id).await.unwrap(), None);
    test.store.queue.set_comment_place(channel, MessageId(8), place).await.unwrap();
    assert_eq!(test.store.queue.comment_place(id).await.unwrap(), None, "another post");
    test.store.queue.set_comment_place(channel, MessageId(7), place).await.unwrap();
    assert_eq!(test.store.queue.comment_place(id).await.unwrap(), Some(place));
}
