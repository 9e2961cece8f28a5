//! What one person meets beside the text: buttons, commands, limits; with the engine's stand-in.

use std::time::Duration;

use serde_json::Value;
use stenobot_domain::{ChatId, MessageId, RequestId};
use stenobot_simulator::answers::Verdict;
use stenobot_simulator::people::{Person, Sent};
use stenobot_simulator::server::{Attachment, Author, Content, Method, Post, State};
use stenobot_telegram::{Action, RerunChoice};

use crate::recordings::{Gate, scripted};
use crate::scene::{Scene, answered, of, rejected, soon};

/// The text of the bot's newest message in a chat that `look` is after, with the message's number.
async fn says(scene: &Scene, chat: ChatId, what: &str) -> (MessageId, String) {
    let found = scene.simulation.api().until(|state| {
        let messages = state.chats.get(&chat)?.messages.values().rev();
        let own = messages.filter(|message| message.author == Author::Bot && message.deleted.is_none());
        own.filter_map(|message| Some((message.id, message.content.text()?.to_owned())))
            .find(|(_, text)| text.contains(what))
    });
    soon(&format!("the bot says {what}"), found).await
}

/// The callback data of every button under a message.
fn buttons(state: &State, chat: ChatId, message: MessageId) -> Vec<String> {
    let shown = state.message(chat, message).and_then(|message| message.markup.clone()).unwrap_or(Value::Null);
    let rows = shown["inline_keyboard"].as_array().cloned().unwrap_or_default();
    let flat = rows.iter().flat_map(|row| row.as_array().cloned().unwrap_or_default());
    flat.filter_map(|button| button["callback_data"].as_str().map(str::to_owned)).collect()
}

/// Waits until a message has a button, and presses it.
async fn press(scene: &Scene, person: &Person, message: MessageId, action: &Action) {
    let data = action.encode();
    let there =
        scene.simulation.api().until(|state| buttons(state, person.chat(), message).contains(&data).then_some(()));
    soon(&format!("the button {data} is there"), there).await;
    let pressed = person.presses_anyway(message, &data);
    soon("the press is answered", pressed.answered()).await;
}

async fn status(scene: &Scene, sent: &Sent) -> MessageId {
    let shown = scene.simulation.api().until(|state| Some(state.replies(sent.chat(), sent.id()).next()?.id));
    soon("a status message is there", shown).await
}

#[tokio::test]
async fn whoever_waits_can_stop_and_the_others_move_up() {
    let mut scene = Scene::stand_in(&[]).await;
    let gate = Gate::new().await;
    let first = scene.somebody_sends(&scripted(3, &format!("{};say первая", gate.instruction())));
    let held = gate.reached().await;
    let anna = scene.simulation.person("Анна", "ru");
    let boris = scene.simulation.person("Борис", "en");
    let second = anna.sends_voice(&scripted(3, "say вторая"));
    scene.positions(std::slice::from_ref(&second), &[1]).await;
    let third = boris.sends_voice(&scripted(3, "say третья"));
    scene.positions(&[second.clone(), third.clone()], &[1, 2]).await;

    let id = RequestId(scene.row(&second).await.id);
    let (message, other) = (status(&scene, &second).await, status(&scene, &third).await);
    // Callback data says what, not who: somebody else's request stays.
    let stolen = boris.presses_anyway(other, &Action::Cancel(id).encode());
    assert_eq!(soon("an answer", stolen.answered()).await.text, "This is somebody else's recording.");
    assert_eq!(scene.row(&second).await.stage, "queued");

    press(&scene, &anna, message, &Action::Cancel(id)).await;
    assert_eq!(scene.answer(&second).await, Verdict::Cancelled);
    scene.positions(std::slice::from_ref(&third), &[1]).await;
    held.open();
    assert_eq!(scene.text(&first).await, "первая");
    assert_eq!(scene.text(&third).await, "третья");
    let rows = scene.end().await;
    let row = of(&rows, &second);
    assert_eq!((row.stage.as_str(), row.reason.as_deref(), row.started_at), ("cancelled", Some("sender"), None));
}

