//! What users meet besides transcripts: buttons, commands, limits, operators.

use std::time::Duration;

use stenobot_domain::ChatId;
use stenobot_simulator::answers::RequestOutcome;
use stenobot_simulator::harness::Simulation;
use stenobot_simulator::server::{Attachment, Author, Content, Method, Post};
use stenobot_telegram::{Action, RerunChoice};

use crate::recordings::{Gate, scripted};
use crate::scene::{Scene, answered, buttons, eventually, rejected, row_of};
use crate::stories::run_stories;

#[tokio::test]
async fn a_flood_of_one_user_delays_another_by_two_requests_at_most() {
    let mut scene = Scene::start(&[("max_waiting_per_user", "10"), ("user_requests_per_minute", "600")]).await;
    let gate = Gate::new().await;
    let flooder = scene.new_user("Флуд", "ru");
    let mut flood = vec![flooder.send_voice(&scripted(3, &format!("{};say раз", gate.instruction())))];
    let held = gate.wait_reached().await;
    flood.extend((0..12).map(|_| flooder.send_voice(&scripted(3, "say ещё"))));
    // Two of them exceed the limit; if one refusal is sent before the other update comes, each gets its own message.
    assert!(rejected(scene.answer(&flood[12]).await).starts_with("Уже 10 ваших сообщений ждут"));
    let other = scene.send_voice(&scripted(3, "say короткое"));
    scene.wait_for_positions(std::slice::from_ref(&other), &[2]).await;
    held.release();
    assert_eq!(scene.text(&other).await, "короткое");
    for sent in &flood[..11] {
        answered(scene.answer(sent).await);
    }
    let rows = scene.shut_down().await;
    let own = row_of(&rows, &other);
    let between = rows
        .iter()
        .filter(|row| row.started_at.is_some_and(|at| own.received_at <= at && at < own.started_at.unwrap()));
    assert!(between.count() <= 1, "beside the one that ran, one more at most comes first");
}

#[tokio::test]
async fn the_same_recording_twice_is_transcribed_once_and_answered_twice() {
    let mut scene = Scene::start(&[]).await;
    let gate = Gate::new().await;
    let first = scene.send_voice(&scripted(3, &format!("{};say занято", gate.instruction())));
    let held = gate.wait_reached().await;
    let anna = scene.new_user("Анна", "ru");
    let boris = scene.new_user("Борис", "ru");
    let second = anna.send_voice(&scripted(3, "say одно на двоих"));
    scene.wait_for_positions(std::slice::from_ref(&second), &[1]).await;
    // A forwarded recording has the same file id.
    let third = boris.forward(&second).unwrap();
    let (message, text) = scene.wait_for_text(boris.chat(), "позиция 1").await;
    assert!(text.starts_with("📋"), "{text}");
    held.release();
    assert_eq!(scene.text(&first).await, "занято");
    assert_eq!(scene.text(&second).await, "одно на двоих");
    let (answer, text) = scene.wait_for_text(boris.chat(), "одно на двоих").await;
    assert_eq!((answer, text.as_str()), (message, "✅ Готово!\n\nодно на двоих"), "in place of the place");
    let rows = scene.shut_down().await;
    let own = rows.iter().find(|row| row.chat_id == boris.chat().0).unwrap();
    assert_eq!((own.message_id, own.stage.as_str()), (Some(third.id().0), "done"));
}

#[tokio::test]
async fn a_kept_recording_can_be_transcribed_again_in_another_language_and_as_a_file() {
    let scene = Scene::start(&[("audio_retention_seconds", "600")]).await;
    let anna = scene.new_user("Анна", "ru");
    let sent = anna.send_voice(&scripted(3, "say по-русски"));
    assert_eq!(answered(scene.answer(&sent).await), "по-русски");
    let message = sent.status().unwrap();
    let of = scene.request(&sent).await;

    // At once: the answer arrives a moment before its request is closed in the store.
    scene.press(&anna, message, &Action::Languages { of, page: 0 }).await;
    let german = Action::Rerun { of, choice: RerunChoice::Language("de".parse().unwrap()) };
    scene.press(&anna, message, &german).await;
    let again = scene.api().wait_for(|state| {
        let rest = state.replies(sent.chat(), sent.id()).filter(|reply| reply.id != message);
        rest.filter_map(|reply| reply.content.text()).find(|text| text.starts_with("✅")).map(str::to_owned)
    });
    assert_eq!(eventually("the second answer", again).await, "✅ Готово!\n🌐 Язык: Deutsch\n\nпо-русски");

    scene.press(&anna, message, &Action::Languages { of, page: 0 }).await;
    scene.press(&anna, message, &Action::Back(of)).await;
    scene
        .press(&anna, message, &Action::Rerun { of, choice: RerunChoice::File(stenobot_domain::AnswerForm::Srt) })
        .await;
    let file = scene.api().wait_for(|state| {
        state.replies(sent.chat(), sent.id()).find_map(|reply| match &reply.content {
            Content::Document { file_name, bytes, .. } => Some((file_name.clone(), bytes.clone())),
            _ => None,
        })
    });
    let (name, bytes) = eventually("the file", file).await;
    assert!(name.starts_with("voice-20") && name.ends_with(".srt"), "{name}");
    assert!(String::from_utf8(bytes.to_vec()).unwrap().contains("-->"));
}

