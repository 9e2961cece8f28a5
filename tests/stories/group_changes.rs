//! What happens to a group in the middle of a request: each ends well.

use stenobot_domain::{ChatId, MessageId};
use stenobot_simulator::group::Group;
use stenobot_simulator::server::{Author, Content, MemberStatus, Origin, Post, Refusal, State};
use stenobot_simulator::users::User;

use super::display::{reacts, set};
use super::eventually;
use super::groups::{GROUP, answer, open_group, send_text, send_voice};
use super::recordings::{Gate, WaitingEngine, scripted};
use super::scene::{Row, Scene, TestBot};

/// A group in which a recording is being transcribed, and shows it by a reaction.
struct Busy<B: TestBot> {
    scene: Scene<B>,
    group: Group,
    anna: User,
    boris: User,
    recording: MessageId,
    held: WaitingEngine,
}

/// `by` is who sends the recording, of the group's administrator and its member.
async fn busy<B: TestBot>(by: impl FnOnce(&Group, &User, &User) -> User) -> Busy<B> {
    let scene = Scene::<B>::start(&[]).await;
    let (anna, boris) = open_group(&scene);
    let group = Group::new(scene.api(), GROUP, "Мы");
    set(&scene, &anna, "/auto on", "👥").await;
    let gate = Gate::new().await;
    let recording = send_voice(&by(&group, &anna, &boris), &format!("{};say слова", gate.instruction()));
    let held = gate.wait_reached().await;
    reacts(&scene, recording, "👀").await;
    Busy { scene, group, anna, boris, recording, held }
}

fn texts(state: &State, chat: ChatId) -> Vec<(Option<MessageId>, String)> {
    let messages = state.chats.get(&chat).into_iter().flat_map(|chat| chat.messages.values());
    let own = messages.filter(|message| message.author == Author::Bot && message.deleted.is_none());
    own.filter_map(|message| Some((message.reply_to, message.content.text()?.to_owned()))).collect()
}

fn assert_unreachable(rows: &[Row], recording: MessageId) {
    let row = rows.iter().find(|row| row.message_id == Some(recording.0)).unwrap();
    assert_eq!((row.stage.as_str(), row.reason.as_deref()), ("cancelled", Some("chat_gone")), "{row:?}");
}

pub(crate) async fn a_text_follows_its_group_into_the_supergroup<B: TestBot>() {
    const NEW: ChatId = ChatId(-1_002_000_200_300);
    for announced in [true, false] {
        let Busy { scene, group, boris, held, .. } = busy::<B>(|_, _, boris| boris.clone()).await;
        let supergroup =
            if announced { group.upgrade_to_supergroup(NEW) } else { group.upgrade_to_supergroup_silently(NEW) };
        held.release();
        let found = scene.api().wait_for(|state| {
            texts(state, NEW).into_iter().find(|(_, text)| text == "✅ Готово!\n\nслова").map(|(reply_to, _)| reply_to)
        });
        assert_eq!(eventually("the text", found).await, None, "the recording stayed behind");
        scene.wait_until_closed().await;
        assert_eq!(scene.api().read(|state| texts(state, NEW).len()), 1);
        // Its settings have come along.
        send_voice(&supergroup.add_member(&boris), "say дальше");
        let found = scene
            .api()
            .wait_for(|state| texts(state, NEW).iter().any(|(_, text)| text == "✅ Готово!\n\nдальше").then_some(()));
        eventually("the next text", found).await;
        scene.wait_until_closed().await;
        let rows = scene.shut_down().await;
        assert!(rows.len() == 2 && rows.iter().all(|row| row.stage == "done"), "{rows:?}");
    }
}

pub(crate) async fn a_text_stays_in_its_topic<B: TestBot>() {
    for is_deleted in [false, true] {
        let Busy { scene, group, recording, held, .. } = busy::<B>(|group, anna, boris| {
            let topic = group.open_topic(anna, "Записи").unwrap();
            boris.in_topic(topic)
        })
        .await;
        let topic = scene.api().read(|state| state.message(GROUP, recording).unwrap().topic);
        // A reply to nothing would be in no topic by itself.
        if is_deleted {
            group.delete_message(recording);
        }
        held.release();
        let found = scene.api().wait_for(|state| {
            let mut own = state.chats[&GROUP].messages.values().filter(|message| message.author == Author::Bot);
            own.find(|message| message.content.text() == Some("✅ Готово!\n\nслова")).map(|text| text.topic)
        });
        assert!(topic.is_some());
        assert_eq!(eventually("the text", found).await, topic, "{is_deleted}");
        if !is_deleted {
            reacts(&scene, recording, "").await;
        }
        scene.shut_down().await;
    }
}