#[tokio::test]
async fn what_the_engine_works_on_can_be_stopped_too() {
    let mut scene = Scene::stand_in(&[]).await;
    let gate = Gate::new().await;
    let anna = scene.simulation.person("Анна", "ru");
    let first = anna.sends_voice(&scripted(3, &format!("{};linger 10;say никогда", gate.instruction())));
    let held = gate.reached().await;
    let second = scene.somebody_sends(&scripted(3, "say следующая"));
    held.open();
    let message = status(&scene, &first).await;
    let id = RequestId(scene.row(&first).await.id);
    press(&scene, &anna, message, &Action::Cancel(id)).await;
    assert_eq!(scene.answer(&first).await, Verdict::Cancelled);
    assert_eq!(scene.text(&second).await, "следующая");
    assert_eq!(scene.simulation.metrics().await.unwrap().value("stenobot_engine_restarts_total"), Some(0.0));
    let rows = scene.end().await;
    assert_eq!(of(&rows, &first).stage, "cancelled");
}

#[tokio::test]
async fn a_flood_leaves_somebody_else_waiting_for_two_requests_at_most() {
    let mut scene = Scene::stand_in(&[("max_waiting_per_user", "10"), ("user_requests_per_minute", "600")]).await;
    let gate = Gate::new().await;
    let flooder = scene.simulation.person("Флуд", "ru");
    let mut flood = vec![flooder.sends_voice(&scripted(3, &format!("{};say раз", gate.instruction())))];
    let held = gate.reached().await;
    flood.extend((0..12).map(|_| flooder.sends_voice(&scripted(3, "say ещё"))));
    // Two of them find no room; where one is told before the other comes, each gets a message of its own.
    assert!(rejected(scene.answer(&flood[12]).await).starts_with("Уже 10 ваших сообщений ждут"));
    let other = scene.somebody_sends(&scripted(3, "say короткое"));
    scene.positions(std::slice::from_ref(&other), &[2]).await;
    held.open();
    assert_eq!(scene.text(&other).await, "короткое");
    for sent in &flood[..11] {
        answered(scene.answer(sent).await);
    }
    let rows = scene.end().await;
    let own = of(&rows, &other);
    let between = rows
        .iter()
        .filter(|row| row.started_at.is_some_and(|at| own.received_at <= at && at < own.started_at.unwrap()));
    assert!(between.count() <= 1, "beside the one that ran, one more at most comes first");
}

#[tokio::test]
async fn the_same_recording_twice_is_heard_once_and_answered_twice() {
    let mut scene = Scene::stand_in(&[]).await;
    let gate = Gate::new().await;
    let first = scene.somebody_sends(&scripted(3, &format!("{};say занято", gate.instruction())));
    let held = gate.reached().await;
    let anna = scene.simulation.person("Анна", "ru");
    let boris = scene.simulation.person("Борис", "ru");
    let second = anna.sends_voice(&scripted(3, "say одно на двоих"));
    scene.positions(std::slice::from_ref(&second), &[1]).await;
    // Telegram knows what is forwarded for the same file.
    let third = boris.forwards(&second).unwrap();
    let (message, text) = says(&scene, boris.chat(), "позиция 1").await;
    assert!(text.starts_with("📋"), "{text}");
    held.open();
    assert_eq!(scene.text(&first).await, "занято");
    assert_eq!(scene.text(&second).await, "одно на двоих");
    let (answer, text) = says(&scene, boris.chat(), "одно на двоих").await;
    assert_eq!((answer, text.as_str()), (message, "✅ Готово!\n\nодно на двоих"), "in place of the place");
    let rows = scene.end().await;
    let own = rows.iter().find(|row| row.chat_id == boris.chat().0).unwrap();
    assert_eq!((own.message_id, own.stage.as_str()), (third.id().0, "done"));
}

