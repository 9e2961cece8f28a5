//! Channels: the text of a voice post becomes its caption, or a comment in the linked group. Nothing else is written there.

use std::time::Duration;

use stenobot_domain::{ChatId, MessageId};
use stenobot_simulator::channel::Publisher;
use stenobot_simulator::group::Group;
use stenobot_simulator::server::{Attachment, Author, Content, MemberStatus, Method, State};
use stenobot_simulator::users::User;

use super::eventually;
use super::groups::GROUP;
use super::recordings::{Gate, scripted};
use super::scene::{Scene, TestBot};

const CHANNEL: ChatId = ChatId(-100_600_700);

fn open<B: TestBot>(scene: &Scene<B>) -> (Publisher, User) {
    (Publisher::new(scene.api(), CHANNEL, "Новости"), scene.new_user("Анна", "ru"))
}

/// A voice message to post.
fn voice<B: TestBot>(scene: &Scene<B>, seconds: u32, script: &str, caption: &str) -> Content {
    let recording = scripted(seconds, script);
    scene.api().upload(Attachment::voice(recording.duration).captioned(caption), recording.bytes, None)
}

/// Posts a command and waits for the reaction on it.
async fn commands<B: TestBot>(scene: &Scene<B>, channel: &Publisher, author: &User, command: &str) {
    let post = channel.post_text(author, command);
    let done = scene.api().wait_for(|state| (state.message(CHANNEL, post)?.reaction() == "👌").then_some(()));
    eventually("the command is carried out", done).await;
}

fn caption(state: &State, post: MessageId) -> &str {
    match &state.message(CHANNEL, post).unwrap().content {
        Content::Attachment(attachment) => &attachment.caption,
        Content::Text(_) | Content::Document { .. } | Content::Other(_) => "",
    }
}

async fn gets_caption<B: TestBot>(scene: &Scene<B>, post: MessageId, text: &str) {
    let set = scene.api().wait_for(|state| (caption(state, post) == text).then_some(()));
    eventually(&format!("the caption {text}"), set).await;
}

/// Number of messages that the bot has written in a chat.
fn written<B: TestBot>(scene: &Scene<B>, chat: ChatId) -> usize {
    scene
        .api()
        .read(|state| state.chats[&chat].messages.values().filter(|message| message.author == Author::Bot).count())
}

pub(crate) async fn a_voice_post_gets_its_text_as_the_caption_when_its_administrators_want_that<B: TestBot>() {
    let scene = Scene::<B>::start(&[("max_voice_duration_seconds", "60")]).await;
    let (channel, anna) = open(&scene);
    let (before, _) = channel.post(&anna, voice(&scene, 3, "say ещё никто не просил", ""));
    commands(&scene, &channel, &anna, "/auto on").await;
    let (post, _) = channel.post(&anna, voice(&scene, 3, "say утренние новости", ""));
    gets_caption(&scene, post, "утренние новости").await;
    // Without speech, or when it is refused, a post stays as it is.
    let (silent, _) = channel.post(&anna, voice(&scene, 3, "wait 10", ""));
    let (long, _) = channel.post(&anna, voice(&scene, 61, "say слишком долго", ""));
    channel.post_text(&anna, "/help");
    channel.post_text(&anna, "Просто новость");
    commands(&scene, &channel, &anna, "/auto off").await;
    let (after, _) = channel.post(&anna, voice(&scene, 3, "say больше не надо", ""));
    scene.wait_until_closed().await;
    for untouched in [before, silent, long, after] {
        assert_eq!(scene.api().read(|state| caption(state, untouched).to_owned()), "");
    }
    assert_eq!(written(&scene, CHANNEL), 0, "nothing is posted");
    let rows = scene.shut_down().await;
    let ends: Vec<_> = rows.iter().map(|row| (row.message_id, row.stage.as_str())).collect();
    assert_eq!(ends, [(Some(post.0), "done"), (Some(silent.0), "done"), (Some(long.0), "rejected")]);
}

