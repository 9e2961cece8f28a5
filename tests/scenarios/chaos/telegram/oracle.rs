//! Checks of the recorded calls, from Telegram's side.

use std::collections::HashMap;
use std::time::Duration;

use stenobot_domain::ChatId;
use stenobot_simulator::answers::RequestOutcome;
use stenobot_simulator::server::{CallOutcome, CallRecord, Method, State};
use stenobot_simulator::users::SentMessage;

/// A call may have been under way when another was refused.
const IN_FLIGHT_TOLERANCE: Duration = Duration::from_millis(300);

/// Scope of a retry-after: all writing in a chat, or all calls of a method without a chat.
#[derive(Debug, PartialEq, Eq, Hash, Clone, Copy)]
enum Scope {
    Chat(ChatId),
    Method(Method),
}

fn scope_of(call: &CallRecord) -> Scope {
    let writes = matches!(
        call.method,
        Method::SendMessage
            | Method::SendDocument
            | Method::EditMessageText
            | Method::EditMessageMedia
            | Method::EditMessageReplyMarkup
    );
    match call.chat {
        Some(chat) if writes => Scope::Chat(chat),
        Some(_) | None => Scope::Method(call.method),
    }
}

/// Retry-afters whose response reached the bot.
pub(super) struct Pauses {
    /// Their number.
    pub(super) count: usize,
    /// Calls made within one.
    pub(super) broken: Vec<(CallRecord, CallRecord)>,
    /// Times from the end of each to the next call.
    pub(super) after: Vec<Duration>,
}

pub(super) fn pauses(calls: &[CallRecord]) -> Pauses {
    let mut pauses = Pauses { count: 0, broken: Vec::new(), after: Vec::new() };
    let mut came: Vec<&CallRecord> = calls.iter().collect();
    came.sort_by_key(|call| call.came);
    for refused in calls {
        let CallOutcome::Refused(refusal) = &refused.outcome else { continue };
        let is_received = ["pass", "refuse"].contains(&refused.fault);
        let Some(wait) = refusal.retry_after().filter(|_| is_received) else { continue };
        pauses.count += 1;
        let end = refused.at + wait;
        let of_it = |call: &&&CallRecord| scope_of(call) == scope_of(refused);
        let from = came.partition_point(|call| call.came <= refused.at + IN_FLIGHT_TOLERANCE);
        let later = &came[from..];
        let within = later.iter().take_while(|call| call.came < end).filter(of_it);
        pauses.broken.extend(within.map(|call| (refused.clone(), (*call).clone())));
        pauses.after.extend(later.iter().filter(of_it).find(|call| call.came >= end).map(|call| call.came - end));
    }
    pauses
}

/// Number of calls by injected effect.
pub(super) fn injected_effects(calls: &[CallRecord]) -> HashMap<&'static str, usize> {
    let mut counts = HashMap::new();
    for call in calls.iter().filter(|call| call.fault != "pass") {
        *counts.entry(call.fault).or_default() += 1;
    }
    counts
}

/// Asserts exactly one answer to a recording; gives its time.
pub(super) fn answered_once(sent: &SentMessage, text: &str) -> Duration {
    let trail = sent.trail();
    assert_eq!(trail.answers.len(), 1, "{}", sent.history());
    assert!(!trail.overwritten, "{}", sent.history());
    assert_eq!(trail.answers[0].outcome, RequestOutcome::Answered(text.to_owned()), "{}", sent.history());
    trail.answers[0].at - trail.sent
}

/// Updates that were confirmed although no response that carried them arrived.
pub(super) fn skipped(state: &State) -> usize {
    let delivered: Vec<Duration> = state
        .calls
        .iter()
        .filter(|call| call.method == Method::GetUpdates && call.outcome == CallOutcome::Accepted)
        .map(|call| call.at)
        .collect();
    let arrived = |at: &Duration| {
        let next = delivered.partition_point(|delivered| delivered < at);
        delivered.get(next).is_some_and(|delivered| *delivered - *at < Duration::from_millis(5))
    };
    state.confirmed.iter().filter(|update| !update.delivered.iter().any(arrived)).count()
}