pub(crate) async fn a_deleted_topic_ends_its_requests_and_no_others<B: TestBot>() {
    let Busy { scene, group, boris, recording, held, .. } = busy::<B>(|group, anna, boris| {
        let topic = group.open_topic(anna, "Записи").unwrap();
        boris.in_topic(topic)
    })
    .await;
    let topic = scene.api().read(|state| state.message(GROUP, recording).unwrap().topic).unwrap();
    group.delete_topic(topic);
    held.release();
    scene.wait_until_closed().await;
    let next = send_voice(&boris, "say дальше");
    assert_eq!(answer(&scene, next, "✅").await, "✅ Готово!\n\nдальше");
    assert_unreachable(&scene.shut_down().await, recording);
}

pub(crate) async fn a_bot_that_may_no_longer_write_ends_the_request_and_takes_its_reaction_back<B: TestBot>() {
    let Busy { scene, group, anna, boris, recording, held } = busy::<B>(|_, _, boris| boris.clone()).await;
    group.set_refusal(Some(Refusal::NO_RIGHTS));
    held.release();
    reacts(&scene, recording, "").await;
    scene.wait_until_closed().await;
    group.set_refusal(None);
    set(&scene, &anna, "/auto", "👥").await;
    let next = send_voice(&boris, "say снова можно");
    assert_eq!(answer(&scene, next, "✅").await, "✅ Готово!\n\nснова можно");
    assert_unreachable(&scene.shut_down().await, recording);
}

pub(crate) async fn a_bot_that_is_removed_ends_the_request<B: TestBot>() {
    let Busy { scene, group, boris, recording, held, .. } = busy::<B>(|_, _, boris| boris.clone()).await;
    group.set_bot_banned(true);
    held.release();
    scene.wait_until_closed().await;
    group.set_bot_banned(false);
    let next = send_voice(&boris, "say я вернулся");
    assert_eq!(answer(&scene, next, "✅").await, "✅ Готово!\n\nя вернулся");
    assert_unreachable(&scene.shut_down().await, recording);
}

pub(crate) async fn a_recording_of_a_hidden_user_is_transcribed_for_who_forwards_it<B: TestBot>() {
    let Busy { scene, recording, held, .. } =
        busy::<B>(|_, _, boris| boris.forwarding(Origin::Hidden("Кто-то".to_owned()))).await;
    held.release();
    assert_eq!(answer(&scene, recording, "✅").await, "✅ Готово!\n\nслова");
    reacts(&scene, recording, "").await;
    scene.shut_down().await;
}

pub(crate) async fn an_anonymous_administrator_sets_up_a_group_and_is_answered<B: TestBot>() {
    let scene = Scene::<B>::start(&[]).await;
    let (anna, _) = open_group(&scene);
    let anonymous = anna.anonymously();
    for (command, sign) in [("/auto on", "👥"), ("/status reactions", "👀"), ("/quiet off", "🔔")] {
        set(&scene, &anonymous, command, sign).await;
    }
    let gate = Gate::new().await;
    let recording = send_voice(&anonymous, &format!("{};say слова", gate.instruction()));
    let held = gate.wait_reached().await;
    reacts(&scene, recording, "👀").await;
    held.release();
    assert_eq!(answer(&scene, recording, "✅").await, "✅ Готово!\n\nслова");
    reacts(&scene, recording, "").await;
    // Its own requests, which are the group's.
    let asked = send_text(&anonymous, "/cancel", None);
    assert!(answer(&scene, asked, "📋").await.contains("нет"));
    scene.shut_down().await;
}

pub(crate) async fn an_answer_to_direct_messages_of_a_channel_goes_to_their_topic<B: TestBot>() {
    const TOPIC: i64 = 5_111_222_333;
    let scene = Scene::<B>::start(&[]).await;
    let group = Group::new(scene.api(), GROUP, "Новости");
    group.set_bot_status(MemberStatus::Administrator);
    let anna = group.add_member_as(&scene.new_user("Анна", "ru"), MemberStatus::Administrator);
    group.make_direct();
    let send = |content: Content| {
        let mut post = Post::new(Author::User(anna.info().clone()), content);
        post.direct_topic = Some(TOPIC);
        scene.api().receive(GROUP, post)
    };
    let asked = send(Content::Text("/auto on".to_owned()));
    answer(&scene, asked, "👥").await;
    let recording = scripted(3, "say лично");
    let attachment = stenobot_simulator::server::Attachment::voice(recording.duration);
    let sent = send(scene.api().upload(attachment, recording.bytes, None));
    assert_eq!(answer(&scene, sent, "✅").await, "✅ Готово!\n\nлично");
    let topics = scene.api().read(|state| {
        let replies = [asked, sent].map(|message| state.replies(GROUP, message).map(|reply| reply.direct_topic).next());
        replies.map(Option::flatten)
    });
    assert_eq!(topics, [Some(TOPIC), Some(TOPIC)]);
    scene.shut_down().await;
}
