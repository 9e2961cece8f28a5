//! Users and chats: names, settings, bans, stored data, erasure.

use std::time::Duration;

use stenobot_domain::{AudioLength, ChatId, RejectReason, StageName, UserId};
use stenobot_store::{ChatSettings, Fence, RequestStatus, RequestUpdate, Sender};

use super::BACKEND;
use crate::store::test_store::{START, TestStore, arrival, arrival_of, sender};

const ME: UserId = UserId(7_000_000_001);

#[tokio::test]
async fn a_user_is_reachable_until_the_bot_cannot_write_to_them() {
    let test = TestStore::new(BACKEND).await;
    test.store.users.upsert(&sender(1)).await.unwrap();
    test.store.users.upsert(&sender(2)).await.unwrap();
    test.store.users.upsert(&Sender { first_name: Some("Аня".into()), ..sender(1) }).await.unwrap();
    assert_eq!(test.store.users.reachable().await.unwrap(), [UserId(1), UserId(2)]);
    test.store.users.unreachable(UserId(1)).await.unwrap();
    assert_eq!(test.store.users.reachable().await.unwrap(), [UserId(2)]);
    test.take(&arrival_of(1, 1)).await;
    assert_eq!(test.store.users.reachable().await.unwrap(), [UserId(1), UserId(2)], "they wrote again");
    test.store.users.ban(UserId(2)).await.unwrap();
    assert_eq!(test.store.users.reachable().await.unwrap(), [UserId(1)]);
}

#[tokio::test]
async fn settings_are_kept_by_chat() {
    let test = TestStore::new(BACKEND).await;
    let (group, other) = (ChatId(-100), ChatId(-200));
    assert_eq!(test.store.users.chat_settings(group).await.unwrap(), ChatSettings::default());
    test.store.users.set_speech_language(group, Some("de".parse().unwrap())).await.unwrap();
    test.store.users.set_auto(group, true).await.unwrap();
    let set = ChatSettings { speech_language: Some("de".parse().unwrap()), auto: true, ..ChatSettings::default() };
    assert_eq!(test.store.users.chat_settings(group).await.unwrap(), set);
    assert_eq!(test.store.users.chat_settings(other).await.unwrap(), ChatSettings::default());
    let several =
        ChatSettings { speech_language: Some("ru,uk".parse().unwrap()), auto: true, ..ChatSettings::default() };
    test.store.users.set_speech_language(group, several.speech_language.clone()).await.unwrap();
    assert_eq!(test.store.users.chat_settings(group).await.unwrap(), several);
    test.store.users.set_speech_language(group, None).await.unwrap();
    assert_eq!(
        test.store.users.chat_settings(group).await.unwrap(),
        ChatSettings { speech_language: None, auto: true, ..ChatSettings::default() }
    );
    test.store.users.set_times(group, false).await.unwrap();
    let settings = test.store.users.chat_settings(group).await.unwrap();
    assert_eq!(settings, ChatSettings { auto: true, times: false, ..ChatSettings::default() });
    test.store.users.set_times(group, true).await.unwrap();
    test.store.users.set_auto(group, false).await.unwrap();
    assert_eq!(test.store.users.chat_settings(group).await.unwrap(), ChatSettings::default());
}

#[tokio::test]
async fn a_ban_holds_until_it_is_lifted() {
    let test = TestStore::new(BACKEND).await;
    test.store.users.ban(ME).await.unwrap();
    test.store.users.ban(ME).await.unwrap();
    assert!(test.store.users.is_banned(ME).await.unwrap());
    assert!(!test.store.users.is_banned(UserId(2)).await.unwrap());
    assert!(test.store.users.unban(ME).await.unwrap());
    assert!(!test.store.users.unban(ME).await.unwrap());
    assert!(!test.store.users.is_banned(ME).await.unwrap());
}

#[tokio::test]
async fn bans_are_listed_newest_first_with_names_that_are_known() {
    let test = TestStore::new(BACKEND).await;
    assert_eq!(test.store.users.bans(10).await.unwrap(), (Vec::new(), 0));
    let channel = UserId(-100_123);
    test.store.users.ban(channel).await.unwrap();
    test.pass(Duration::from_secs(60));
    test.store.users.upsert(&Sender { username: Some("anna".into()), ..sender(ME.0) }).await.unwrap();
    test.store.users.ban(ME).await.unwrap();
    let (bans, count) = test.store.users.bans(10).await.unwrap();
    let ids: Vec<_> = bans.iter().map(|ban| (ban.id, ban.username.as_deref())).collect();
    assert_eq!((ids, count), (vec![(ME.0, Some("anna")), (channel.0, None)], 2));
    assert!(bans[0].since > bans[1].since);
    let (bans, count) = test.store.users.bans(1).await.unwrap();
    assert_eq!((bans.len(), bans[0].id, count), (1, ME.0, 2));
}

