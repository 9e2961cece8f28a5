//! People and chats: who is known, what they have set, what they may ask about themselves, and being forgotten.

use std::time::Duration;

use stenobot_domain::{ChatId, MessageId, RejectReason, StageName, UserId};
use stenobot_store::{ChatSettings, Facts, Fence, IncomingAudio, Sender, Standing, StoreError, WorkSource};

use crate::desk::{Desk, START, arrival, arrival_of, sender};

const ME: UserId = UserId(7_000_000_001);

#[tokio::test]
async fn who_spoke_to_the_bot_is_known_until_it_cannot_write_to_them() {
    let desk = Desk::new().await;
    desk.store.users.meet(&sender(1)).await.unwrap();
    desk.store.users.meet(&sender(2)).await.unwrap();
    desk.store.users.meet(&Sender { first_name: Some("Аня".into()), ..sender(1) }).await.unwrap();
    assert_eq!(desk.store.users.reachable_people().await.unwrap(), [UserId(1), UserId(2)]);
    desk.store.users.unreachable(UserId(1)).await.unwrap();
    assert_eq!(desk.store.users.reachable_people().await.unwrap(), [UserId(2)]);
    desk.take(&arrival_of(1, 1)).await;
    assert_eq!(desk.store.users.reachable_people().await.unwrap(), [UserId(1), UserId(2)], "they wrote again");
    desk.store.users.ban(UserId(2)).await.unwrap();
    assert_eq!(desk.store.users.reachable_people().await.unwrap(), [UserId(1)]);
}

#[tokio::test]
async fn a_chat_keeps_what_was_set_and_no_other_does() {
    let desk = Desk::new().await;
    let (group, other) = (ChatId(-100), ChatId(-200));
    assert_eq!(desk.store.users.chat_settings(group).await.unwrap(), ChatSettings::default());
    desk.store.users.set_speech_language(group, Some("de".parse().unwrap())).await.unwrap();
    desk.store.users.set_auto(group, true).await.unwrap();
    let set = ChatSettings { speech_language: Some("de".parse().unwrap()), auto: true };
    assert_eq!(desk.store.users.chat_settings(group).await.unwrap(), set);
    assert_eq!(desk.store.users.chat_settings(other).await.unwrap(), ChatSettings::default());
    desk.store.users.set_speech_language(group, None).await.unwrap();
    assert_eq!(
        desk.store.users.chat_settings(group).await.unwrap(),
        ChatSettings { speech_language: None, auto: true }
    );
    desk.store.users.set_auto(group, false).await.unwrap();
    assert_eq!(desk.store.users.chat_settings(group).await.unwrap(), ChatSettings::default());
}

#[tokio::test]
async fn a_ban_holds_until_it_is_lifted() {
    let desk = Desk::new().await;
    desk.store.users.ban(ME).await.unwrap();
    desk.store.users.ban(ME).await.unwrap();
    assert!(desk.store.users.is_banned(ME).await.unwrap());
    assert!(!desk.store.users.is_banned(UserId(2)).await.unwrap());
    assert!(desk.store.users.unban(ME).await.unwrap());
    assert!(!desk.store.users.unban(ME).await.unwrap());
    assert!(!desk.store.users.is_banned(ME).await.unwrap());
}

#[tokio::test]
async fn everybody_sees_where_their_own_requests_stand() {
    let desk = Desk::new().await;
    let running = desk.enqueue(1).await;
    desk.start("w").await;
    desk.enqueue_of(&arrival_of(2, 2)).await;
    desk.pass(Duration::from_secs(1));
    let waits = desk.admit(3).await;
    let standing = |id, stage, position, received_at| Standing {
        id,
        chat: arrival(1).chat,
        stage,
        position,
        received_at: stenobot_domain::Timestamp(received_at),
        length: Duration::from_secs(10),
    };
    let expected = [
        standing(running, StageName::Transcribing, None, START),
        standing(waits, StageName::Received, Some(2), START + 1000),
    ];
    assert_eq!(desk.store.queue.standing(ME).await.unwrap(), expected);
    assert_eq!(desk.store.queue.standing(UserId(99)).await.unwrap(), []);
}

