//! Texts as files: in place of the status message, once, and named after the recording.

use std::os::unix::process::ExitStatusExt;
use std::sync::Arc;

use rustix::process::Signal;
use stenobot_domain::{AnswerForm, RequestId};
use stenobot_simulator::server::{Author, Call, Content, Effect, FaultAction, Message, Method, Refusal};
use stenobot_simulator::users::{SentMessage, User};
use stenobot_telegram::{Action, RerunChoice};

use crate::recordings::scripted;
use crate::scene::{Scene, answered, eventually};

const NAME: &str = "Лекция 5. \"Введение\".wav";
const STEM: &str = "Лекция 5. _Введение_";

/// Sends a recording with a name, and presses the button for its subtitles when its text is there.
async fn ask_for_subtitles(scene: &Scene) -> (User, SentMessage) {
    let anna = scene.new_user("Анна", "ru");
    let recording = scripted(3, "say по-русски");
    let sent = anna.send_audio(recording.duration, "audio/wav", NAME, recording.bytes.clone());
    assert_eq!(answered(scene.answer(&sent).await), "по-русски");
    let of = scene.request(&sent).await;
    press(scene, &anna, &sent, of, AnswerForm::Srt).await;
    (anna, sent)
}

async fn press(scene: &Scene, anna: &User, sent: &SentMessage, of: RequestId, form: AnswerForm) {
    let file = Action::Rerun { of, choice: RerunChoice::File(form) };
    scene.press(anna, sent.status().unwrap(), &file).await;
}

/// Waits for so many files; gives their names, and all messages of the bot that are there.
async fn files(scene: &Scene, sent: &SentMessage, count: usize) -> (Vec<String>, Vec<Message>) {
    let found = scene.api().wait_for(|state| {
        let messages = state.chats[&sent.chat()].messages.values();
        let own = messages.filter(|message| message.author == Author::Bot && message.deleted.is_none());
        let own: Vec<Message> = own.cloned().collect();
        let names = own.iter().filter_map(|message| match &message.content {
            Content::Document { file_name, .. } => Some(file_name.clone()),
            Content::Text(_) | Content::Attachment(_) | Content::Other(_) => None,
        });
        let names: Vec<String> = names.collect();
        (names.len() >= count).then_some((names, own))
    });
    eventually("the files are there", found).await
}

#[tokio::test]
async fn a_file_takes_the_place_of_its_status_message_and_has_the_name_of_the_recording() {
    let scene = Scene::start(&[("audio_retention_seconds", "600")]).await;
    let (anna, sent) = ask_for_subtitles(&scene).await;
    files(&scene, &sent, 1).await;
    press(&scene, &anna, &sent, scene.request(&sent).await, AnswerForm::Txt).await;
    let (names, messages) = files(&scene, &sent, 2).await;
    assert_eq!(names, [format!("{STEM}.srt"), format!("{STEM}.txt")]);
    assert_eq!(messages.len(), 3, "the text and the two files: {messages:#?}");
    for file in &messages[1..] {
        assert_eq!(file.reply_to, Some(sent.id()));
        assert_eq!(file.markup, None);
        let Content::Document { caption, .. } = &file.content else { panic!("{file:?}") };
        assert_eq!(caption, "");
    }
    assert_eq!(scene.calls(Method::SendDocument), 0);
    let trail = sent.trail();
    assert!(!trail.is_lost() && !trail.is_duplicated() && trail.answers.len() == 3, "{}", sent.history());
    scene.wait_until_closed().await;
    scene.into_stopped_with_audio().await;
}

#[tokio::test]
async fn a_file_is_sent_and_its_status_message_deleted_where_no_text_becomes_a_file() {
    let scene = Scene::start(&[("audio_retention_seconds", "600")]).await;
    let refuse = |call: &Call| -> FaultAction {
        let refusal = Effect::Refuse(Refusal::NO_MEDIA_TO_EDIT);
        if call.method == Method::EditMessageMedia { refusal.into() } else { Effect::Pass.into() }
    };
    scene.api().set_fault(Some(Arc::new(refuse)));
    let (_anna, sent) = ask_for_subtitles(&scene).await;
    let (names, messages) = files(&scene, &sent, 1).await;
    assert_eq!((names, messages.len()), (vec![format!("{STEM}.srt")], 2), "{messages:#?}");
    scene.wait_until_closed().await;
    scene.into_stopped_with_audio().await;
}

#[tokio::test]
async fn a_crash_before_a_file_is_recorded_repeats_the_edit() {
    let mut scene = Scene::start(&[("audio_retention_seconds", "600")]).await;
    // The first is the text.
    scene.bot.set_variable("CRASH_AT", Some("before done #2"));
    scene.bot.restart().await.unwrap();
    let (_anna, sent) = ask_for_subtitles(&scene).await;
    let status = eventually("the bot dies", scene.bot.process().unwrap().wait_for_exit()).await.unwrap();
    assert_eq!(status.signal(), Some(Signal::KILL.as_raw()), "{status}");
    let (before, _) = files(&scene, &sent, 1).await;
    assert_eq!(before, [format!("{STEM}.srt")]);
    scene.bot.set_variable("CRASH_AT", None);
    scene.bot.restart().await.unwrap();
    scene.wait_until_closed().await;
    let (names, messages) = files(&scene, &sent, 1).await;
    assert_eq!((names.len(), messages.len()), (1, 2), "{messages:#?}");
    // The name was in memory only.
    assert!(names[0].starts_with("audio-20") && names[0].ends_with(".srt"), "{names:?}");
    assert!(!sent.trail().is_duplicated(), "{}", sent.history());
    scene.into_stopped_with_audio().await;
}
