//! Limits and erasure as users meet them: what `/forget` does not give back, recordings that claim no length or a false one,
//! and what a group does not see; with the engine's stand-in.

use std::time::Duration;

use serde_json::Value;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};
use stenobot_domain::{ChatId, MessageId};
use stenobot_simulator::group::Group;
use stenobot_simulator::people::{Person, Sent};
use stenobot_simulator::server::{Author, Rank};
use stenobot_simulator::voices::Voice;
use stenobot_telegram::Action;

use crate::recordings::{Gate, scripted};
use crate::scene::{Scene, answered, rejected, soon};

/// The bot's newest message in a chat that begins so.
async fn says(scene: &Scene, chat: ChatId, beginning: &str) -> (MessageId, String) {
    let found = scene.simulation.api().until(|state| {
        let messages = state.chats.get(&chat)?.messages.values().rev();
        let own = messages.filter(|message| message.author == Author::Bot && message.deleted.is_none());
        own.filter_map(|message| Some((message.id, message.content.text()?.to_owned())))
            .find(|(_, text)| text.starts_with(beginning))
    });
    soon(&format!("the bot says {beginning}"), found).await
}

/// Has the bot forget a user; gives the message that says so.
async fn forget(scene: &Scene, person: &Person) -> MessageId {
    let asked = person.sends_text("/forget");
    let question = scene.simulation.api().until(|state| {
        let has_button = |markup: &Value| markup.to_string().contains(&Action::Forget.encode());
        state
            .replies(asked.chat(), asked.id())
            .find(|reply| reply.markup.as_ref().is_some_and(has_button))
            .map(|r| r.id)
    });
    let message = soon("the question with its button", question).await;
    let pressed = person.presses_anyway(message, &Action::Forget.encode());
    soon("the press is answered", pressed.answered()).await;
    let done = scene.simulation.api().until(|state| {
        let text = state.message(person.chat(), message)?.content.text()?;
        (!text.contains('?')).then_some(())
    });
    soon("the question becomes the answer", done).await;
    message
}

fn document(from: &Person, voice: &Voice) -> Sent {
    from.sends_document("audio/wav", "recording.wav", voice.bytes.clone())
}

#[tokio::test]
async fn forgetting_gives_back_no_places_and_no_audio() {
    let mut scene = Scene::stand_in(&[("max_waiting_per_user", "2"), ("daily_audio_minutes_per_user", "1")]).await;
    let gate = Gate::new().await;
    let first = scene.somebody_sends(&scripted(3, &format!("{};say первая", gate.instruction())));
    let held = gate.reached().await;
    let anna = scene.simulation.person("Анна", "ru");
    let waiting: Vec<_> = ["раз", "два"].map(|word| anna.sends_voice(&scripted(3, &format!("say {word}")))).into();
    scene.positions(&waiting, &[1, 2]).await;
    forget(&scene, &anna).await;
    let more = anna.sends_voice(&scripted(3, "say три"));
    assert!(rejected(scene.answer(&more).await).starts_with("Уже 2 ваших сообщения ждут"));

    let boris = scene.simulation.person("Борис", "ru");
    let sent = boris.sends_voice(&scripted(40, "say сорок"));
    scene.positions(std::slice::from_ref(&sent), &[1]).await;
    forget(&scene, &boris).await;
    let again = boris.sends_voice(&scripted(40, "say ещё сорок"));
    assert!(rejected(scene.answer(&again).await).starts_with("Дневной лимит исчерпан: 1 минута"));
    boris.sends_text("/privacy");
    let (_, privacy) = says(&scene, boris.chat(), "🔒 Тексты не хранятся").await;
    assert!(privacy.contains("После /forget израсходованное вами из лимитов учитывается до полуночи"), "{privacy}");
    held.open();
    assert_eq!(scene.text(&first).await, "первая");
}

#[tokio::test]
async fn forgetting_begins_no_new_minute() {
    let scene = Scene::stand_in(&[("user_requests_per_minute", "5"), ("max_waiting_per_user", "50")]).await;
    let anna = scene.simulation.person("Анна", "ru");
    let sends = || anna.sends_voice(&scripted(3, "say слово"));
    for _ in 0..3 {
        answered(scene.answer(&sends()).await);
    }
    forget(&scene, &anna).await;
    // As many as a new minute would take.
    for _ in 0..5 {
        sends();
    }
    says(&scene, anna.chat(), "⚠️ Слишком много сообщений подряд").await;
}

