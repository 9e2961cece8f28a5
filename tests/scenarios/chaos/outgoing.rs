//! One user or group uses up the bot's rate limits at Telegram while others wait for answers.

use std::time::Duration;

use stenobot_domain::ChatId;
use stenobot_simulator::group::Group;
use stenobot_simulator::server::{
    Attachment, Author, Call, CallOutcome, Effect, FaultAction, MemberStatus, Method, Refusal, State,
};
use stenobot_simulator::users::{SentMessage, User};
use stenobot_telegram::Action;
use tokio::time::Instant;

use super::figures::spread;
use super::{Row, measured, rounds};
use crate::recordings::scripted;
use crate::scene::{Scene, eventually, failed, rejected, row_of};

/// Maximum delay that an attacker may cause to other users.
const MAX_DELAY: Duration = Duration::from_secs(3);

const GROUP: ChatId = ChatId(-100_300_400);

fn is_retry_after(outcome: &CallOutcome) -> bool {
    matches!(outcome, CallOutcome::Refused(Refusal::TooMany(_)))
}

/// Messages and edits of the bot in a chat.
fn messages_of_bot(state: &State, chat: ChatId) -> usize {
    let messages = state.chats.get(&chat).into_iter().flat_map(|chat| chat.messages.values());
    messages.filter(|message| message.author == Author::Bot).count()
}

/// Number of messages of the bot in a chat about too many messages.
fn quota_notices(state: &State, chat: ChatId) -> usize {
    let messages = state.chats.get(&chat).into_iter().flat_map(|chat| chat.messages.values());
    let texts = messages.filter_map(|message| message.content.text());
    texts.filter(|text| text.contains("Слишком много сообщений подряд")).count()
}

fn calls(scene: &Scene, method: Method) -> usize {
    scene.api().read(|state| state.calls.iter().filter(|call| call.method == method).count())
}

/// A new user's wait for a transcript, and the number of requests that the engine took before.
async fn transcript_wait(scene: &mut Scene, text: &str) -> (Duration, usize) {
    let sent = scene.send_voice(&scripted(3, &format!("wait 20;say {text}")));
    assert_eq!(scene.text(&sent).await, text);
    let rows = scene.rows().await;
    let own = row_of(&rows, &sent);
    let between = |at: i64| own.received_at <= at && at < own.started_at.unwrap();
    let before = rows.iter().filter(|row| row.id != own.id && row.started_at.is_some_and(between)).count();
    (took(&sent), before)
}

fn took(sent: &SentMessage) -> Duration {
    let trail = sent.trail();
    trail.answers[0].at - trail.sent
}

/// A new user's wait for the answer to a command.
async fn command_wait(scene: &Scene) -> Duration {
    let began = Instant::now();
    let sent = scene.new_user("Вера", "ru").send_text("/start");
    let word = scene.api().wait_for(|state| state.replies(sent.chat(), sent.id()).next().map(|_| ()));
    eventually("an answer to the command", word).await;
    began.elapsed()
}

/// Two users' waits: for the refusal of a recording that is too long, and for the apology for a damaged one.
async fn refusal_waits(scene: &Scene) -> [Duration; 2] {
    let long = send_too_long(&scene.new_user("Глеб", "ru"));
    let damaged = scene.new_user("Дина", "ru");
    let mut bytes = b"OggS".to_vec();
    bytes.resize(5000, 7);
    let damaged = damaged.send_file(Attachment::voice(Duration::from_secs(3)), bytes);
    rejected(scene.answer(&long).await);
    let _ = failed(scene.answer(&damaged).await);
    [took(&long), took(&damaged)]
}

fn send_too_long(user: &User) -> SentMessage {
    user.send_file(Attachment::voice(Duration::from_secs(5000)), b"OggS".to_vec())
}

fn assert_delay_is_bounded(alone: Duration, waited: &[Duration]) {
    let longest = waited.iter().max().copied().unwrap_or_default();
    assert!(longest <= alone + MAX_DELAY, "waited {longest:?}, {alone:?} without the attacker");
}

/// Waits until no request is waiting for the engine.
async fn wait_until_idle(scene: &Scene) {
    let still = async {
        let mut checks = 0;
        while checks < 5 {
            // SQLite does not notify of writes by another process.
            tokio::time::sleep(Duration::from_millis(100)).await;
            let rows = scene.rows().await;
            let waits = rows.iter().filter(|row| row.stage == "transcribed").count();
            let moves = rows.iter().any(|row| ["received", "downloaded", "transcribing"].contains(&row.stage.as_str()));
            checks = if waits >= 5 && !moves { checks + 1 } else { 0 };
        }
    };
    eventually("no request can proceed", still).await;
}