#[tokio::test]
async fn a_recording_can_be_heard_in_another_language_and_as_a_file_while_it_is_kept() {
    let scene = Scene::stand_in(&[("audio_retention_seconds", "600")]).await;
    let anna = scene.simulation.person("Анна", "ru");
    let sent = anna.sends_voice(&scripted(3, "say по-русски"));
    assert_eq!(answered(scene.answer(&sent).await), "по-русски");
    let message = sent.status().unwrap();
    let of = RequestId(scene.row(&sent).await.id);

    // At once: the answer is there a moment before the store says that its request is done.
    press(&scene, &anna, message, &Action::Languages { of, page: 0 }).await;
    let german = Action::Rerun { of, choice: RerunChoice::Language("de".parse().unwrap()) };
    press(&scene, &anna, message, &german).await;
    let again = scene.simulation.api().until(|state| {
        let rest = state.replies(sent.chat(), sent.id()).filter(|reply| reply.id != message);
        rest.filter_map(|reply| reply.content.text()).find(|text| text.starts_with("✅")).map(str::to_owned)
    });
    assert_eq!(soon("the second answer", again).await, "✅ Готово!\n\nпо-русски");

    press(&scene, &anna, message, &Action::Languages { of, page: 0 }).await;
    press(&scene, &anna, message, &Action::Back(of)).await;
    press(&scene, &anna, message, &Action::Rerun { of, choice: RerunChoice::File(stenobot_domain::AnswerForm::Srt) })
        .await;
    let file = scene.simulation.api().until(|state| {
        state.replies(sent.chat(), sent.id()).find_map(|reply| match &reply.content {
            Content::Document { file_name, bytes, .. } => Some((file_name.clone(), bytes.clone())),
            _ => None,
        })
    });
    let (name, bytes) = soon("the file", file).await;
    assert_eq!(name, "subtitles.srt");
    assert!(String::from_utf8(bytes.to_vec()).unwrap().contains("-->"));
}

#[tokio::test]
async fn without_retention_there_are_no_buttons_and_no_recording() {
    let mut scene = Scene::stand_in(&[]).await;
    let sent = scene.somebody_sends(&scripted(3, "say слово"));
    assert_eq!(scene.text(&sent).await, "слово");
    let message = sent.status().unwrap();
    assert!(scene.simulation.api().read(|state| buttons(state, sent.chat(), message).is_empty()));
    scene.end().await;
}

#[tokio::test]
async fn a_text_of_too_many_messages_comes_as_a_file_under_its_first_lines() {
    let mut scene = Scene::stand_in(&[("max_answer_messages", "1")]).await;
    let long = "Очень длинный рассказ о том, как всё было. ".repeat(200);
    let sent = scene.somebody_sends(&scripted(3, &format!("say {}", long.trim())));
    let found = scene.simulation.api().until(|state| {
        state.replies(sent.chat(), sent.id()).find_map(|reply| match &reply.content {
            Content::Document { bytes, .. } => Some(bytes.clone()),
            _ => None,
        })
    });
    let bytes = soon("the file", found).await;
    assert_eq!(String::from_utf8(bytes.to_vec()).unwrap().trim(), long.trim());
    let (_, preview) = says(&scene, sent.chat(), "📄").await;
    assert!(preview.starts_with("✅ Готово!\n\nОчень длинный") && preview.encode_utf16().count() < 800);
    scene.spoken.add(long.trim());
    scene.end().await;
}

#[tokio::test]
async fn commands_answer_and_forgetting_leaves_nothing() {
    let mut scene = Scene::stand_in(&[("audio_retention_seconds", "600")]).await;
    let anna = scene.simulation.person("Анна Каренина", "ru");
    let sent = anna.sends_voice(&scripted(30, "say слово"));
    assert_eq!(scene.text(&sent).await, "слово");
    for (command, wanted) in [
        ("/start", "👋"),
        ("/help", "@stenobot_simulated_bot"),
        ("/queue", "Ваших записей в очереди нет"),
        ("/cancel", "Отменять нечего"),
        ("/privacy", "через 10м после ответа"),
        ("/mydata", "Анна Каренина"),
        ("/auto on", "Эта команда для групп"),
        ("/transcribe", "Ответьте этой командой"),
        ("/stats", "/privacy"),
        ("/nonsense", "/privacy"),
    ] {
        anna.sends_text(command);
        let (_, text) = says(&scene, anna.chat(), wanted).await;
        assert!(!text.contains("Unknown"), "{text}");
    }
    anna.sends_text("/language");
    let (message, _) = says(&scene, anna.chat(), "🌐 Язык записей определяется автоматически. Если").await;
    press(&scene, &anna, message, &Action::SetLanguage("kk".parse().unwrap())).await;
    says(&scene, anna.chat(), "Язык записей: Қазақша").await;
    let heard = anna.sends_voice(&scripted(3, "language"));
    assert_eq!(scene.text(&heard).await, "kk");

    anna.sends_text("/forget");
    let (message, _) = says(&scene, anna.chat(), "Удалить все").await;
    press(&scene, &anna, message, &Action::Forget).await;
    says(&scene, anna.chat(), "Все о вас удалено").await;
    for name in ["stenobot.db", "stenobot.db-wal"] {
        let bytes = std::fs::read(scene.simulation.data().join(name)).unwrap_or_default();
        let name = "Анна Каренина".as_bytes();
        assert!(!bytes.windows(name.len()).any(|window| window == name), "a name is left behind");
    }
    let audio = std::fs::read_dir(scene.simulation.data().join("audio")).unwrap().count();
    assert_eq!(audio, 0, "recordings are left behind");
}

