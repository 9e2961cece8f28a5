//! Limits and erasure: recordings with no or a false claimed length, erasure delayed by a reader, and what a group does not
//! see.

use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};
use stenobot_domain::ChatId;
use stenobot_simulator::group::Group;
use stenobot_simulator::harness::Simulation;
use stenobot_simulator::server::MemberStatus;
use stenobot_simulator::users::{SentMessage, User};
use stenobot_simulator::voices::Voice;
use stenobot_telegram::Action;

use crate::recordings::{Gate, scripted};
use crate::scene::{Scene, answered, eventually, rejected};
use crate::stories::limits::forget;
use crate::stories::run_stories;

fn document(from: &User, voice: &Voice) -> SentMessage {
    from.send_document("audio/wav", "recording.wav", voice.bytes.clone())
}

#[tokio::test]
async fn documents_and_false_claims_count_by_their_measured_length() {
    let mut scene = Scene::start(&[("daily_audio_minutes_per_user", "1")]).await;
    // All requests wait, with their measured lengths: the scripted engine reports another length for every recording.
    let gate = Gate::new().await;
    let before = scene.send_voice(&scripted(3, &format!("{};say занято", gate.instruction())));
    let held = gate.wait_reached().await;
    let [anna, boris, clara] = ["Анна", "Борис", "Клара"].map(|name| scene.new_user(name, "ru"));
    let first = document(&anna, &scripted(40, "say документ"));
    scene.wait_for_positions(std::slice::from_ref(&first), &[1]).await;
    let second = document(&anna, &scripted(40, "say лишний документ"));
    assert!(rejected(scene.answer(&second).await).starts_with("Дневной лимит исчерпан: 1 минута"));

    let long = |text: &str| Voice { duration: Duration::from_secs(1), ..scripted(40, &format!("say {text}")) };
    let short = boris.send_voice(&long("короткое по словам отправителя"));
    scene.wait_for_positions(std::slice::from_ref(&short), &[2]).await;
    let second = boris.send_voice(&long("и ещё одно"));
    assert!(rejected(scene.answer(&second).await).starts_with("Дневной лимит исчерпан"));

    // At the same time: one of them is refused, depending on which is measured first.
    let both = [document(&clara, &scripted(40, "say один")), document(&clara, &scripted(40, "say другой"))];
    let refused = scene.api().wait_for(|state| {
        let over = |sent: &SentMessage| {
            state
                .replies(sent.chat(), sent.id())
                .any(|reply| reply.content.text().is_some_and(|text| text.starts_with("⚠️ Дневной лимит исчерпан")))
        };
        both.iter().position(over)
    });
    let refused = eventually("one of them is refused", refused).await;
    held.release();
    assert_eq!(scene.text(&before).await, "занято");
    assert_eq!(scene.text(&first).await, "документ");
    assert_eq!(scene.text(&short).await, "короткое по словам отправителя");
    let other = scene.text(&both[1 - refused]).await;
    assert!(["один", "другой"].contains(&other.as_str()), "{other}");
    let rows = scene.shut_down().await;
    assert_eq!(rows.iter().filter(|row| row.reason.as_deref() == Some("daily_limit")).count(), 3);
}