#[tokio::test]
async fn without_retention_neither_buttons_nor_audio_remain() {
    let mut scene = Scene::start(&[]).await;
    let sent = scene.send_voice(&scripted(3, "say слово"));
    assert_eq!(scene.text(&sent).await, "слово");
    let message = sent.status().unwrap();
    assert!(scene.api().read(|state| buttons(state, sent.chat(), message).is_empty()));
    scene.shut_down().await;
}

#[tokio::test]
async fn a_text_longer_than_the_message_limit_is_sent_as_a_file_with_a_preview() {
    let mut scene = Scene::start(&[("max_answer_messages", "1")]).await;
    let long = "Очень длинный рассказ о том, как всё было. ".repeat(200);
    let sent = scene.send_voice(&scripted(3, &format!("say {}", long.trim())));
    let found = scene.api().wait_for(|state| {
        state.replies(sent.chat(), sent.id()).find_map(|reply| match &reply.content {
            Content::Document { bytes, .. } => Some(bytes.clone()),
            _ => None,
        })
    });
    let bytes = eventually("the file", found).await;
    assert_eq!(String::from_utf8(bytes.to_vec()).unwrap().trim(), long.trim());
    let (_, preview) = scene.wait_for_text(sent.chat(), "📄").await;
    assert!(preview.starts_with("✅ Готово!\n\nОчень длинный") && preview.encode_utf16().count() < 800);
    scene.spoken.add(long.trim());
    scene.shut_down().await;
}

#[tokio::test]
async fn an_operator_pauses_drains_and_bans() {
    let settings = [("admin_users", "600001"), ("dashboard_url", "https://grafana.example/d/stenobot")];
    let mut scene = Scene::start(&settings).await;
    let admin = scene.new_user("Админ", "ru");
    assert_eq!(admin.chat().0, 600_001);
    let anna = scene.new_user("Анна", "ru");
    admin.send_text("/pause");
    scene.wait_for_text(admin.chat(), "Пауза").await;
    let sent = anna.send_voice(&scripted(3, "say после паузы"));
    scene.wait_for_text(anna.chat(), "Бот на паузе: ваше сообщение сохранено").await;
    scene.wait_for_positions(std::slice::from_ref(&sent), &[1]).await;
    admin.send_text("/drain");
    scene.wait_for_text(admin.chat(), "не принимаются").await;
    assert_eq!(scene.text(&sent).await, "после паузы");
    let refused = anna.send_voice(&scripted(3, "say лишнее"));
    let trail = scene.answer(&refused).await;
    assert!(matches!(&trail, RequestOutcome::Rejected(why) if why.contains("на обслуживании")), "{trail:?}");
    admin.send_text("/resume");
    scene.wait_for_text(admin.chat(), "Все работает").await;
    admin.send_text("/stats");
    let (_, stats) = scene.wait_for_text(admin.chat(), "За сутки").await;
    assert!(stats.contains("сообщений — 2, людей — 1") && stats.contains("отказы: 1"), "{stats}");
    assert!(stats.ends_with("\n📈 https://grafana.example/d/stenobot"), "{stats}");
    admin.send_text("/banned");
    scene.wait_for_text(admin.chat(), "Никто не заблокирован").await;
    admin.send_text(&format!("/ban {}", anna.chat()));
    scene.wait_for_text(admin.chat(), "Пользователь").await;
    admin.send_text("/banned");
    let (_, banned) = scene.wait_for_text(admin.chat(), "Заблокировано: 1").await;
    assert!(banned.contains(&format!("\n{} · Анна", anna.chat())) && banned.contains("/unban ID"), "{banned}");
    let ignored = anna.send_voice(&scripted(3, "say тишина"));
    admin.send_text(&format!("/unban {}", anna.chat()));
    scene.wait_for_text(admin.chat(), "разблокирован").await;
    assert_eq!(ignored.status(), None, "a banned user gets no answer");
    // Commands of other users have no effect.
    anna.send_text("/drain");
    scene.wait_for_text(anna.chat(), "/privacy").await;
    let sent = anna.send_voice(&scripted(3, "say снова"));
    assert_eq!(scene.text(&sent).await, "снова");
    scene.shut_down().await;
}