#[tokio::test]
async fn an_administrator_pauses_drains_bans_and_writes_to_all() {
    let mut scene = Scene::stand_in(&[("admin_users", "600001")]).await;
    let admin = scene.simulation.person("Админ", "ru");
    assert_eq!(admin.chat().0, 600_001);
    let anna = scene.simulation.person("Анна", "ru");
    admin.sends_text("/pause");
    says(&scene, admin.chat(), "Пауза").await;
    let sent = anna.sends_voice(&scripted(3, "say после паузы"));
    says(&scene, anna.chat(), "Бот на паузе: ваше сообщение сохранено").await;
    scene.positions(std::slice::from_ref(&sent), &[1]).await;
    admin.sends_text("/drain");
    says(&scene, admin.chat(), "не принимаются").await;
    assert_eq!(scene.text(&sent).await, "после паузы");
    let refused = anna.sends_voice(&scripted(3, "say лишнее"));
    let trail = scene.answer(&refused).await;
    assert!(matches!(&trail, Verdict::Rejected(why) if why.contains("на обслуживании")), "{trail:?}");
    admin.sends_text("/resume");
    says(&scene, admin.chat(), "Все работает").await;
    admin.sends_text("/stats");
    let (_, stats) = says(&scene, admin.chat(), "За сутки").await;
    assert!(stats.contains("сообщений — 2, людей — 1") && stats.contains("отказы: 1"), "{stats}");
    admin.sends_text(&format!("/ban {}", anna.chat()));
    says(&scene, admin.chat(), "заблокирован").await;
    let unheard = anna.sends_voice(&scripted(3, "say тишина"));
    admin.sends_text(&format!("/unban {}", anna.chat()));
    says(&scene, admin.chat(), "разблокирован").await;
    assert_eq!(unheard.status(), None, "whoever is shut out hears nothing");
    // An impostor's commands are none.
    anna.sends_text("/drain");
    says(&scene, anna.chat(), "/privacy").await;
    let sent = anna.sends_voice(&scripted(3, "say снова"));
    assert_eq!(scene.text(&sent).await, "снова");
    scene.end().await;
}

#[tokio::test]
async fn whoever_waits_is_told_of_a_pause_and_of_its_end() {
    let mut scene = Scene::stand_in(&[("admin_users", "600001")]).await;
    let admin = scene.simulation.person("Админ", "ru");
    let (anna, boris) = (scene.simulation.person("Анна", "ru"), scene.simulation.person("Boris", "en"));
    let gate = Gate::new().await;
    let first = scene.somebody_sends(&scripted(3, &format!("{};say первая", gate.instruction())));
    let held = gate.reached().await;
    let second = anna.sends_voice(&scripted(3, "say вторая"));
    says(&scene, anna.chat(), "Примерное время ожидания").await;
    admin.sends_text("/pause");
    says(&scene, anna.chat(), "Бот на паузе").await;
    let third = boris.sends_voice(&scripted(3, "say третья"));
    says(&scene, boris.chat(), "The bot is paused: your message is kept").await;
    held.open();
    assert_eq!(scene.text(&first).await, "первая", "what runs is finished");
    let shown = |chat| {
        scene.simulation.api().read(|state| {
            let texts = state.chats[&chat].messages.values().filter_map(|message| message.content.text());
            texts.map(str::to_owned).collect::<Vec<_>>().join("\n")
        })
    };
    assert!(!shown(anna.chat()).contains("время ожидания") && !shown(boris.chat()).contains("Estimated wait"));
    admin.sends_text("/resume");
    assert_eq!((scene.text(&second).await, scene.text(&third).await), ("вторая".into(), "третья".into()));
    scene.end().await;
}

