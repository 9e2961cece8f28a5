//! A user's own account: recordings that others send there are transcribed for the user, in their chat with the bot.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use stenobot_domain::{ChatId, MessageId, Timestamp};
use stenobot_simulator::server::{
    Attachment, Author, Call, Content, Effect, FaultAction, Method, Refusal, State, UserInfo,
};
use stenobot_simulator::users::User;
use stenobot_simulator::voices::Voice;
use stenobot_telegram::{Action, RerunChoice};

use super::recordings::{Gate, scripted};
use super::scene::{Scene, TestBot, buttons};
use super::{SCENARIO_TIMEOUT, eventually};

/// Whom the bot serves, as the first user of a scene.
const OWNER: &[(&str, &str)] = &[("owner_accounts", "600001"), ("audio_retention_seconds", "600")];

/// An account with the bot, and a person who writes to its owner.
struct OwnAccount {
    owner: User,
    bea: User,
    connection: String,
}

impl OwnAccount {
    /// The first account of the scene; the owner has greeted the bot.
    async fn connected<B: TestBot>(scene: &Scene<B>) -> Self {
        let owner = scene.new_user("Anna", "en");
        owner.send_command("start");
        texts(scene, owner.chat(), "the greeting", |texts| texts.iter().any(|text| text.starts_with("👋"))).await;
        let connection = scene.api().connect_account(owner.info());
        texts(scene, owner.chat(), "the confirmation", |texts| texts.iter().any(|text| text.starts_with("🔗"))).await;
        Self { bea: scene.new_user("Bea", "de"), owner, connection }
    }

    /// A recording in the chat of both, by one of them.
    fn send<B: TestBot>(&self, scene: &mut Scene<B>, author: &UserInfo, voice: &Voice) -> MessageId {
        scene.spoken.add(&voice.text);
        let content = scene.api().upload(Attachment::voice(voice.duration), voice.bytes.clone(), None);
        scene.api().receive_on_account(&self.connection, self.bea.info(), author, content)
    }

    /// The time of a message in the chat of both, as in the heading of its text, and in seconds.
    fn sent_at<B: TestBot>(&self, scene: &Scene<B>, message: MessageId) -> (String, i64) {
        let date = |state: &State| state.accounts[&self.connection].chats[&self.chat()].messages[&message].date;
        let date = scene.api().read(date);
        (Timestamp(date * 1000).date_and_minute(), date)
    }

    /// The chat of both, as Telegram names it to the bot.
    fn chat(&self) -> ChatId {
        ChatId(self.bea.info().id.0)
    }
}

/// The time that the reader of a message sees in their own time zone: the text in its place, and seconds.
fn local_time<B: TestBot>(scene: &Scene<B>, chat: ChatId, message: MessageId) -> Option<(String, i64)> {
    scene.api().read(|state| {
        let message = state.message(chat, message).expect("the message is there");
        let (range, seconds) = message.decoration.time.clone()?;
        Some((message.content.text()?[range].to_owned(), i64::from(seconds)))
    })
}

/// The bot's messages in a chat that are not deleted.
fn shown(state: &State, chat: ChatId) -> Vec<(MessageId, String)> {
    let messages = state.chats.get(&chat).into_iter().flat_map(|chat| chat.messages.values());
    let messages = messages.filter(|message| message.author == Author::Bot && message.deleted.is_none());
    messages.filter_map(|message| Some((message.id, message.content.text()?.to_owned()))).collect()
}

/// Waits until the bot's texts in a chat are as wanted.
async fn texts<B: TestBot>(
    scene: &Scene<B>,
    chat: ChatId,
    what: &str,
    is_wanted: impl Fn(&[String]) -> bool,
) -> Vec<(MessageId, String)> {
    let look = |state: &State| {
        let shown = shown(state, chat);
        let texts: Vec<String> = shown.iter().map(|(_, text)| text.clone()).collect();
        is_wanted(&texts).then_some(shown)
    };
    eventually(what, scene.api().wait_for(look)).await
}

/// Waits for an answer that ends with a text.
async fn answer<B: TestBot>(scene: &Scene<B>, chat: ChatId, end: &str) -> (MessageId, String) {
    let shown = texts(scene, chat, end, |texts| texts.iter().any(|text| text.ends_with(end))).await;
    shown.into_iter().find(|(_, text)| text.ends_with(end)).unwrap()
}