#[tokio::test]
async fn waiting_users_are_informed_of_a_pause_and_of_its_end() {
    let mut scene = Scene::start(&[("admin_users", "600001")]).await;
    let admin = scene.new_user("Админ", "ru");
    let (anna, boris) = (scene.new_user("Анна", "ru"), scene.new_user("Boris", "en"));
    let gate = Gate::new().await;
    let first = scene.send_voice(&scripted(3, &format!("{};say первая", gate.instruction())));
    let held = gate.wait_reached().await;
    let second = anna.send_voice(&scripted(3, "say вторая"));
    scene.wait_for_text(anna.chat(), "Примерное время ожидания").await;
    admin.send_text("/pause");
    scene.wait_for_text(anna.chat(), "Бот на паузе").await;
    let third = boris.send_voice(&scripted(3, "say третья"));
    scene.wait_for_text(boris.chat(), "The bot is paused: your message is kept").await;
    held.release();
    assert_eq!(scene.text(&first).await, "первая", "what runs is finished");
    let shown = |chat| {
        scene.api().read(|state| {
            let texts = state.chats[&chat].messages.values().filter_map(|message| message.content.text());
            texts.map(str::to_owned).collect::<Vec<_>>().join("\n")
        })
    };
    assert!(!shown(anna.chat()).contains("время ожидания") && !shown(boris.chat()).contains("Estimated wait"));
    admin.send_text("/resume");
    assert_eq!((scene.text(&second).await, scene.text(&third).await), ("вторая".into(), "третья".into()));
    scene.shut_down().await;
}

#[tokio::test]
async fn a_broadcast_is_sent_once_after_its_author_confirms_it() {
    let mut scene = Scene::start(&[("admin_users", "600001,600002")]).await;
    let (admin, other) = (scene.new_user("Админ", "ru"), scene.new_user("Другой", "ru"));
    let anna = scene.new_user("Анна", "ru");
    anna.send_text("/start");
    scene.wait_for_text(anna.chat(), "👋").await;
    let of_anna = |text: &str| {
        scene.api().read(|state| {
            let texts = state.chats[&anna.chat()].messages.values().filter_map(|message| message.content.text());
            texts.filter(|shown| shown.contains(text)).count()
        })
    };

    admin.send_text("/broadcast Завтра перерыв");
    let (message, text) = scene.wait_for_text(admin.chat(), "Получат 2 человека").await;
    assert!(text.ends_with("\n\nЗавтра перерыв"), "{text}");
    let data = scene.api().read(|state| buttons(state, admin.chat(), message));
    let [send, drop] = data.as_slice() else { panic!("{data:?}") };
    // Another operator who knows the data, and an ordinary user.
    for impostor in [&other, &anna] {
        let own = impostor.send_text("/help");
        let own =
            eventually("an answer", scene.api().wait_for(|state| Some(state.replies(own.chat(), own.id()).next()?.id)));
        let pressed = impostor.send_callback(own.await, send);
        assert!(
            eventually("an answer", pressed.wait_for_answer()).await.text.starts_with("Этого черновика больше нет")
        );
    }
    for pressed in [admin.send_callback(message, send), admin.send_callback(message, send)] {
        eventually("the press is answered", pressed.wait_for_answer()).await;
    }
    scene.wait_for_text(admin.chat(), "Отправлено: 3").await;
    assert_eq!(of_anna("Завтра перерыв"), 1);
    let pressed = admin.send_callback(message, drop);
    assert!(eventually("an answer", pressed.wait_for_answer()).await.text.starts_with("Этого черновика больше нет"));

    admin.send_text("/broadcast Передумал");
    let (message, _) = scene.wait_for_text(admin.chat(), "Передумал").await;
    let data = scene.api().read(|state| buttons(state, admin.chat(), message));
    eventually("the press is answered", admin.send_callback(message, &data[1]).wait_for_answer()).await;
    scene.wait_for_text(admin.chat(), "Не отправлено").await;
    eventually("the press is answered", admin.send_callback(message, &data[0]).wait_for_answer()).await;

    admin.send_text("/broadcast До перезапуска");
    let (message, _) = scene.wait_for_text(admin.chat(), "До перезапуска").await;
    let data = scene.api().read(|state| buttons(state, admin.chat(), message));
    scene.bot.restart().await.unwrap();
    let pressed = admin.send_callback(message, &data[0]);
    assert!(eventually("an answer", pressed.wait_for_answer()).await.text.starts_with("Этого черновика больше нет"));
    let bare = scene.api().wait_for(|state| buttons(state, admin.chat(), message).is_empty().then_some(()));
    eventually("the buttons go", bare).await;
    let of_anna = scene.api().read(|state| {
        state.chats[&anna.chat()]
            .messages
            .values()
            .filter_map(|message| message.content.text())
            .fold(0, |sum, text| sum + usize::from(text.contains("Передумал") || text.contains("До перезапуска")))
    });
    assert_eq!(of_anna, 0);
    let sent = scene.send_voice(&scripted(3, "say слово"));
    assert_eq!(scene.text(&sent).await, "слово");
    scene.shut_down().await;
}