#[tokio::test]
async fn a_message_to_everybody_goes_out_once_and_when_its_author_confirms_it() {
    let mut scene = Scene::stand_in(&[("admin_users", "600001,600002")]).await;
    let (admin, other) = (scene.simulation.person("Админ", "ru"), scene.simulation.person("Другой", "ru"));
    let anna = scene.simulation.person("Анна", "ru");
    anna.sends_text("/start");
    says(&scene, anna.chat(), "👋").await;
    let of_anna = |text: &str| {
        scene.simulation.api().read(|state| {
            let texts = state.chats[&anna.chat()].messages.values().filter_map(|message| message.content.text());
            texts.filter(|shown| shown.contains(text)).count()
        })
    };

    admin.sends_text("/broadcast Завтра перерыв");
    let (message, text) = says(&scene, admin.chat(), "Получат 2 человека").await;
    assert!(text.ends_with("\n\nЗавтра перерыв"), "{text}");
    let data = scene.simulation.api().read(|state| buttons(state, admin.chat(), message));
    let [send, drop] = data.as_slice() else { panic!("{data:?}") };
    // Another administrator who knows the data, and somebody who is none.
    for impostor in [&other, &anna] {
        let own = impostor.sends_text("/help");
        let own = soon(
            "an answer",
            scene.simulation.api().until(|state| Some(state.replies(own.chat(), own.id()).next()?.id)),
        );
        let pressed = impostor.presses_anyway(own.await, send);
        assert!(soon("an answer", pressed.answered()).await.text.starts_with("Этого черновика больше нет"));
    }
    for pressed in [admin.presses_anyway(message, send), admin.presses_anyway(message, send)] {
        soon("the press is answered", pressed.answered()).await;
    }
    says(&scene, admin.chat(), "Отправлено: 3").await;
    assert_eq!(of_anna("Завтра перерыв"), 1);
    let pressed = admin.presses_anyway(message, drop);
    assert!(soon("an answer", pressed.answered()).await.text.starts_with("Этого черновика больше нет"));

    admin.sends_text("/broadcast Передумал");
    let (message, _) = says(&scene, admin.chat(), "Передумал").await;
    let data = scene.simulation.api().read(|state| buttons(state, admin.chat(), message));
    soon("the press is answered", admin.presses_anyway(message, &data[1]).answered()).await;
    says(&scene, admin.chat(), "Не отправлено").await;
    soon("the press is answered", admin.presses_anyway(message, &data[0]).answered()).await;

    admin.sends_text("/broadcast До перезапуска");
    let (message, _) = says(&scene, admin.chat(), "До перезапуска").await;
    let data = scene.simulation.api().read(|state| buttons(state, admin.chat(), message));
    scene.simulation.restart().await.unwrap();
    let pressed = admin.presses_anyway(message, &data[0]);
    assert!(soon("an answer", pressed.answered()).await.text.starts_with("Этого черновика больше нет"));
    let bare = scene.simulation.api().until(|state| buttons(state, admin.chat(), message).is_empty().then_some(()));
    soon("the buttons go", bare).await;
    let of_anna = scene.simulation.api().read(|state| {
        state.chats[&anna.chat()]
            .messages
            .values()
            .filter_map(|message| message.content.text())
            .fold(0, |sum, text| sum + usize::from(text.contains("Передумал") || text.contains("До перезапуска")))
    });
    assert_eq!(of_anna, 0);
    let sent = scene.somebody_sends(&scripted(3, "say слово"));
    assert_eq!(scene.text(&sent).await, "слово");
    scene.end().await;
}