#[tokio::test]
async fn data_held_by_a_reader_is_erased_later_and_the_user_is_informed() {
    const NAME: &str = "Ксенофонтия";
    let scene = Scene::start(&[]).await;
    let anna = scene.new_user(NAME, "ru");
    let sent = anna.send_voice(&scripted(3, "say слово"));
    answered(scene.answer(&sent).await);
    scene.wait_until_closed().await;
    let holds_name = || {
        ["stenobot.db", "stenobot.db-wal"].iter().any(|name| {
            let bytes = std::fs::read(scene.bot.data().join(name)).unwrap_or_default();
            bytes.windows(NAME.len()).any(|window| window == NAME.as_bytes())
        })
    };
    let options = SqliteConnectOptions::new().filename(scene.bot.store());
    let mut reader = options.connect().await.unwrap();
    let mut snapshot = reader.begin().await.unwrap();
    let _rows: i64 = sqlx::query_scalar("SELECT count(*) FROM usage").fetch_one(&mut *snapshot).await.unwrap();

    let message = forget(&scene, &anna).await;
    let shown = || {
        let text = |state: &stenobot_simulator::server::State| {
            state.message(anna.chat(), message).and_then(|message| message.content.text().map(str::to_owned))
        };
        scene.api().read(text).unwrap()
    };
    assert_eq!(
        shown(),
        "🗑️ Все о вас удаляется: это займет несколько минут. Останется только обезличенная статистика."
    );
    assert!(holds_name(), "the reader keeps it");
    snapshot.rollback().await.unwrap();
    reader.close().await.unwrap();
    let (said, _) = scene.wait_for_text_beginning(anna.chat(), "🗑️ Все о вас удалено").await;
    assert_eq!(said, message, "in place of the promise");
    assert!(!holds_name(), "a name is left behind");
}

#[tokio::test]
async fn a_group_sees_no_private_data_of_its_members() {
    let mut scene = Scene::start(&[]).await;
    let group = Group::new(scene.api(), ChatId(-100_200_300), "Мы");
    group.set_bot_status(MemberStatus::Administrator);
    let boris = scene.new_user("Борис Годунов", "ru");
    let gate = Gate::new().await;
    let first = scene.send_voice(&scripted(3, &format!("{};say занято", gate.instruction())));
    let held = gate.wait_reached().await;
    let waiting = boris.send_voice(&scripted(3, "say личное"));
    scene.wait_for_positions(std::slice::from_ref(&waiting), &[1]).await;

    let here = group.add_member(&boris);
    for command in ["mydata", "forget"] {
        let asked = here.send_text(&format!("/{command}"));
        let reply = scene.api().wait_for(|state| {
            let reply = state.replies(asked.chat(), asked.id()).next()?;
            Some((reply.id, reply.content.text()?.to_owned(), reply.markup.clone()))
        });
        let (message, text, markup) = eventually("an answer in the group", reply).await;
        let link = format!("https://t.me/stenobot_simulated_bot?start={command}");
        let hint = "🔒 На это я отвечаю только в личном чате, чтобы ответ не видела вся группа.";
        assert_eq!((text, markup), (format!("{hint}\n{link}"), None));
        // A forged callback query: the message has no such button.
        let pressed = here.send_callback(message, &Action::Forget.encode());
        assert_eq!(eventually("a toast", pressed.wait_for_answer()).await.text, "Эта запись уже обработана.");
    }
    let asked = here.send_text("/queue");
    let reply =
        scene.api().wait_for(|state| Some(state.replies(asked.chat(), asked.id()).next()?.content.text()?.to_owned()));
    assert_eq!(eventually("an answer in the group", reply).await, "📋 Ваших записей в очереди нет.");

    boris.send_text("/start mydata");
    scene.wait_for_text_beginning(boris.chat(), "🔒 Что хранится о вас:\nИмя: Борис Годунов").await;
    boris.send_text("/start forget");
    scene.wait_for_text_beginning(boris.chat(), "🗑️ Удалить все").await;
    held.release();
    assert_eq!(scene.text(&first).await, "занято");
    assert_eq!(scene.text(&waiting).await, "личное");
    scene.shut_down().await;
}

run_stories!(
    Simulation,
    invitations: whoever_opens_an_invitation_first_is_served,
    an_invitation_survives_a_restart_and_a_ban_outranks_it,
    a_bot_that_serves_everyone_makes_no_invitations,
);

run_stories!(
    Simulation,
    limits: forget_resets_neither_the_waiting_limit_nor_the_daily_limit, forget_does_not_reset_the_rate_limit,
);