#[tokio::test]
async fn one_s_data_is_all_that_is_stored_about_one() {
    let desk = Desk::new().await;
    assert_eq!(desk.store.users.my_data(ME).await.unwrap(), None);
    desk.enqueue(1).await;
    let fence = desk.start("w").await;
    let heard = Facts { length: Some(Duration::from_secs(12)), language: Some("ru".into()), ..Facts::default() };
    desk.store.queue.advance(&fence, StageName::Transcribed, &heard).await.unwrap();
    desk.advance(&Fence { stage: StageName::Transcribed, ..fence }, StageName::Done).await;
    desk.store.queue.refuse(&arrival(2), RejectReason::TooLong).await.unwrap();
    let waits = desk.admit(3).await;
    desk.take(&arrival_of(2, 4)).await;
    desk.store.users.set_speech_language(ChatId(ME.0), Some("uk".parse().unwrap())).await.unwrap();

    let data = desk.store.users.my_data(ME).await.unwrap().unwrap();
    assert_eq!((data.sender, data.first_seen.0), (sender(ME.0), START));
    assert_eq!(data.ended, [(StageName::Done, 1), (StageName::Rejected, 1)]);
    assert_eq!(data.audio, Duration::from_secs(12));
    assert_eq!(data.settings.speech_language, Some("uk".parse().unwrap()));
    assert_eq!(data.under_way.iter().map(|standing| standing.id).collect::<Vec<_>>(), [waits]);
}

#[tokio::test]
async fn recent_languages_are_those_of_texts_with_words() {
    let desk = Desk::new().await;
    assert_eq!(desk.store.users.recent_languages(ME).await.unwrap(), []);
    // The language of a recording without speech says nothing.
    for (update, (language, length)) in [("ru", 9), ("uk", 12), ("ru", 3), ("en", 0)].into_iter().enumerate() {
        desk.enqueue(i32::try_from(update).unwrap() + 1).await;
        let fence = desk.start("w").await;
        let heard = Facts { language: Some(language.into()), transcription_length: Some(length), ..Facts::default() };
        desk.store.queue.advance(&fence, StageName::Transcribed, &heard).await.unwrap();
        desk.advance(&Fence { stage: StageName::Transcribed, ..fence }, StageName::Done).await;
    }
    let languages = desk.store.users.recent_languages(ME).await.unwrap();
    assert_eq!(languages, [("ru".to_owned(), 2), ("uk".to_owned(), 1)]);
    desk.take(&arrival_of(2, 9)).await;
    assert_eq!(desk.store.users.recent_languages(UserId(2)).await.unwrap(), []);
}

// === Being forgotten ===

/// The marks by which somebody could be found, none of which is part of anybody else's.
fn marked(message: i32) -> IncomingAudio {
    let from = Sender {
        id: ME,
        username: Some("xylophonist".into()),
        first_name: Some("Ксенофонтия".into()),
        last_name: Some("Zwetajewskaja".into()),
    };
    IncomingAudio {
        from,
        file_id: format!("AwACAgIAAxkBmine{message}"),
        file_unique_id: format!("AgADmine{message}"),
        locale: Some("eo-mine".into()),
        ..arrival(message)
    }
}

const MARKS: &[&str] =
    &["xylophonist", "Ксенофонтия", "Zwetajewskaja", "xkBmine", "AgADmine", "eo-mine", "pressed-mine"];

/// The marks that are found in any file of the store.
fn found(desk: &Desk) -> Vec<&'static str> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(desk.path.parent().unwrap()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        let has = |mark: &&&str| bytes.windows(mark.len()).any(|window| window == mark.as_bytes());
        found.extend(MARKS.iter().filter(has).copied());
    }
    found
}