#[tokio::test]
async fn statuses_are_of_the_user_s_own_requests() {
    let test = TestStore::new(BACKEND).await;
    let running = test.enqueue(1).await;
    test.start("w").await;
    test.enqueue_of(&arrival_of(2, 2)).await;
    test.pass(Duration::from_secs(1));
    let waits = test.admit(3).await;
    let standing = |id, stage, position, received_at| RequestStatus {
        id,
        chat: arrival(1).chat,
        stage,
        position,
        received_at: stenobot_domain::Timestamp(received_at),
        length: Some(AudioLength::Claimed(Duration::from_secs(10))),
    };
    let expected = [
        standing(running, StageName::Transcribing, None, START),
        standing(waits, StageName::Received, Some(2), START + 1000),
    ];
    assert_eq!(test.store.queue.statuses_of(ME).await.unwrap(), expected);
    assert_eq!(test.store.queue.statuses_of(UserId(99)).await.unwrap(), []);
}

#[tokio::test]
async fn my_data_is_everything_stored_about_a_user() {
    let test = TestStore::new(BACKEND).await;
    assert_eq!(test.store.users.my_data(ME).await.unwrap(), None);
    test.enqueue(1).await;
    let fence = test.start("w").await;
    let update = RequestUpdate {
        length: Some(Duration::from_secs(12)),
        language: Some("ru".into()),
        ..RequestUpdate::default()
    };
    test.store.queue.advance(&fence, StageName::Transcribed, &update).await.unwrap();
    test.advance(&Fence { stage: StageName::Transcribed, ..fence }, StageName::Done).await;
    test.store.queue.refuse(&arrival(2), RejectReason::TooLong).await.unwrap();
    let waits = test.admit(3).await;
    test.take(&arrival_of(2, 4)).await;
    test.store.users.set_speech_language(ChatId(ME.0), Some("uk".parse().unwrap())).await.unwrap();

    let data = test.store.users.my_data(ME).await.unwrap().unwrap();
    assert_eq!((data.sender, data.first_seen.0), (sender(ME.0), START));
    assert_eq!(data.ended, [(StageName::Done, 1), (StageName::Rejected, 1)]);
    assert_eq!(data.audio, Duration::from_secs(12));
    assert_eq!(data.settings.speech_language, Some("uk".parse().unwrap()));
    assert_eq!(data.languages, [], "a text without a character has no language");
    assert_eq!(data.under_way.iter().map(|standing| standing.id).collect::<Vec<_>>(), [waits]);
}

#[tokio::test]
async fn recent_languages_are_of_recordings_with_text() {
    let test = TestStore::new(BACKEND).await;
    assert_eq!(test.store.users.recent_languages(ME).await.unwrap(), []);
    // The language of a recording without speech says nothing.
    for (update, (language, length)) in [("ru", 9), ("uk", 12), ("ru", 3), ("en", 0)].into_iter().enumerate() {
        test.enqueue(i32::try_from(update).unwrap() + 1).await;
        let fence = test.start("w").await;
        let update = RequestUpdate {
            language: Some(language.into()),
            transcription_length: Some(length),
            ..RequestUpdate::default()
        };
        test.store.queue.advance(&fence, StageName::Transcribed, &update).await.unwrap();
        test.advance(&Fence { stage: StageName::Transcribed, ..fence }, StageName::Done).await;
    }
    let languages = test.store.users.recent_languages(ME).await.unwrap();
    assert_eq!(languages, [("ru".to_owned(), 2), ("uk".to_owned(), 1)]);
    test.take(&arrival_of(2, 9)).await;
    assert_eq!(test.store.users.recent_languages(UserId(2)).await.unwrap(), []);
}

// === Being forgotten ===

#[tokio::test]
async fn totals_of_erased_users_add_up_and_an_unknown_user_is_no_error() {
    let test = TestStore::new(BACKEND).await;
    for person in [1, 2] {
        test.enqueue_of(&arrival_of(person, 1)).await;
        test.pass(Duration::from_millis(1));
        let fence = test.start("w").await;
        let update = RequestUpdate { length: Some(Duration::from_secs(12)), ..RequestUpdate::default() };
        test.store.queue.advance(&fence, StageName::Transcribed, &update).await.unwrap();
        test.advance(&Fence { stage: StageName::Transcribed, ..fence }, StageName::Done).await;
        let _nothing = test.store.users.forget(UserId(person)).await.unwrap();
    }
    assert_eq!(test.count("users").await, 1);
    let erased = test.store.users.my_data(UserId(0)).await.unwrap().unwrap();
    assert_eq!(erased.audio, Duration::from_secs(24), "the row that stands for all erased users");
    let unknown = test.store.users.forget(UserId(99)).await.unwrap();
    assert_eq!((unknown.stopped, unknown.audio), (vec![], vec![]));
    let _unchanged = test.store.users.forget(UserId(0)).await.unwrap();
    assert_eq!(test.count("users").await, 1, "the row of erased users stays");
    test.take(&arrival_of(1, 1)).await;
    assert_eq!(test.store.users.reachable().await.unwrap(), [UserId(1)], "they may come back as a new user");
}