pub(crate) async fn a_recording_that_another_person_sends_to_the_owner_is_answered_in_the_chat_with_the_bot<
    B: TestBot,
>() {
    let mut scene = Scene::<B>::start(OWNER).await;
    let account = OwnAccount::connected(&scene).await;
    let sent = account.send(&mut scene, account.bea.info(), &scripted(3, "say good morning"));
    let (message, text) = answer(&scene, account.owner.chat(), "good morning").await;
    let (heading, rest) = text.split_once('\n').unwrap();
    assert!(heading.starts_with("👤 Bea · 20") && heading.ends_with(" UTC"), "{heading}");
    assert_eq!(rest, "✅ Done!\n\ngood morning");
    assert_eq!(local_time(&scene, account.owner.chat(), message), Some(account.sent_at(&scene, sent)));
    // The update comes again, the owner answers by voice, and another bot's message arrives.
    scene.api().repeat_on_account(&account.connection, account.chat(), sent);
    account.send(&mut scene, account.owner.info(), &scripted(3, "say my own words"));
    let second = account.send(&mut scene, account.bea.info(), &scripted(3, "say and good night"));
    answer(&scene, account.owner.chat(), "good night").await;
    assert_ne!(second, sent);
    assert_eq!(scene.api().read(|state| shown(state, account.bea.chat()).len()), 0, "the other side sees nothing");

    // The text in another language, or as a file, says whose recording it is by what it replies to.
    scene.wait_until_closed().await;
    let id = scene.rows().await[0].id;
    let form = Action::Rerun {
        of: stenobot_domain::RequestId(id),
        choice: RerunChoice::File(stenobot_domain::AnswerForm::Srt),
    };
    scene.press(&account.owner, message, &form).await;
    let file = |state: &State| {
        let messages = state.chats.get(&account.owner.chat())?.messages.values();
        let mut files = messages.filter(|message| matches!(message.content, Content::Document { .. }));
        files.find_map(|file| file.reply_to)
    };
    assert_eq!(eventually("the subtitles", scene.api().wait_for(file)).await, message);
    scene.wait_until_closed().await;
    let rows = scene.into_stopped_with_audio().await.rows().await;
    assert_eq!(rows.len(), 3, "{rows:?}");
    for row in &rows {
        assert_eq!((row.chat_id, row.stage.as_str()), (account.owner.chat().0, "done"));
        assert_eq!(row.message_id, None);
    }
}

pub(crate) async fn a_server_that_knows_no_time_entity_is_sent_the_text_without_it<B: TestBot>() {
    let mut scene = Scene::<B>::start(OWNER).await;
    let account = OwnAccount::connected(&scene).await;
    let has_refused = AtomicBool::new(false);
    let refusing = move |call: &Call<'_>| {
        let is_answer = call.method == Method::EditMessageText && call.text.contains("✅");
        let is_refused = is_answer && !has_refused.swap(true, Ordering::SeqCst);
        let effect = if is_refused { Effect::Refuse(Refusal::ENTITY_UNSUPPORTED) } else { Effect::Pass };
        FaultAction { delay: Duration::ZERO, effect }
    };
    scene.api().set_fault(Some(Arc::new(refusing)));
    let sent = account.send(&mut scene, account.bea.info(), &scripted(3, "say good morning"));
    let (message, text) = answer(&scene, account.owner.chat(), "good morning").await;
    let (time, _) = account.sent_at(&scene, sent);
    assert_eq!(text, format!("👤 Bea · {time}\n✅ Done!\n\ngood morning"));
    assert_eq!(local_time(&scene, account.owner.chat(), message), None);
    scene.wait_until_closed().await;
    scene.into_stopped_with_audio().await;
}

