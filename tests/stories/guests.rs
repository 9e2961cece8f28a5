//! Calls of the bot in chats that it is not in.

use std::sync::Arc;

use stenobot_domain::{ChatId, RequestId};
use stenobot_simulator::server::{
    Attachment, Author, Content, Effect, GuestMessage, Method, Refusal, ScriptedFault, State, keyboard,
};
use stenobot_simulator::users::User;
use stenobot_simulator::voices::Voice;
use stenobot_telegram::Action;

use super::eventually;
use super::recordings::{Gate, scripted};
use super::scene::{Scene, TestBot};

pub(crate) const ON: (&str, &str) = ("guest_mode", "on");
/// A group that the bot is not in.
pub(crate) const ELSEWHERE: ChatId = ChatId(-100_777);

/// Calls the bot to a recording.
pub(crate) fn call<B: TestBot>(scene: &mut Scene<B>, caller: &User, voice: &Voice) -> String {
    scene.spoken.add(&voice.text);
    let recording = upload(scene, voice);
    scene.api().call_as_guest(ELSEWHERE, caller.info(), Some(&recording))
}

fn upload<B: TestBot>(scene: &Scene<B>, voice: &Voice) -> Content {
    scene.api().upload(Attachment::voice(voice.duration), voice.bytes.clone(), None)
}

/// Waits until the bot's answer to a call is as wanted.
pub(crate) async fn answer<B: TestBot>(
    scene: &Scene<B>,
    call: &str,
    what: &str,
    is_wanted: impl Fn(&str) -> bool,
) -> GuestMessage {
    let look = |state: &State| state.guests[call].answer.clone().filter(|answer| is_wanted(&answer.text));
    eventually(what, scene.api().wait_for(look)).await
}

/// Waits until the bot has taken a call in.
async fn wait_until_taken<B: TestBot>(scene: &Scene<B>, call: &str) {
    let taken = |state: &State| {
        state.confirmed.iter().any(|update| update.content["guest_message"]["guest_query_id"] == call).then_some(())
    };
    eventually("the update is taken", scene.api().wait_for(taken)).await;
}

/// The callback data under an answer.
pub(crate) fn buttons(answer: &GuestMessage) -> Vec<String> {
    let rows = answer.markup.as_ref().map(keyboard::rows).unwrap_or_default();
    rows.into_iter().flatten().map(|button| button.data).collect()
}

/// The bot's texts in a private chat.
fn private_texts<B: TestBot>(scene: &Scene<B>, user: &User) -> Vec<String> {
    scene.api().read(|state| {
        let messages = state.chats.get(&user.chat()).into_iter().flat_map(|chat| chat.messages.values());
        let own = messages.filter(|message| message.author == Author::Bot && message.deleted.is_none());
        own.filter_map(|message| Some(message.content.text()?.to_owned())).collect()
    })
}

/// Presses a button under the answer to a call, and waits for the bot's words.
pub(crate) async fn press<B: TestBot>(scene: &Scene<B>, call: &str, user: &User, action: &Action) -> String {
    let query = scene.api().press_as_guest(call, user.info(), &action.encode()).unwrap();
    let answered = |state: &State| state.presses.get(&query)?.answer.clone();
    eventually("the press is answered", scene.api().wait_for(answered)).await.text
}