#[tokio::test]
async fn documents_and_false_claims_count_by_their_real_length() {
    let mut scene = Scene::stand_in(&[("daily_audio_minutes_per_user", "1")]).await;
    // All of it waits, with the length that was measured: the stand-in gives every recording another one.
    let gate = Gate::new().await;
    let before = scene.somebody_sends(&scripted(3, &format!("{};say занято", gate.instruction())));
    let held = gate.reached().await;
    let [anna, boris, clara] = ["Анна", "Борис", "Клара"].map(|name| scene.simulation.person(name, "ru"));
    let first = document(&anna, &scripted(40, "say документ"));
    scene.positions(std::slice::from_ref(&first), &[1]).await;
    let second = document(&anna, &scripted(40, "say лишний документ"));
    assert!(rejected(scene.answer(&second).await).starts_with("Дневной лимит исчерпан: 1 минута"));

    let long = |text: &str| Voice { duration: Duration::from_secs(1), ..scripted(40, &format!("say {text}")) };
    let short = boris.sends_voice(&long("короткое по словам отправителя"));
    scene.positions(std::slice::from_ref(&short), &[2]).await;
    let second = boris.sends_voice(&long("и ещё одно"));
    assert!(rejected(scene.answer(&second).await).starts_with("Дневной лимит исчерпан"));

    // At once: one of them, whichever is measured first.
    let both = [document(&clara, &scripted(40, "say один")), document(&clara, &scripted(40, "say другой"))];
    let refused = scene.simulation.api().until(|state| {
        let over = |sent: &Sent| {
            state
                .replies(sent.chat(), sent.id())
                .any(|reply| reply.content.text().is_some_and(|text| text.starts_with("⚠️ Дневной лимит исчерпан")))
        };
        both.iter().position(over)
    });
    let refused = soon("one of them is refused", refused).await;
    held.open();
    assert_eq!(scene.text(&before).await, "занято");
    assert_eq!(scene.text(&first).await, "документ");
    assert_eq!(scene.text(&short).await, "короткое по словам отправителя");
    let other = scene.text(&both[1 - refused]).await;
    assert!(["один", "другой"].contains(&other.as_str()), "{other}");
    let rows = scene.end().await;
    assert_eq!(rows.iter().filter(|row| row.reason.as_deref() == Some("daily_limit")).count(), 3);
}

#[tokio::test]
async fn what_a_reader_keeps_in_the_log_is_erased_within_minutes_and_the_user_told_so() {
    const NAME: &str = "Ксенофонтия";
    let scene = Scene::stand_in(&[]).await;
    let anna = scene.simulation.person(NAME, "ru");
    let sent = anna.sends_voice(&scripted(3, "say слово"));
    answered(scene.answer(&sent).await);
    scene.settled().await;
    let holds_name = || {
        ["stenobot.db", "stenobot.db-wal"].iter().any(|name| {
            let bytes = std::fs::read(scene.simulation.data().join(name)).unwrap_or_default();
            bytes.windows(NAME.len()).any(|window| window == NAME.as_bytes())
        })
    };
    let options = SqliteConnectOptions::new().filename(scene.simulation.store());
    let mut reader = options.connect().await.unwrap();
    let mut snapshot = reader.begin().await.unwrap();
    let _rows: i64 = sqlx::query_scalar("SELECT count(*) FROM usage").fetch_one(&mut *snapshot).await.unwrap();

    let message = forget(&scene, &anna).await;
    let shown = || {
        let text = |state: &stenobot_simulator::server::State| {
            state.message(anna.chat(), message).and_then(|message| message.content.text().map(str::to_owned))
        };
        scene.simulation.api().read(text).unwrap()
    };
    assert_eq!(
        shown(),
        "🗑️ Все о вас удаляется: это займет несколько минут. Останется только обезличенная статистика."
    );
    assert!(holds_name(), "the reader keeps it");
    snapshot.rollback().await.unwrap();
    reader.close().await.unwrap();
    let (said, _) = says(&scene, anna.chat(), "🗑️ Все о вас удалено").await;
    assert_eq!(said, message, "in place of the promise");
    assert!(!holds_name(), "a name is left behind");
}

#[tokio::test]
async fn a_group_sees_nothing_of_what_is_one_member_s_alone() {
    let mut scene = Scene::stand_in(&[]).await;
    let group = Group::new(scene.simulation.api(), ChatId(-100_200_300), "Мы");
    group.makes_bot(Rank::Administrator);
    let boris = scene.simulation.person("Борис Годунов", "ru");
    let gate = Gate::new().await;
    let first = scene.somebody_sends(&scripted(3, &format!("{};say занято", gate.instruction())));
    let held = gate.reached().await;
    let waiting = boris.sends_voice(&scripted(3, "say личное"));
    scene.positions(std::slice::from_ref(&waiting), &[1]).await;

    let here = group.joins(&boris);
    for command in ["mydata", "forget"] {
        let asked = here.sends_text(&format!("/{command}"));
        let reply = scene.simulation.api().until(|state| {
            let reply = state.replies(asked.chat(), asked.id()).next()?;
            Some((reply.id, reply.content.text()?.to_owned(), reply.markup.clone()))
        });
        let (message, text, markup) = soon("an answer in the group", reply).await;
        let link = format!("https://t.me/stenobot_simulated_bot?start={command}");
        let hint = "🔒 На это я отвечаю только в личном чате, чтобы ответ не видела вся группа.";
        assert_eq!((text, markup), (format!("{hint}\n{link}"), None));
        // A forger's button: the message does not carry it.
        let pressed = here.presses_anyway(message, &Action::Forget.encode());
        assert_eq!(soon("a toast", pressed.answered()).await.text, "Эта запись уже обработана.");
    }
    let asked = here.sends_text("/queue");
    let reply = scene
        .simulation
        .api()
        .until(|state| Some(state.replies(asked.chat(), asked.id()).next()?.content.text()?.to_owned()));
    assert_eq!(soon("an answer in the group", reply).await, "📋 Ваших записей в очереди нет.");

    boris.sends_text("/start mydata");
    says(&scene, boris.chat(), "🔒 Что хранится о вас:\nИмя: Борис Годунов").await;
    boris.sends_text("/start forget");
    says(&scene, boris.chat(), "🗑️ Удалить все").await;
    held.open();
    assert_eq!(scene.text(&first).await, "занято");
    assert_eq!(scene.text(&waiting).await, "личное");
    scene.end().await;
}