#[tokio::test]
async fn the_file_size_limit_shown_is_telegrams() {
    let scene = Scene::start(&[("max_file_size_bytes", "52428800")]).await;
    let anna = scene.new_user("Анна", "ru");
    anna.send_text("/start");
    let (_, text) = scene.wait_for_text(anna.chat(), "👋").await;
    assert!(text.contains("20 МБ") && !text.contains("50 МБ"), "{text}");
    let content = scene.api().upload(Attachment::voice(Duration::from_secs(9)), "OggS".into(), Some(30 << 20));
    let message = scene.api().receive(anna.chat(), Post::new(Author::User(anna.info().clone()), content));
    let (_, text) = scene.wait_for_text(anna.chat(), "слишком большой").await;
    assert!(text.contains("20 МБ"), "{text}");
    assert_eq!(scene.calls(Method::GetFile), 0, "Telegram is not asked for {message}");
    let log = std::fs::read_to_string(scene.bot.log()).unwrap();
    assert_eq!(log.matches("max_file_size_bytes = 52428800, but").count(), 1, "the operator is informed once");
}

#[tokio::test]
async fn the_command_menu_is_registered_in_every_language() {
    let scene = Scene::start(&[("admin_users", "600002")]).await;
    let anna = scene.new_user("Анна", "kk");
    let admin = scene.new_user("Admin", "ja");
    let registered = scene.api().wait_for(|state| {
        let has = |chat: ChatId, word: &str| state.menu(chat, "kk").iter().any(|entry| entry.command == word);
        (has(anna.chat(), "forget") && has(admin.chat(), "broadcast")).then_some(())
    });
    eventually("the menu is registered", registered).await;
    let meaning = |menu: Vec<stenobot_simulator::server::MenuEntry>, word: &str| {
        menu.into_iter().find(|entry| entry.command == word).map(|entry| entry.description)
    };
    assert_eq!(meaning(anna.menu(), "queue").unwrap(), "Кезектегі жазбаларым");
    assert_eq!(meaning(anna.menu(), "broadcast"), None);
}

#[tokio::test]
async fn an_answer_reports_missed_speech() {
    let scene = Scene::start(&[]).await;
    let anna = scene.new_user("Анна", "ru");
    anna.send_voice(&scripted(3, "missed Перезвони мне"));
    let (_, text) = scene.wait_for_text(anna.chat(), "Перезвони мне").await;
    assert!(text.contains("Часть речи распознать не удалось"), "{text}");
}

run_stories!(
    Simulation,
    cancel: a_queued_request_can_be_cancelled_and_the_others_move_up, a_running_request_can_be_cancelled,
);
run_stories!(
    Simulation,
    commands: commands_are_answered_and_forget_erases_the_user, the_engine_is_given_the_likely_languages_of_the_sender,
    several_languages_are_chosen_by_a_command, a_text_that_depends_on_the_sender_s_languages_is_not_shared,
);
run_stories!(Simulation, limits: allowed_users_and_the_daily_limit_are_enforced);