#[tokio::test]
async fn who_may_and_how_much_is_the_operator_s_choice() {
    let mut scene = Scene::stand_in(&[("allowed_users", "600001"), ("daily_audio_minutes_per_user", "1")]).await;
    let anna = scene.simulation.person("Анна", "ru");
    let boris = scene.simulation.person("Борис", "de");
    let refused = boris.sends_voice(&scripted(3, "say чужое"));
    assert!(rejected_any(scene.answer(&refused).await).contains("nur für bestimmte Personen"));
    let first = anna.sends_voice(&scripted(40, "say сорок"));
    assert_eq!(scene.text(&first).await, "сорок");
    let second = anna.sends_voice(&scripted(55, "say ещё"));
    assert!(rejected(scene.answer(&second).await).starts_with("Дневной лимит исчерпан: 1 минута"));
    scene.end().await;
}

#[tokio::test]
async fn the_size_that_is_told_is_the_one_that_telegram_gives() {
    let scene = Scene::stand_in(&[("max_file_size_bytes", "52428800")]).await;
    let anna = scene.simulation.person("Анна", "ru");
    anna.sends_text("/start");
    let (_, text) = says(&scene, anna.chat(), "👋").await;
    assert!(text.contains("20 МБ") && !text.contains("50 МБ"), "{text}");
    let content =
        scene.simulation.api().upload(Attachment::voice(Duration::from_secs(9)), "OggS".into(), Some(30 << 20));
    let message =
        scene.simulation.api().receive(anna.chat(), Post::new(Author::Person(anna.caller().clone()), content));
    let (_, text) = says(&scene, anna.chat(), "слишком большой").await;
    assert!(text.contains("20 МБ"), "{text}");
    assert_eq!(scene.calls(Method::GetFile), 0, "Telegram is not asked for {message}");
    let log = std::fs::read_to_string(scene.simulation.log()).unwrap();
    assert_eq!(log.matches("max_file_size_bytes = 52428800, but").count(), 1, "the operator is told once");
}

/// The sentence of a refusal, whatever its sign.
fn rejected_any(verdict: Verdict) -> String {
    match verdict {
        Verdict::Rejected(why) | Verdict::Failed(why) => why,
        other => panic!("a refusal was expected, not {other:?}"),
    }
}

#[tokio::test]
async fn the_menu_is_there_in_every_language() {
    let scene = Scene::stand_in(&[("admin_users", "600002")]).await;
    let anna = scene.simulation.person("Анна", "kk");
    let admin = scene.simulation.person("Admin", "ja");
    let registered = scene.simulation.api().until(|state| {
        let has = |chat: ChatId, word: &str| state.menu(chat, "kk").iter().any(|entry| entry.command == word);
        (has(anna.chat(), "forget") && has(admin.chat(), "broadcast")).then_some(())
    });
    soon("the menu is registered", registered).await;
    let meaning = |menu: Vec<stenobot_simulator::server::MenuEntry>, word: &str| {
        menu.into_iter().find(|entry| entry.command == word).map(|entry| entry.description)
    };
    assert_eq!(meaning(anna.menu(), "queue").unwrap(), "Кезектегі жазбаларым");
    assert_eq!(meaning(anna.menu(), "broadcast"), None);
}

#[tokio::test]
async fn the_engine_is_told_what_a_sender_is_likely_to_speak() {
    let mut scene = Scene::stand_in(&[]).await;
    let boris = scene.simulation.person("Борис", "en");
    let first = boris.sends_voice(&scripted(3, "likely"));
    assert_eq!(scene.text(&first).await, "en 0.50, ru 0.25");
    // The stand-in's first text was in Russian.
    let second = boris.sends_voice(&scripted(3, "likely"));
    assert_eq!(scene.text(&second).await, "ru 0.40, en 0.40");
}

#[tokio::test]
async fn an_answer_says_that_speech_is_missing_from_it() {
    let scene = Scene::stand_in(&[]).await;
    let anna = scene.simulation.person("Анна", "ru");
    anna.sends_voice(&scripted(3, "missed Перезвони мне"));
    let (_, text) = says(&scene, anna.chat(), "Перезвони мне").await;
    assert!(text.contains("Часть речи распознать не удалось"), "{text}");
}