pub(crate) async fn what_no_caption_can_hold_is_a_comment_in_the_linked_group<B: TestBot>() {
    let scene = Scene::<B>::start(&[]).await;
    let (channel, anna) = open(&scene);
    let group = Group::new(scene.api(), GROUP, "Обсуждение");
    group.set_bot_status(MemberStatus::Administrator);
    let alone = channel.clone();
    let channel = channel.linked_to(&group);
    commands(&scene, &channel, &anna, "/auto on").await;
    let long = "слово ".repeat(180);
    let long = long.trim();
    for (script, own_caption) in [(format!("say {long}"), ""), ("say короткий".to_owned(), "Слушайте!")]
    {
        let text = script.strip_prefix("say ").unwrap().to_owned();
        // The copy is there before the text.
        let (post, copy) = channel.post(&anna, voice(&scene, 3, &format!("wait 300;{script}"), own_caption));
        let copy = copy.unwrap();
        let comment = scene.api().wait_for(|state| {
            let mut comments = state.replies(GROUP, copy);
            comments.find_map(|comment| comment.content.text().filter(|shown| shown.ends_with(&text)).map(|_| ()))
        });
        eventually("the comment", comment).await;
        assert_eq!(scene.api().read(|state| caption(state, post).to_owned()), own_caption);
        assert_eq!(scene.api().read(|state| state.replies(GROUP, copy).count()), 1);
    }
    assert_eq!(scene.calls(Method::EditMessageCaption), 0, "Telegram would refuse the caption, or it has one");
    // Without a linked group there is none.
    let (post, _) = alone.post(&anna, voice(&scene, 3, "say некуда", "Слушайте!"));
    let admitted = async {
        while scene.rows().await.iter().all(|row| row.message_id != Some(post.0)) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    eventually("the post is admitted", admitted).await;
    scene.wait_until_closed().await;
    assert_eq!((written(&scene, CHANNEL), written(&scene, GROUP)), (0, 2));
    let rows = scene.shut_down().await;
    let row = rows.iter().find(|row| row.chat_id == CHANNEL.0 && row.message_id == Some(post.0)).unwrap();
    assert_eq!((row.stage.as_str(), row.reason.as_deref()), ("cancelled", Some("chat_gone")));
}

pub(crate) async fn a_channel_that_takes_the_right_to_edit_or_removes_the_bot_ends_requests<B: TestBot>() {
    let scene = Scene::<B>::start(&[]).await;
    let (channel, anna) = open(&scene);
    commands(&scene, &channel, &anna, "/auto on").await;
    let gate = Gate::new().await;
    let hold = format!("{};say никому", gate.instruction());
    let (first, _) = channel.post(&anna, voice(&scene, 3, &hold, ""));
    let held = gate.wait_reached().await;
    channel.set_bot_may_edit(false);
    held.release();
    scene.wait_until_closed().await;
    // While the right is missing, posts are ignored.
    channel.post(&anna, voice(&scene, 3, "say никому", ""));
    channel.set_bot_may_edit(true);
    let (second, _) = channel.post(&anna, voice(&scene, 3, "say снова можно", ""));
    gets_caption(&scene, second, "снова можно").await;
    let (third, _) = channel.post(&anna, voice(&scene, 3, &hold, ""));
    let held = gate.wait_reached().await;
    channel.remove_bot();
    held.release();
    scene.wait_until_closed().await;
    let rows = scene.shut_down().await;
    let ends: Vec<_> = rows.iter().map(|row| (row.message_id, row.stage.as_str(), row.reason.as_deref())).collect();
    let gone = ("cancelled", Some("chat_gone"));
    assert_eq!(
        ends,
        [(Some(first.0), gone.0, gone.1), (Some(second.0), "done", None), (Some(third.0), gone.0, gone.1)]
    );
}