#[tokio::test]
async fn of_whom_is_forgotten_no_byte_is_left_but_the_totals_stay() {
    let desk = Desk::new().await;
    // Enough, among others, to fill many pages of the database.
    for message in 0..200 {
        let id = desk.enqueue_of(&marked(message)).await;
        desk.enqueue_of(&arrival_of(2, message)).await;
        for _ in 0..2 {
            desk.pass(Duration::from_millis(1));
            let fence = desk.start("w").await;
            let fence = desk.advance(&fence, StageName::Transcribed).await;
            desk.store.queue.set_status_message(&fence, marked(0).chat, MessageId(900)).await.unwrap();
            let until = (fence.id == id && message == 0).then(|| desk.now().after(Duration::from_secs(600)));
            let facts = Facts { audio_until: until, ..Facts::default() };
            desk.store.queue.advance(&fence, StageName::Done, &facts).await.unwrap();
        }
    }
    let kept: i64 = sqlx::query_scalar("SELECT id FROM usage WHERE audio_until IS NOT NULL")
        .fetch_one(&mut desk.sql().await)
        .await
        .unwrap();
    desk.store.queue.refuse(&marked(300), RejectReason::TooBig).await.unwrap();
    let press = stenobot_store::IdempotencyKey::Button { callback_id: "pressed-mine".into() };
    let pressed = desk.enqueue_of(&IncomingAudio { key: press, ..marked(301) }).await;
    let running = desk.start("w").await;
    assert_eq!(running.id, pressed);
    let waits = desk.take(&marked(302)).await;
    let theirs = desk.take(&arrival_of(2, 303)).await;
    desk.store.users.set_speech_language(ChatId(ME.0), Some("eo".parse().unwrap())).await.unwrap();
    desk.store.users.ban(ME).await.unwrap();
    assert!(MARKS.iter().all(|mark| found(&desk).contains(mark)), "{:?}", found(&desk));
    let rows = desk.count("usage").await;
    let before = desk.row(theirs).await;

    let forgotten = desk.store.users.forget(ME).await.unwrap();
    assert_eq!(forgotten.stopped, [pressed]);
    assert_eq!(forgotten.audio.iter().map(|id| id.0).collect::<Vec<_>>(), [kept, pressed.0, waits.0]);
    assert!(forgotten.log_emptied);
    assert_eq!(found(&desk), Vec::<&str>::new());

    assert!(matches!(desk.store.queue.renew(&running).await, Err(StoreError::LeaseLost { .. })), "no more is written");
    assert_eq!(desk.store.queue.claim_notice("w").await.unwrap(), None, "nobody is told");
    assert_eq!(desk.store.users.my_data(ME).await.unwrap(), None);
    assert_eq!(desk.store.users.chat_settings(ChatId(ME.0)).await.unwrap(), ChatSettings::default());
    assert!(desk.store.users.is_banned(ME).await.unwrap(), "else forgetting would lift it");
    assert_eq!(desk.row(theirs).await, before);
    assert_eq!(desk.claim(WorkSource::Downloads, "w").await.unwrap().fence.id, theirs);
    let of_nobody = "SELECT count(*), total_usage_seconds, count(chat_id), count(message_id), count(reply_to_message_id), \
                     count(status_message_id), count(legacy_key) FROM usage JOIN users ON users.id = user_id \
                     WHERE telegram_id = 0";
    let numbers: (i64, i64, i64, i64, i64, i64, i64) =
        sqlx::query_as(of_nobody).fetch_one(&mut desk.sql().await).await.unwrap();
    assert_eq!(numbers, (203, 0, 0, 0, 0, 0, 0));
    assert_eq!(desk.count("usage").await, rows);
    assert_eq!(desk.store.users.reachable_people().await.unwrap(), [UserId(2)]);
    desk.store.clone().close().await;
    assert_eq!(found(&desk), Vec::<&str>::new());
}

#[tokio::test]
async fn forgetting_adds_up_and_somebody_unknown_is_no_error() {
    let desk = Desk::new().await;
    for person in [1, 2] {
        desk.enqueue_of(&arrival_of(person, 1)).await;
        desk.pass(Duration::from_millis(1));
        let fence = desk.start("w").await;
        let heard = Facts { length: Some(Duration::from_secs(12)), ..Facts::default() };
        desk.store.queue.advance(&fence, StageName::Transcribed, &heard).await.unwrap();
        desk.advance(&Fence { stage: StageName::Transcribed, ..fence }, StageName::Done).await;
        let _nothing = desk.store.users.forget(UserId(person)).await.unwrap();
    }
    let totals: Vec<(i64, i64)> = sqlx::query_as("SELECT telegram_id, total_usage_seconds FROM users")
        .fetch_all(&mut desk.sql().await)
        .await
        .unwrap();
    assert_eq!(totals, [(0, 24)]);
    let nobody = desk.store.users.forget(UserId(99)).await.unwrap();
    assert_eq!((nobody.stopped, nobody.audio), (vec![], vec![]));
    let _unchanged = desk.store.users.forget(UserId(0)).await.unwrap();
    assert_eq!(desk.count("users").await, 1, "nobody is not forgotten");
    desk.take(&arrival_of(1, 1)).await;
    assert_eq!(desk.store.users.reachable_people().await.unwrap(), [UserId(1)], "they may come back as somebody new");
}