pub(crate) async fn a_call_is_answered_where_it_was_made<B: TestBot>() {
    let mut scene = Scene::<B>::start(&[ON, ("audio_retention_seconds", "600")]).await;
    let anna = scene.new_user("Anna", "en");
    let gate = Gate::new().await;
    let voice = scripted(3, &format!("{};say good morning", gate.instruction()));
    scene.spoken.add(&voice.text);
    let recording = upload(&scene, &voice);
    let first = scene.api().call_as_guest(ELSEWHERE, anna.info(), Some(&recording));
    let held = gate.wait_reached().await;
    let state = answer(&scene, &first, "the state", |text| text.starts_with("⚙️")).await;
    let id = RequestId(scene.rows().await[0].id);
    assert_eq!(buttons(&state), [Action::Refresh(id).encode(), Action::Cancel(id).encode()]);
    // The update comes again.
    scene.api().repeat_call(&first, Some(&recording));
    held.release();
    let done = answer(&scene, &first, "the text", |text| text.ends_with("good morning")).await;
    assert_eq!(done.text, "✅ Done!\n\ngood morning");
    assert_eq!(done.decoration.folded, Some("✅ Done!\n\n".len()..done.text.len()), "others read it");
    assert_eq!(buttons(&done), [""], "the button that copies the text");

    // The same recording once more, while another one waits: both are answered.
    let gate = Gate::new().await;
    let held = call(&mut scene, &anna, &scripted(3, &format!("{};say the first", gate.instruction())));
    let reached = gate.wait_reached().await;
    let shared = upload(&scene, &scripted(3, "say for both"));
    scene.spoken.add("for both");
    let boris = scene.new_user("Boris", "en");
    let calls = [&anna, &boris].map(|user| scene.api().call_as_guest(ELSEWHERE, user.info(), Some(&shared)));
    for call in &calls {
        answer(&scene, call, "the position", |text| text.starts_with("📋")).await;
    }
    reached.release();
    answer(&scene, &held, "the first text", |text| text.ends_with("the first")).await;
    for call in &calls {
        answer(&scene, call, "the shared text", |text| text.ends_with("for both")).await;
    }
    scene.wait_until_closed().await;
    for user in [&anna, &boris] {
        assert_eq!(private_texts(&scene, user), [""; 0], "nothing is said elsewhere");
    }
    let rows = scene.into_stopped_with_audio().await.rows().await;
    let ends: Vec<_> = rows.iter().map(|row| (row.stage.as_str(), row.message_id)).collect();
    assert_eq!(ends, [("done", None); 4], "{rows:?}");
    assert_eq!(rows[0].chat_id, anna.chat().0);
}

pub(crate) async fn what_does_not_fit_goes_to_the_private_chat_if_there_is_one<B: TestBot>() {
    let mut scene = Scene::<B>::start(&[ON, ("max_answer_messages", "4")]).await;
    let (anna, boris) = (scene.new_user("Anna", "en"), scene.new_user("Boris", "en"));
    anna.send_command("start");
    scene.wait_for_text_beginning(anna.chat(), "👋").await;
    boris.block_bot();
    let long = scripted(5, &format!("say {}the end", "many words and many more ".repeat(300)));
    let first = call(&mut scene, &anna, &long);
    let shown = answer(&scene, &first, "the first part", |text| text.starts_with("✅")).await;
    assert!(shown.text.ends_with("\n\n📄 The rest is in your private chat with me."), "{}", shown.text);
    assert!(shown.text.encode_utf16().count() <= 4096);
    let (_, rest) = scene.wait_for_text(anna.chat(), "the end").await;
    let words = |text: &str| text.split_whitespace().filter(|word| *word == "many").count();
    assert_eq!(words(&shown.text) + words(&rest), 600, "nothing is lost between the two");

    let second = call(&mut scene, &boris, &long);
    let shown =
        answer(&scene, &second, "the whole is said to be longer", |text| text.contains("Start a private chat")).await;
    assert!(shown.text.starts_with("✅") && shown.text.contains("many words"), "{}", shown.text);
    scene.wait_until_closed().await;
    let rows = scene.into_stopped_with_audio().await.rows().await;
    assert!(rows.iter().all(|row| row.stage == "done"), "{rows:?}");
}

