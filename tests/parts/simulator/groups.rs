//! Groups: senders, privacy mode, topics.

use std::time::Duration;

use serde_json::Value;
use stenobot_domain::{ChatId, MessageId, UserId};
use stenobot_simulator::group::Group;
use stenobot_simulator::server::{Attachment, BotApi, Channel, FloodLimits, MemberStatus};
use stenobot_simulator::users::User;
use teloxide::prelude::*;
use teloxide::types::{AllowedUpdate, ChatMemberStatus, MessageKind, ReplyParameters, ThreadId, UpdateKind};
use teloxide::{ApiError, RequestError};

use super::kinds::arrived;
use super::server::{api_error, chat, id, start, unknown, unlimited};

const GROUP: ChatId = ChatId(-1_000_001);

async fn group(flood: FloodLimits) -> (BotApi, Bot, Group, User) {
    let (api, bot) = start(flood).await;
    bot.get_updates().allowed_updates([AllowedUpdate::Message]).await.unwrap();
    let group = Group::new(&api, GROUP, "Friends");
    let anna = group.add_member_as(&User::new(&api, UserId(501), "Анна", "ru"), MemberStatus::Owner);
    (api, bot, group, anna)
}

fn voice() -> (Attachment, &'static [u8]) {
    (Attachment::voice(Duration::from_secs(3)), b"OggS")
}

fn speaks(user: &User) -> MessageId {
    let (attachment, bytes) = voice();
    user.send_file(attachment, bytes).id()
}

#[tokio::test]
async fn privacy_mode_hides_unaddressed_messages() {
    let (_api, bot, group, anna) = group(unlimited()).await;
    let spoken = speaks(&anna);
    anna.send_text("hello all");
    anna.send_command("text@another_bot");
    assert!(arrived(&bot).await.is_empty());

    anna.replying_to(spoken).send_command("text@stenobot_simulated_bot");
    let (attachment, bytes) = voice();
    anna.send_file(attachment.captioned("@stenobot_simulated_bot please"), bytes);
    let got = arrived(&bot).await;
    assert_eq!(got[0].reply_to_message().unwrap().voice().unwrap().duration.seconds(), 3);
    assert_eq!(got[1].caption_entities().unwrap().len(), 1);
    let answer = bot.send_message(chat(GROUP), "a").reply_parameters(ReplyParameters::new(got[1].id)).await.unwrap();
    anna.replying_to(MessageId(answer.id.0)).send_text("thanks");
    assert_eq!(arrived(&bot).await[0].text(), Some("thanks"));

    group.set_bot_status(MemberStatus::Administrator);
    speaks(&anna);
    assert!(arrived(&bot).await[0].voice().is_some(), "an administrator sees everything");
}

#[tokio::test]
async fn channels_and_anonymous_admins_have_telegrams_placeholder_senders() {
    let (_api, bot, group, anna) = group(unlimited()).await;
    group.set_bot_status(MemberStatus::Administrator);
    speaks(&anna.anonymously());
    let channel = Channel { id: ChatId(-1_000_777), title: "Daily".into() };
    speaks(&anna.as_channel(channel.clone()));
    let (attachment, bytes) = voice();
    group.auto_forward_file(channel.clone(), attachment, bytes);
    group.auto_forward_text(channel, "news");
    let got = arrived(&bot).await;
    let speaker = |at: usize| (got[at].from.as_ref().unwrap().id.0, got[at].sender_chat.as_ref().unwrap().id.0);
    assert_eq!(speaker(0), (1_087_968_824, GROUP.0));
    assert_eq!(speaker(1), (136_817_688, -1_000_777));
    assert_eq!(speaker(2), (777_000, -1_000_777));
    assert!(got[2].is_automatic_forward() && got[2].voice().is_some());
    assert_eq!(got[3].text(), Some("news"));
}

#[tokio::test]
async fn topics_are_checked() {
    let (api, bot, group, anna) = group(unlimited()).await;
    group.set_bot_status(MemberStatus::Administrator);
    let plain = speaks(&anna);
    speaks(&anna.replying_to(plain));
    let got = arrived(&bot).await;
    assert!(got[1].thread_id.is_some() && !got[1].is_topic_message, "a thread of replies is no topic");
    let in_thread = bot.send_message(chat(GROUP), "a").message_thread_id(got[1].thread_id.unwrap()).await;
    assert_eq!(api_error(in_thread), unknown("Bad Request: message thread not found"));

    let topic = group.open_topic(&anna, "Talk").unwrap();
    let other = group.open_topic(&anna, "Work").unwrap();
    let spoken = speaks(&anna.in_topic(topic));
    let got = arrived(&bot).await;
    assert!(got[0].is_topic_message);
    assert_eq!(got[0].thread_id.unwrap().0, id(topic));
    assert!(got[0].reply_to_message().is_some(), "what opened the topic");

    let send = |topic: MessageId| bot.send_message(chat(GROUP), "a").message_thread_id(ThreadId(id(topic)));
    let reply = ReplyParameters::new(id(spoken));
    let sent = send(topic).reply_parameters(reply.clone()).await.unwrap();
    assert_eq!(sent.thread_id.unwrap().0, id(topic));
    assert_eq!(api_error(send(other).reply_parameters(reply.clone()).await), ApiError::MessageToReplyNotFound);
    assert_eq!(api_error(send(MessageId(999)).await), unknown("Bad Request: message thread not found"));
    let follows = bot.send_message(chat(GROUP), "b").reply_parameters(reply).await.unwrap();
    assert_eq!(follows.thread_id.unwrap().0, id(topic), "a reply lands where its message is");
    assert!(bot.send_message(chat(GROUP), "c").await.unwrap().thread_id.is_none());
    assert_eq!(api.read(|state| state.message(GROUP, spoken).unwrap().topic), Some(topic));
}