pub(crate) async fn a_message_that_is_deleted_before_its_text_is_there_ends_without_a_trace<B: TestBot>() {
    let mut scene = Scene::<B>::start(OWNER).await;
    let account = OwnAccount::connected(&scene).await;
    let gate = Gate::new().await;
    let before = scene.api().read(|state| shown(state, account.owner.chat()));
    let held = account.send(
        &mut scene,
        account.bea.info(),
        &scripted(3, &format!("{};linger 10;say never", gate.instruction())),
    );
    let reached = gate.wait_reached().await;
    let waits = account.send(&mut scene, account.bea.info(), &scripted(3, "say never either"));
    texts(&scene, account.owner.chat(), "both states", |texts| {
        texts.iter().filter(|text| text.starts_with("👤 Bea")).count() == 2
    })
    .await;
    scene.api().delete_on_account(&account.connection, account.chat(), &[held, waits]);
    reached.release();
    let left = texts(&scene, account.owner.chat(), "no state is left", |texts| {
        texts.iter().all(|text| !text.starts_with("👤 Bea"))
    })
    .await;
    assert_eq!(left, before, "no notice either");
    scene.wait_until_closed().await;
    let rows = scene.into_stopped().await.rows().await;
    let ends: Vec<_> = rows.iter().map(|row| (row.stage.as_str(), row.reason.as_deref())).collect();
    assert_eq!(ends, [("cancelled", Some("sender")); 2]);
}

