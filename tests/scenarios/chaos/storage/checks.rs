//! What users see and Telegram gets during a fault of the store.

use std::time::Duration;

use stenobot_simulator::answers::BotText;
use stenobot_simulator::server::State;
use stenobot_simulator::users::SentMessage;

use crate::chaos::figures::spread;
use crate::scene::{SCENARIO_TIMEOUT, Scene, eventually};

pub(crate) async fn wait_for_delay_notice(sent: &SentMessage) {
    sent.wait_for("a notice of the delay", SCENARIO_TIMEOUT, |trail| {
        (trail.latest == Some(BotText::Delayed)).then_some(())
    })
    .await
    .unwrap();
}

/// Number of messages about a delay in the chat of a message.
pub(crate) fn delay_notices(scene: &Scene, sent: &SentMessage) -> usize {
    let is_delay = |text: &str| stenobot_simulator::answers::read(text) == BotText::Delayed;
    scene.api().read(|state| {
        let messages = state.chats[&sent.chat()].messages.values();
        messages.flat_map(|message| message.texts_or_caption()).filter(|(_, text)| is_delay(text)).count()
    })
}

pub(crate) fn is_confirmed(state: &State, sent: &SentMessage) -> bool {
    state.confirmed.iter().any(|update| {
        let message = &update.content["message"];
        message["chat"]["id"] == sent.chat().0 && message["message_id"] == sent.id().0
    })
}

/// Updates confirmed at Telegram and missing in the store: lost.
pub(crate) async fn lost(scene: &Scene, all: &[&SentMessage]) -> usize {
    let rows = scene.rows().await;
    let has_row =
        |sent: &SentMessage| rows.iter().any(|row| row.chat_id == sent.chat().0 && row.message_id == Some(sent.id().0));
    let confirmed = |sent: &SentMessage| scene.api().read(|state| is_confirmed(state, sent));
    all.iter().filter(|sent| confirmed(sent) && !has_row(sent)).count()
}

/// Waits for so many more wait_for_polls.
pub(crate) async fn wait_for_polls(scene: &Scene, more: u64) {
    let before = scene.api().read(State::polls);
    let reached = scene.api().wait_for(|state| (state.polls() >= before + more).then_some(()));
    eventually("the bot polls again", reached).await;
}

pub(crate) async fn failures(scene: &Scene, kinds: &[&str]) -> f64 {
    let page = scene.bot.metrics().await.unwrap();
    let series = |kind: &&str| page.value(&format!("stenobot_journal_errors_total{{kind=\"{kind}\"}}"));
    kinds.iter().filter_map(series).sum()
}

/// Asserts that each sender got the text once. Gives the time of the last one.
pub(crate) async fn all_answered_once(scene: &mut Scene, all: &[(&SentMessage, &str)]) -> Duration {
    let mut last = Duration::ZERO;
    for (sent, text) in all {
        assert_eq!(scene.text(sent).await, *text);
        let trail = sent.trail();
        assert_eq!((trail.answers.len(), trail.overwritten), (1, false), "{}", sent.history());
        last = last.max(trail.answers[0].at);
    }
    last
}

pub(crate) fn count_in_log(scene: &Scene, words: &str) -> usize {
    std::fs::read_to_string(scene.bot.log()).unwrap().matches(words).count()
}

pub(crate) fn recovery_text(times: &[Duration]) -> String {
    format!("last answer after the end of the fault: {}", spread(times))
}