pub(crate) async fn a_call_that_cannot_be_answered_any_more_is_answered_in_private<B: TestBot>() {
    let mut scene = Scene::<B>::start(&[ON]).await;
    let (anna, boris) = (scene.new_user("Anna", "en"), scene.new_user("Boris", "en"));
    anna.send_command("start");
    scene.wait_for_text_beginning(anna.chat(), "👋").await;
    let late = ScriptedFault::new(Method::AnswerGuestQuery, u32::MAX, Effect::Refuse(Refusal::QUERY_TOO_OLD));
    scene.api().set_fault(Some(Arc::new(late)));
    call(&mut scene, &anna, &scripted(3, "say too late there"));
    let (_, text) = scene.wait_for_text(anna.chat(), "too late there").await;
    assert_eq!(text, "✅ Done!\n\ntoo late there");
    // Without a private chat there is no place at all.
    boris.block_bot();
    let nowhere = call(&mut scene, &boris, &scripted(3, "say nowhere"));
    wait_until_taken(&scene, &nowhere).await;
    scene.wait_until_closed().await;
    scene.api().set_fault(None);

    // A message that a member of the chat has deleted.
    let gate = Gate::new().await;
    let deleted = call(&mut scene, &anna, &scripted(3, &format!("{};say after all", gate.instruction())));
    let held = gate.wait_reached().await;
    answer(&scene, &deleted, "the state", |text| text.starts_with("⚙️")).await;
    scene.api().delete_guest_message(&deleted);
    held.release();
    scene.wait_for_text(anna.chat(), "after all").await;
    scene.wait_until_closed().await;
    let rows = scene.into_stopped_with_audio().await.rows().await;
    let ends: Vec<_> = rows.iter().map(|row| (row.stage.as_str(), row.reason.as_deref())).collect();
    assert_eq!(ends, [("done", None), ("cancelled", Some("chat_gone")), ("done", None)]);
}

pub(crate) async fn refusals_are_told_where_the_bot_was_called<B: TestBot>() {
    let settings =
        [ON, ("max_voice_duration_seconds", "20"), ("allowed_users", "600001, 600002"), ("admin_users", "600001")];
    let mut scene = Scene::<B>::start(&settings).await;
    let (anna, boris, carl) =
        (scene.new_user("Anna", "en"), scene.new_user("Boris", "en"), scene.new_user("Carl", "en"));
    let long = [call(&mut scene, &boris, &scripted(30, "say one")), call(&mut scene, &boris, &scripted(40, "say two"))];
    for call in &long {
        let refused = answer(&scene, call, "the refusal", |text| text.contains("Maximum length: 20s")).await;
        assert!(refused.text.contains("\nRequest ") && buttons(&refused).is_empty(), "{refused:?}");
    }
    let stranger = call(&mut scene, &carl, &scripted(3, "say not for you"));
    answer(&scene, &stranger, "the refusal", |text| text.starts_with("🔒")).await;
    let empty = scene.api().call_as_guest(ELSEWHERE, boris.info(), None);
    let usage = answer(&scene, &empty, "the usage", |text| text.starts_with("🎙️")).await;
    assert!(usage.text.contains("@stenobot_simulated_bot"), "{}", usage.text);
    scene.wait_until_closed().await;

    anna.send_command(&format!("ban {}", boris.info().id));
    scene.wait_for_text_beginning(anna.chat(), "🚫").await;
    let banned = call(&mut scene, &boris, &scripted(3, "say not from you"));
    wait_until_taken(&scene, &banned).await;
    assert!(scene.api().read(|state| state.guests[&banned].answer.is_none()));
    let rows = scene.into_stopped().await.rows().await;
    let reasons: Vec<_> = rows.iter().map(|row| row.reason.as_deref()).collect();
    assert_eq!(reasons, [Some("too_long"), Some("too_long"), Some("not_allowed")]);
}

