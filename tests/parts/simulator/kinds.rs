//! Messages of every kind as a bot gets them.

use std::time::Duration;

use bytes::Bytes;
use stenobot_domain::{ChatId, MessageId, UserId};
use stenobot_simulator::server::{Attachment, BotApi, Channel, Media, Origin, Settings};
use stenobot_simulator::users::User;
use teloxide::prelude::*;
use teloxide::types::{Message, MessageEntityKind, MessageOrigin, UpdateKind};

use super::server::{start, unlimited};

const THREE: Duration = Duration::from_secs(3);

async fn someone() -> (BotApi, Bot, User) {
    let (api, bot) = start(unlimited()).await;
    let anna = User::new(&api, UserId(501), "Анна", "ru");
    (api, bot, anna)
}

/// Messages since the previous call.
pub(super) async fn arrived(bot: &Bot) -> Vec<Message> {
    let updates = bot.get_updates().await.unwrap();
    if let Some(last) = updates.last() {
        bot.get_updates().offset(last.id.as_offset()).await.unwrap();
    }
    let message = |update: Update| match update.kind {
        UpdateKind::Message(message) => message,
        other => panic!("{other:?}"),
    };
    updates.into_iter().map(message).collect()
}

#[tokio::test]
async fn every_media_kind_parses_in_a_client() {
    let (_api, bot, anna) = someone().await;
    anna.send_audio(THREE, "audio/mpeg", "a.mp3", &b"ID3"[..]);
    anna.send_video_note(THREE, &b"mp4"[..]);
    anna.send_video(THREE, "video/mp4", "clip.mp4", &b"mp4"[..]);
    anna.send_document("audio/x-wav", "запись.wav", &b"RIFF"[..]);
    anna.send_photo();
    anna.send_sticker();
    let got = arrived(&bot).await;
    assert_eq!(got[0].audio().unwrap().file_name.as_deref(), Some("a.mp3"));
    assert_eq!(got[1].video_note().unwrap().duration.seconds(), 3);
    let video = got[2].video().unwrap();
    assert_eq!(
        (video.file_name.as_deref(), video.mime_type.as_ref().unwrap().as_ref()),
        (Some("clip.mp4"), "video/mp4")
    );
    let document = got[3].document().unwrap();
    assert_eq!(document.file_name.as_deref(), Some("запись.wav"));
    assert_eq!(document.mime_type.as_ref().unwrap().as_ref(), "audio/x-wav");
    assert!(got[4].photo().is_some() && got[5].sticker().is_some());
}

#[tokio::test]
async fn captions_albums_and_forwards_are_shown() {
    let (_api, bot, anna) = someone().await;
    let document = || Attachment::file(Media::Document, Duration::ZERO, "audio/ogg", "a.ogg");
    let files =
        [(document().captioned("both"), Bytes::from_static(b"OggS")), (document(), Bytes::from_static(b"OggS"))];
    anna.send_album(files);
    let voice = anna.send_file(Attachment::voice(THREE), &b"OggS"[..]);
    anna.forward(&voice).unwrap();
    let news = Channel { id: ChatId(-1_009), title: "News".into() };
    anna.forwarding(Origin::Channel(news, MessageId(7))).send_text("read this");
    anna.forwarding(Origin::Hidden("Вера".into())).send_text("and this");

    let got = arrived(&bot).await;
    assert_eq!(got[0].caption(), Some("both"));
    assert!(got[0].media_group_id().is_some());
    assert_eq!(got[0].media_group_id(), got[1].media_group_id());
    let unique = |message: &Message| message.voice().unwrap().file.unique_id.clone();
    assert_eq!(unique(&got[2]), unique(&got[3]), "it is the same file");
    assert!(matches!(got[3].forward_origin(), Some(MessageOrigin::User { .. })));
    assert!(matches!(got[4].forward_origin(), Some(MessageOrigin::Channel { .. })));
    assert!(matches!(got[5].forward_origin(), Some(MessageOrigin::HiddenUser { .. })));
}

#[tokio::test]
async fn commands_and_mentions_are_marked() {
    let (_api, bot, anna) = someone().await;
    anna.send_command("language@some_bot de");
    anna.send_text("😀 hey @some_bot, see a/b and me@example.org");
    let got = arrived(&bot).await;
    let marked = |message: &Message| {
        let entities = message.parse_entities().unwrap_or_default();
        entities.iter().map(|entity| (entity.kind().clone(), entity.text().to_owned())).collect::<Vec<_>>()
    };
    assert_eq!(marked(&got[0]), [(MessageEntityKind::BotCommand, "/language@some_bot".to_owned())]);
    assert_eq!(marked(&got[1]), [(MessageEntityKind::Mention, "@some_bot".to_owned())]);
}

#[tokio::test]
async fn a_local_server_writes_files_to_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { local_files: Some(folder.path().to_owned()), flood: unlimited(), ..Settings::default() };
    let api = BotApi::start(settings).await.unwrap();
    let bot = Bot::new(api.token()).set_api_url(api.url().clone());
    User::new(&api, UserId(501), "Анна", "ru").send_file(Attachment::voice(THREE), &b"OggS and more"[..]);
    let voice = arrived(&bot).await[0].voice().unwrap().file.id.clone();
    let file = bot.get_file(voice).await.unwrap();
    assert!(std::path::Path::new(&file.path).starts_with(folder.path()), "{}", file.path);
    assert_eq!(std::fs::read(&file.path).unwrap(), b"OggS and more");
    let url = format!("{}file/bot{}/voice/file_1.oga", api.url(), api.token());
    assert_eq!(reqwest::get(url).await.unwrap().status(), 404, "nothing is downloaded over HTTP");
}