#[tokio::test]
async fn a_message_may_answer_one_of_another_chat_or_topic() {
    let (api, bot, group, anna) = group(unlimited()).await;
    group.set_bot_status(MemberStatus::Administrator);
    let elsewhere = Group::new(&api, ChatId(-1_000_002), "Others");
    let (attachment, bytes) = voice();
    let spoken = elsewhere.add_member(&anna).send_file(attachment, bytes);
    let topic = group.open_topic(&anna, "Talk").unwrap();
    let other = group.open_topic(&anna, "Work").unwrap();
    let (attachment, bytes) = voice();
    let in_other = anna.in_topic(other).send_file(attachment, bytes);
    let (attachment, bytes) = voice();
    let at_home = User::new(&api, UserId(502), "Boris", "en").send_file(attachment, bytes);
    arrived(&bot).await;
    for sent in [&spoken, &in_other, &at_home] {
        anna.in_topic(topic).replying_across_chats(sent).send_command("text");
    }
    let got = arrived(&bot).await;
    let external = |at: usize| match &got[at].kind {
        MessageKind::Common(common) => common.external_reply.as_ref().unwrap(),
        other => panic!("{other:?}"),
    };
    let shown_external = |at: usize| {
        let external = external(at);
        (external.chat.as_ref().map(|chat| chat.id.0), external.message_id.map(|id| id.0))
    };
    assert_eq!(shown_external(0), (Some(-1_000_002), Some(spoken.id().0)));
    assert_eq!(shown_external(1), (Some(GROUP.0), Some(in_other.id().0)));
    // Of private chats only author and file are shown. This client's type requires the chat id.
    let update = api.read(|state| state.confirmed.last().unwrap().content.clone());
    let shown_external = &update["message"]["external_reply"];
    assert_eq!((&shown_external["chat"], &shown_external["message_id"]), (&Value::Null, &Value::Null));
    assert_eq!(
        (&shown_external["voice"]["duration"], &shown_external["origin"]["sender_user"]["first_name"]),
        (&3.into(), &"Boris".into())
    );
}

#[tokio::test]
async fn members_have_a_status() {
    let (api, bot, group, _anna) = group(unlimited()).await;
    let boris = group.add_member(&User::new(&api, UserId(502), "Boris", "en"));
    let status =
        async |user: u64| bot.get_chat_member(chat(GROUP), teloxide::types::UserId(user)).await.map(|m| m.status());
    assert_eq!(status(501).await.unwrap(), ChatMemberStatus::Owner);
    assert_eq!(status(502).await.unwrap(), ChatMemberStatus::Member);
    group.add_member_as(&boris, MemberStatus::Administrator);
    assert_eq!(status(502).await.unwrap(), ChatMemberStatus::Administrator);
    group.add_member_as(&boris, MemberStatus::Left);
    assert_eq!(status(502).await.unwrap(), ChatMemberStatus::Left);
    assert_eq!(api_error(status(999).await), ApiError::UserNotFound);
    let me = bot.get_me().await.unwrap();
    assert!(!me.can_read_all_group_messages);
    assert_eq!(status(me.id.0).await.unwrap(), ChatMemberStatus::Member);
}

#[tokio::test]
async fn a_group_can_ban_and_restrict_the_bot() {
    let (_api, bot, group, anna) = group(unlimited()).await;
    bot.get_updates().allowed_updates([AllowedUpdate::Message, AllowedUpdate::MyChatMember]).await.unwrap();
    group.set_bot_banned(true);
    anna.send_command("text");
    let refused = bot.send_message(chat(GROUP), "a").await;
    assert_eq!(api_error(refused), ApiError::BotKickedFromSupergroup);
    group.set_bot_banned(false);
    group.set_bot_status(MemberStatus::Left);
    let refused = bot.send_message(chat(GROUP), "a").await;
    assert_eq!(api_error(refused), unknown("Forbidden: bot is not a member of the supergroup chat"));
    let updates = bot.get_updates().await.unwrap();
    assert_eq!(updates.len(), 3, "only the changes: {updates:?}");
    let UpdateKind::MyChatMember(change) = &updates[0].kind else { panic!("{updates:?}") };
    assert_eq!((change.from.id.0, change.new_chat_member.status()), (501, ChatMemberStatus::Banned));
}

#[tokio::test]
async fn a_group_accepts_twenty_messages_a_minute() {
    let (_api, bot, _group, _anna) = group(FloodLimits::default()).await;
    for text in 0..20 {
        bot.send_message(chat(GROUP), text.to_string()).await.unwrap();
    }
    let refused = bot.send_message(chat(GROUP), "20").await;
    let Err(RequestError::RetryAfter(wait)) = refused else { panic!("{refused:?}") };
    assert!((50..=60).contains(&wait.seconds()), "{wait:?}");
}