pub(crate) async fn a_message_that_is_deleted_later_takes_recording_and_text_with_it<B: TestBot>() {
    let settings = [OWNER, &[("max_answer_messages", "4")]].concat();
    let mut scene = Scene::<B>::start(&settings).await;
    let account = OwnAccount::connected(&scene).await;
    let before = scene.api().read(|state| shown(state, account.owner.chat()));
    let long = format!("say {}the end", "many words and many more ".repeat(400));
    let sent = account.send(&mut scene, account.bea.info(), &scripted(5, &long));
    let shown_parts =
        texts(&scene, account.owner.chat(), "all parts", |texts| texts.iter().any(|text| text.ends_with("the end")))
            .await;
    assert!(shown_parts.len() >= before.len() + 3, "{}", shown_parts.len());
    scene.wait_until_closed().await;
    let audio = scene.bot.environment().data().join("audio");
    assert_eq!(std::fs::read_dir(&audio).unwrap().count(), 1, "the recording is kept");
    scene.api().delete_on_account(&account.connection, account.chat(), &[sent]);
    let left = texts(&scene, account.owner.chat(), "no part is left", |texts| texts.len() == before.len()).await;
    assert_eq!(left, before);
    let removed = async {
        while std::fs::read_dir(&audio).unwrap().count() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    eventually("the recording is removed", removed).await;
    // Once more, and for a message that never was one.
    let last = scene.api().delete_on_account(&account.connection, account.chat(), &[sent, MessageId(999)]).unwrap();
    scene.wait_until_confirmed(last).await;
    scene.into_stopped().await;
}

pub(crate) async fn an_account_that_is_not_served_is_told_once_and_then_ignored<B: TestBot>() {
    let mut scene = Scene::<B>::start(OWNER).await;
    let account = OwnAccount::connected(&scene).await;
    let (stranger, carl) = (scene.new_user("Dora", "en"), scene.new_user("Carl", "en"));
    let theirs = scene.api().connect_account(stranger.info());
    let refused = |texts: &[String]| texts.len() == 1 && texts[0].starts_with("🔒");
    texts(&scene, stranger.chat(), "the refusal", refused).await;
    let voice = scripted(3, "say not for us");
    for _ in 0..2 {
        let content = scene.api().upload(Attachment::voice(voice.duration), voice.bytes.clone(), None);
        scene.api().receive_on_account(&theirs, carl.info(), carl.info(), content);
    }
    account.send(&mut scene, account.bea.info(), &scripted(3, "say for the owner"));
    answer(&scene, account.owner.chat(), "for the owner").await;
    texts(&scene, stranger.chat(), "one refusal only", refused).await;

    // The owner is taken off the list: what comes now is not transcribed, and that is said once.
    scene.bot.restart_with("owner_accounts", "600999").await;
    account.send(&mut scene, account.bea.info(), &scripted(3, "say too late"));
    texts(&scene, account.owner.chat(), "the refusal", |texts| texts.last().is_some_and(|text| text.starts_with("🔒")))
        .await;
    let again = account.send(&mut scene, account.bea.info(), &scripted(3, "say far too late"));
    let confirmed = |state: &State| {
        state.confirmed.iter().any(|update| update.content["business_message"]["message_id"] == again.0).then_some(())
    };
    eventually("the update is taken", scene.api().wait_for(confirmed)).await;
    let rows = scene.into_stopped_with_audio().await.rows().await;
    assert_eq!(rows.len(), 1, "{rows:?}");
}

pub(crate) async fn a_connection_that_ends_finishes_what_is_under_way_and_takes_nothing_new<B: TestBot>() {
    let mut scene = Scene::<B>::start(OWNER).await;
    let account = OwnAccount::connected(&scene).await;
    let gate = Gate::new().await;
    account.send(&mut scene, account.bea.info(), &scripted(3, &format!("{};say still answered", gate.instruction())));
    let reached = gate.wait_reached().await;
    scene.api().set_account_connected(&account.connection, false);
    // Telegram may send what came at the same moment.
    account.send(&mut scene, account.bea.info(), &scripted(3, "say no more"));
    reached.release();
    answer(&scene, account.owner.chat(), "still answered").await;
    scene.api().set_account_connected(&account.connection, true);
    account.send(&mut scene, account.bea.info(), &scripted(3, "say once more"));
    answer(&scene, account.owner.chat(), "once more").await;
    scene.wait_until_closed().await;
    let rows = scene.into_stopped_with_audio().await.rows().await;
    assert_eq!(rows.iter().map(|row| row.stage.as_str()).collect::<Vec<_>>(), ["done", "done"]);
}

pub(crate) async fn a_connection_that_the_store_does_not_know_is_asked_for<B: TestBot>() {
    let mut scene = Scene::<B>::start(OWNER).await;
    let account = OwnAccount::connected(&scene).await;
    // Also erases the connection.
    let asked = account.owner.send_command("forget");
    let shown = texts(&scene, account.owner.chat(), "the question", |texts| {
        texts.last().is_some_and(|text| text.starts_with("🗑️"))
    })
    .await;
    let question = shown.last().unwrap().0;
    assert_eq!(scene.api().read(|state| buttons(state, asked.chat(), question)), [Action::Forget.encode()]);
    scene.press(&account.owner, question, &Action::Forget).await;
    assert_eq!(scene.calls(Method::GetBusinessConnection), 0);
    account.send(&mut scene, account.bea.info(), &scripted(3, "say welcome back"));
    answer(&scene, account.owner.chat(), "welcome back").await;
    assert_eq!(scene.calls(Method::GetBusinessConnection), 1);
    scene.into_stopped_with_audio().await;
}

pub(crate) async fn limits_and_bans_hold_for_an_own_account<B: TestBot>() {
    let settings = [OWNER, &[("max_voice_duration_seconds", "20"), ("admin_users", "600001")]].concat();
    let mut scene = Scene::<B>::start(&settings).await;
    let account = OwnAccount::connected(&scene).await;
    let sent = account.send(&mut scene, account.bea.info(), &scripted(30, "say too long"));
    let text = texts(&scene, account.owner.chat(), "the refusal", |texts| {
        texts.last().is_some_and(|text| text.contains("Maximum length: 20s"))
    })
    .await;
    let (refusal, text) = text.last().unwrap();
    assert!(text.starts_with("👤 Bea · 20"), "{text}");
    let time = local_time(&scene, account.owner.chat(), *refusal);
    assert_eq!(time, Some(account.sent_at(&scene, sent)), "a refusal has it too");
    account.owner.send_command(&format!("ban {}", account.bea.info().id));
    texts(&scene, account.owner.chat(), "the ban", |texts| texts.last().is_some_and(|text| text.starts_with("🚫")))
        .await;
    let banned = account.send(&mut scene, account.bea.info(), &scripted(3, "say not from you"));
    let confirmed = |state: &State| {
        state.confirmed.iter().any(|update| update.content["business_message"]["message_id"] == banned.0).then_some(())
    };
    tokio::time::timeout(SCENARIO_TIMEOUT, scene.api().wait_for(confirmed)).await.unwrap();
    let rows = scene.into_stopped().await.rows().await;
    let ends: Vec<_> = rows.iter().map(|row| (row.stage.as_str(), row.reason.as_deref())).collect();
    assert_eq!(ends, [("rejected", Some("too_long"))]);
}