#[tokio::test]
async fn six_users_in_one_group() {
    const ROW: Row = Row {
        number: 90,
        test: "six users in one group send 90 recordings, its 20 calls a minute are used up; then others send",
        figure: "they wait for 2 requests at most, and 3 s longer than without the six",
        name: "outgoing::six_users_in_one_group",
    };
    let times = rounds(1);
    let (mut waited, mut behind, mut longest_alone) = (Vec::new(), 0, Duration::ZERO);
    for round in 0..times {
        let mut scene = Scene::start(&[]).await;
        let (alone, _) = transcript_wait(&mut scene, &format!("пока тихо {round}")).await;
        longest_alone = longest_alone.max(alone);
        let group = Group::new(scene.api(), GROUP, "Мы");
        group.set_bot_status(MemberStatus::Administrator);
        group.add_member_as(&scene.new_user("Анна", "ru"), MemberStatus::Administrator).send_text("/auto on");
        eventually("a word", scene.api().wait_for(|state| (messages_of_bot(state, GROUP) > 0).then_some(()))).await;
        let six: Vec<User> = (0..6).map(|_| group.add_member(&scene.new_user("Флуд", "ru"))).collect();
        for number in 0..15 {
            for (index, one) in six.iter().enumerate() {
                one.send_voice(&scripted(3, &format!("wait 20;say много {round} {number} {index}")));
            }
        }
        scene
            .wait_for_call("the group is used up", |call| call.chat == Some(GROUP) && is_retry_after(&call.outcome))
            .await;
        wait_until_idle(&scene).await;
        for number in 0..3 {
            let (took, before) = transcript_wait(&mut scene, &format!("а я одна {round} {number}")).await;
            behind = behind.max(before);
            waited.push(took);
            waited.push(command_wait(&scene).await);
            waited.extend(refusal_waits(&scene).await);
        }
        assert_delay_is_bounded(alone, &waited);
        assert!(behind <= 2, "waited for {behind}");
        // The group's retry-after may last for most of a minute.
        scene.bot.kill().await.unwrap();
    }
    let found = format!(
        "others waited for {behind} requests at most, {} (alone {:.2} s)",
        spread(&waited),
        longest_alone.as_secs_f64()
    );
    measured(&ROW, times, &found);
}

#[tokio::test]
async fn three_hundred_refusals() {
    const ROW: Row = Row {
        number: 91,
        test: "one user sends 300 recordings that are too long; others send long and damaged ones, and /start",
        figure: "they wait 3 s longer at most; the one gets what the quota allows and one sentence",
        name: "outgoing::three_hundred_refusals",
    };
    const QUOTA: usize = 20;
    let times = rounds(1);
    let (mut waited, mut most, mut longest_alone) = (Vec::new(), 0, Duration::ZERO);
    for _ in 0..times {
        let scene = Scene::start(&[]).await;
        let alone = refusal_waits(&scene).await.into_iter().max().unwrap();
        longest_alone = longest_alone.max(alone);
        let began = Instant::now();
        let one = scene.new_user("Флуд", "ru");
        let flood: Vec<SentMessage> = (0..300).map(|_| send_too_long(&one)).collect();
        for _ in 0..3 {
            waited.extend(refusal_waits(&scene).await);
            waited.push(command_wait(&scene).await);
        }
        assert_delay_is_bounded(alone, &waited);
        scene.wait_until_closed().await;
        let got = scene.api().read(|state| messages_of_bot(state, one.chat()));
        let recovered = began.elapsed().as_secs() as usize * QUOTA / 60 + 1;
        assert!(got <= QUOTA + 1 + recovered, "{got} messages to the one who floods");
        assert!(scene.api().read(|state| quota_notices(state, one.chat())) <= 1);
        assert!(flood.iter().any(|sent| sent.status().is_some()));
        most = most.max(got);
        scene.shut_down().await;
    }
    let found = format!(
        "others waited {} (alone {:.2} s); the one got {most} messages at most",
        spread(&waited),
        longest_alone.as_secs_f64()
    );
    measured(&ROW, times, &found);
}

#[tokio::test]
async fn three_hundred_commands() {
    const ROW: Row = Row {
        number: 92,
        test: "one user sends 300 commands, then others send /start and recordings",
        figure: "they wait 3 s longer at most; the one gets what the quota allows and one sentence",
        name: "outgoing::three_hundred_commands",
    };
    const QUOTA: usize = 12;
    let times = rounds(1);
    let (mut waited, mut most) = (Vec::new(), 0);
    for round in 0..times {
        let mut scene = Scene::start(&[("user_requests_per_minute", &QUOTA.to_string())]).await;
        let (alone, _) = transcript_wait(&mut scene, &format!("пока тихо {round}")).await;
        let began = Instant::now();
        let one = scene.new_user("Флуд", "ru");
        for _ in 0..300 {
            one.send_text("/help");
        }
        for number in 0..3 {
            waited.push(command_wait(&scene).await);
            waited.push(transcript_wait(&mut scene, &format!("ответьте {round} {number}")).await.0);
        }
        assert_delay_is_bounded(alone, &waited);
        // This sentence is the last message of the bot here.
        let last = scene.api().wait_for(|state| (quota_notices(state, one.chat()) > 0).then_some(()));
        eventually("the flooding user is informed of the limit", last).await;
        let got = scene.api().read(|state| messages_of_bot(state, one.chat()));
        let recovered = began.elapsed().as_secs() as usize * QUOTA / 60 + 1;
        assert!(got <= QUOTA + 1 + recovered, "{got} messages to the one who floods");
        assert_eq!(scene.api().read(|state| quota_notices(state, one.chat())), 1);
        most = most.max(got);
        scene.shut_down().await;
    }
    measured(&ROW, times, &format!("others waited {}; the one got {most} messages at most", spread(&waited)));
}

