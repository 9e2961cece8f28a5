//! Random faults of all kinds.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{Call, Effect, FaultAction, FaultInjector};
use crate::server::refusal::Refusal;
use crate::server::state::Method;

/// A share of all calls fails, with faults drawn evenly from those possible for the method. The same seed gives the same
/// sequence of faults.
#[derive(Debug)]
pub struct RandomFaults {
    seed: u64,
    percent: u64,
    calls: AtomicU64,
}

/// Faults of any call.
const ANY: &[Trouble] = &[
    Trouble::TooMany,
    Trouble::Server,
    Trouble::Overloaded,
    Trouble::BreakBefore,
    Trouble::BreakAfter,
    Trouble::MuteBefore,
    Trouble::MuteAfter,
    Trouble::Garbled,
    Trouble::Short,
    Trouble::Empty,
];
/// Further faults of a poll.
const POLL: &[Trouble] = &[Trouble::Conflict];
/// Further faults of a download.
const FILE: &[Trouble] = &[Trouble::Slow, Trouble::Cut, Trouble::Expired, Trouble::Longer];

#[derive(Debug, Clone, Copy)]
enum Trouble {
    TooMany,
    Server,
    Overloaded,
    BreakBefore,
    BreakAfter,
    MuteBefore,
    MuteAfter,
    Garbled,
    Short,
    Empty,
    Conflict,
    Slow,
    Cut,
    Expired,
    Longer,
}

impl RandomFaults {
    /// Lets `percent` of 100 calls fail.
    pub fn new(seed: u64, percent: u64) -> Self {
        Self { seed, percent, calls: AtomicU64::new(0) }
    }
}

impl FaultInjector for RandomFaults {
    fn inject(&self, call: &Call<'_>) -> FaultAction {
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        let mut dice = Dice(self.seed.wrapping_add(number.wrapping_mul(0xA076_1D64_78BD_642F)));
        if dice.below(100) >= self.percent {
            return Effect::Pass.into();
        }
        let own = match call.method {
            Method::GetUpdates => POLL,
            Method::Download => FILE,
            Method::GetMe
            | Method::SendMessage
            | Method::EditMessageText
            | Method::EditMessageMedia
            | Method::EditMessageCaption
            | Method::SetMessageReaction
            | Method::DeleteMessage
            | Method::GetFile
            | Method::SendChatAction
            | Method::SetMyCommands
            | Method::EditMessageReplyMarkup
            | Method::AnswerCallbackQuery
            | Method::AnswerGuestQuery
            | Method::SendDocument
            | Method::SetWebhook
            | Method::DeleteWebhook
            | Method::GetWebhookInfo
            | Method::GetChat
            | Method::GetBusinessConnection
            | Method::GetChatMember => &[],
        };
        let at = dice.below((ANY.len() + own.len()) as u64) as usize;
        let trouble = ANY.iter().chain(own).nth(at).copied();
        trouble.map_or(Effect::Pass.into(), |trouble| trouble.drawn(&mut dice))
    }
}

impl Trouble {
    fn drawn(self, dice: &mut Dice) -> FaultAction {
        match self {
            // Mostly short; one in ten is long.
            Self::TooMany => {
                let seconds = if dice.below(10) == 0 { 8 } else { 1 + dice.below(3) };
                Effect::Refuse(Refusal::TooMany(Duration::from_secs(seconds))).into()
            }
            Self::Overloaded => Effect::Refuse(Refusal::Overloaded(Duration::from_secs(1 + dice.below(2)))).into(),
            Self::Server => match dice.below(4) {
                0 => Effect::Refuse(Refusal::Server { code: 500, description: "Internal Server Error" }),
                1 => Effect::Answer(500, ""),
                2 => Effect::Answer(502, "<html><center><h1>502 Bad Gateway</h1></center></html>"),
                _ => Effect::Answer(503, "{\"ok\":false,\"error_code\":503,\"description\":\"Service Unavailable\"}"),
            }
            .into(),
            Self::BreakBefore => Effect::BreakBefore.into(),
            Self::BreakAfter => Effect::BreakAfter.into(),
            Self::MuteBefore => FaultAction { delay: dice.silence(), effect: Effect::BreakBefore },
            Self::MuteAfter => Effect::Mute(dice.silence()).into(),
            Self::Garbled => Effect::Answer(200, "{\"ok\":true,\"result\":{\"message_id\":1").into(),
            Self::Short => Effect::Short(1 + dice.below(40) as usize).into(),
            Self::Empty => if dice.below(2) == 0 { Effect::Short(0) } else { Effect::Answer(200, "") }.into(),
            Self::Conflict => Effect::Refuse(Refusal::Conflict).into(),
            Self::Slow => Effect::Slow { piece: 4096, pause: Duration::from_millis(100 + dice.below(200)) }.into(),
            Self::Cut => Effect::Cut(dice.below(20_000) as usize).into(),
            Self::Expired => Effect::Expire.into(),
            Self::Longer => Effect::Longer(1 + dice.below(100_000) as usize).into(),
        }
    }
}

/// Reproducible random numbers (SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % end.max(1)
    }

    /// Shorter than the bot's own timeouts; ends with a broken connection.
    fn silence(&mut self) -> Duration {
        Duration::from_millis(1000 + self.below(2000))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn drawn(seed: u64, method: Method) -> Vec<String> {
        let mixed = RandomFaults::new(seed, 20);
        let call = Call { method, chat: None, text: "" };
        (0..10_000).map(|_| format!("{:?}", mixed.inject(&call))).collect()
    }

    #[test]
    fn the_given_share_of_calls_fails_and_a_seed_reproduces_it() {
        for method in [Method::GetUpdates, Method::SendMessage, Method::Download] {
            let actions = drawn(1, method);
            let failed = actions.iter().filter(|action| !action.contains("Pass")).count();
            assert!((1800..=2200).contains(&failed), "{failed}");
            assert_eq!(actions, drawn(1, method));
            assert_ne!(actions, drawn(2, method));
        }
    }

    #[test]
    fn every_fault_is_equally_frequent() {
        let mixed = RandomFaults::new(3, 100);
        let call = Call { method: Method::Download, chat: None, text: "" };
        let mut counts = BTreeMap::new();
        for _ in 0..14_000 {
            let action = mixed.inject(&call);
            *counts.entry((action.effect.name(), action.delay.is_zero())).or_insert(0) += 1;
        }
        for name in ["cut", "expire", "longer", "slow", "mute", "break after"] {
            let count = counts.get(&(name, true)).copied().unwrap_or_default();
            assert!((800..=1200).contains(&count), "{name}: {count} of {counts:?}");
        }
    }
}