pub(crate) async fn only_the_caller_can_press_and_only_under_the_own_answer<B: TestBot>() {
    let mut scene = Scene::<B>::start(&[ON]).await;
    let (anna, boris) = (scene.new_user("Anna", "en"), scene.new_user("Boris", "en"));
    let gate = Gate::new().await;
    let first = call(&mut scene, &anna, &scripted(3, &format!("{};linger 10;say never", gate.instruction())));
    let held = gate.wait_reached().await;
    let second = call(&mut scene, &boris, &scripted(3, "say later"));
    answer(&scene, &first, "the state", |text| text.starts_with("⚙️")).await;
    answer(&scene, &second, "the position", |text| text.starts_with("📋")).await;
    let ids: Vec<RequestId> = scene.rows().await.iter().map(|row| RequestId(row.id)).collect();
    for action in [Action::Cancel(ids[0]), Action::Stop(ids[0]), Action::Refresh(ids[0])] {
        assert_eq!(press(&scene, &first, &boris, &action).await, "This is somebody else's recording.", "{action:?}");
        // Any program can send any data under any message.
        assert_eq!(press(&scene, &second, &anna, &action).await, "This recording is done already.", "{action:?}");
    }
    for action in [Action::Forget, Action::Languages { of: ids[0], page: 0 }] {
        assert_eq!(press(&scene, &first, &anna, &action).await, "This recording is done already.", "{action:?}");
    }
    assert_eq!(press(&scene, &second, &boris, &Action::Refresh(ids[1])).await, "", "its position is shown");
    assert_eq!(press(&scene, &first, &anna, &Action::Cancel(ids[0])).await, "Stopping...");
    held.release();
    answer(&scene, &first, "the end", |text| text.starts_with("🚫")).await;
    answer(&scene, &second, "the text", |text| text.ends_with("later")).await;
    scene.wait_until_closed().await;
    let rows = scene.into_stopped_with_audio().await.rows().await;
    let ends: Vec<_> = rows.iter().map(|row| (row.stage.as_str(), row.reason.as_deref())).collect();
    assert_eq!(ends, [("cancelled", Some("sender")), ("done", None)]);
}

pub(crate) async fn the_text_so_far_is_shown_and_kept_where_the_bot_was_called<B: TestBot>() {
    const SENTENCE: &str = "Today we looked at the flat, and we liked it very much.";
    let mut scene = Scene::<B>::start(&[ON, ("progress_update_interval_seconds", "1")]).await;
    let anna = scene.new_user("Anna", "en");
    let gate = Gate::new().await;
    scene.spoken.add(SENTENCE);
    let script = format!("length 60;progress 30;segment 0 20000 {SENTENCE};{};linger 10;say never", gate.instruction());
    let first = call(&mut scene, &anna, &scripted(3, &script));
    let held = gate.wait_reached().await;
    let shown =
        answer(&scene, &first, "the text so far", |text| text.starts_with("🔄") && text.contains(SENTENCE)).await;
    let id = RequestId(scene.rows().await[0].id);
    assert_eq!(buttons(&shown), [Action::Refresh(id).encode(), Action::Stop(id).encode()]);
    press(&scene, &first, &anna, &Action::Stop(id)).await;
    let kept = answer(&scene, &first, "the text", |text| text.starts_with("⏹️")).await;
    assert!(kept.text.ends_with(SENTENCE), "{}", kept.text);
    drop(held);
    scene.wait_until_closed().await;
    let rows = scene.into_stopped_with_audio().await.rows().await;
    assert_eq!(rows[0].reason.as_deref(), Some("stopped"));
}

pub(crate) async fn calls_are_neither_asked_for_nor_mentioned_unless_they_are_allowed<B: TestBot>() {
    let mut scene = Scene::<B>::start(&[]).await;
    let anna = scene.new_user("Anna", "en");
    let unasked = call(&mut scene, &anna, &scripted(3, "say not asked for"));
    anna.send_command("help");
    let (_, help) = scene.wait_for_text_beginning(anna.chat(), "🎙️ What you can send").await;
    assert!(!help.contains("💬"), "{help}");
    assert!(scene.api().read(|state| state.guests[&unasked].answer.is_none()));
    scene.bot.restart_with("guest_mode", "on").await;
    let asked = call(&mut scene, &anna, &scripted(3, "say asked for"));
    answer(&scene, &asked, "the text", |text| text.ends_with("asked for")).await;
    for command in ["help", "privacy"] {
        anna.send_command(command);
        scene.wait_for_text(anna.chat(), "💬").await;
    }
    scene.wait_until_closed().await;
    assert_eq!(scene.into_stopped_with_audio().await.rows().await.len(), 1);
}