#[tokio::test]
async fn two_hundred_button_presses() {
    const ROW: Row = Row {
        number: 93,
        test: "a member of a group presses a button of its admins 200 times, then others send /start",
        figure: "no message, one look at the member's rank, answers to presses bounded; the others wait 3 s at most",
        name: "outgoing::two_hundred_button_presses",
    };
    const QUOTA: usize = 20;
    let times = rounds(1);
    let (mut waited, mut most) = (Vec::new(), 0);
    for _ in 0..times {
        let scene = Scene::start(&[]).await;
        let group = Group::new(scene.api(), GROUP, "Мы");
        group.set_bot_status(MemberStatus::Administrator);
        let asked =
            group.add_member_as(&scene.new_user("Анна", "ru"), MemberStatus::Administrator).send_text("/language");
        let menu = scene.api().wait_for(|state| Some(state.replies(GROUP, asked.id()).next()?.id));
        let menu = eventually("the menu", menu).await;
        let boris = group.add_member(&scene.new_user("Борис", "ru"));
        let data = Action::SetLanguage("uk".parse().unwrap()).encode();
        let before = scene.api().read(|state| messages_of_bot(state, GROUP));
        let began = Instant::now();
        let first = boris.send_callback(menu, &data);
        assert!(
            eventually("the press is answered", first.wait_for_answer()).await.text.contains("только администраторы")
        );
        for _ in 1..200 {
            boris.send_callback(menu, &data);
        }
        for _ in 0..3 {
            waited.push(command_wait(&scene).await);
        }
        assert_delay_is_bounded(Duration::ZERO, &waited);
        assert_eq!(scene.api().read(|state| messages_of_bot(state, GROUP)), before, "presses are answered by toasts");
        assert_eq!(calls(&scene, Method::GetChatMember), 1);
        let answers = calls(&scene, Method::AnswerCallbackQuery);
        let recovered = 2 * (began.elapsed().as_secs() as usize * QUOTA / 60 + 1);
        assert!(answers <= 2 * QUOTA + recovered, "{answers} answers to presses");
        most = most.max(answers);
        scene.shut_down().await;
    }
    measured(&ROW, times, &format!("0 messages, {most} answers at most; others waited {}", spread(&waited)));
}

#[tokio::test]
async fn three_groups_under_a_flood_wait() {
    const ROW: Row = Row {
        number: 94,
        test: "Telegram demands a pause of 40 s for each of three groups; others send",
        figure: "no pause for the others",
        name: "outgoing::three_groups_under_a_flood_wait",
    };
    let times = rounds(1);
    let (mut waited, mut longest_alone) = (Vec::new(), Duration::ZERO);
    for round in 0..times {
        let mut scene = Scene::start(&[]).await;
        let (alone, _) = transcript_wait(&mut scene, &format!("пока тихо {round}")).await;
        longest_alone = longest_alone.max(alone);
        scene.api().set_fault(Some(std::sync::Arc::new(|call: &Call<'_>| -> FaultAction {
            match call.chat {
                Some(chat) if chat.0 < 0 => Effect::Refuse(Refusal::TooMany(Duration::from_secs(40))).into(),
                Some(_) | None => Effect::Pass.into(),
            }
        })));
        let boris = scene.new_user("Борис", "ru");
        for number in 0..3 {
            let group = Group::new(scene.api(), ChatId(GROUP.0 - number), "Мы");
            group.set_bot_status(MemberStatus::Administrator);
            group.add_member(&boris).send_text("/help@stenobot_simulated_bot");
        }
        let refused = scene.api().wait_for(|state| {
            (state.calls.iter().filter(|call| is_retry_after(&call.outcome)).count() >= 3).then_some(())
        });
        eventually("the groups are refused", refused).await;
        for number in 0..3 {
            waited.push(transcript_wait(&mut scene, &format!("это не про нас {round} {number}")).await.0);
            waited.push(command_wait(&scene).await);
        }
        assert_delay_is_bounded(alone, &waited);
        scene.shut_down().await;
    }
    let found = format!("others waited {} (alone {:.2} s)", spread(&waited), longest_alone.as_secs_f64());
    measured(&ROW, times, &found);
}
