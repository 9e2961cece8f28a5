//! Memory: the need of bot and engines compared with the limits of control groups and machine.

use std::fmt;

use stenobot_engine::confine::{MAX_PROBES, PROBE_MEMORY};
use stenobot_host::{Bound, Memory};

use super::{Finding, Footprint, Refusal};

/// Resident memory of the bot itself, in bytes: 18 MiB were measured at work.
const BOT: u64 = 25 << 20;

/// Probes that may run at once, each for a moment.
const PROBES: u64 = MAX_PROBES as u64;

/// Need of bot, probes and engines, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Need {
    /// Engine processes.
    pub(crate) engines: u64,
    /// The model, of which each engine has a copy.
    pub(crate) model: u64,
    /// Caches and working buffers of one engine.
    pub(crate) work: u64,
}

impl Need {
    /// `engines` engines.
    pub(crate) fn of(engines: usize, Footprint { model, work }: Footprint) -> Self {
        Self { engines: engines as u64, model, work }
    }

    pub(crate) fn bytes(self) -> u64 {
        BOT + PROBES * PROBE_MEMORY + self.engines * (self.model + self.work)
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [bot, probe, model, work] = [BOT, PROBE_MEMORY, self.model, self.work].map(mebibytes);
        // Of the rounded terms, so that the printed sum is exact.
        let sum = bot + PROBES * probe + self.engines * (model + work);
        let engines = self.engines;
        write!(
            f,
            "bot {bot} MiB + {PROBES} x probe {probe} MiB + {engines} x engine ({model} MiB model + {work} MiB work) = {sum} MiB"
        )
    }
}

/// Whether the memory suffices. `running`: the bot has allocated its part already.
///
/// # Errors
/// [`Refusal::Memory`] if it never can.
pub(crate) fn admit(memory: Memory, need: Need, running: bool) -> Result<Finding, Refusal> {
    let owner = match memory.bound {
        Bound::Machine => "of this machine",
        Bound::Group => "of the control group's limit",
    };
    let arithmetic = format!("{need} of {} {owner}", shown(memory.limit));
    if need.bytes() > memory.limit {
        return Err(Refusal::Memory { arithmetic: format!("too little memory: {arithmetic}") });
    }
    Ok(match running || need.bytes() <= memory.available {
        true => Finding::ok(arithmetic),
        false => Finding::warning(format!(
            "{arithmetic}, but only {} are free now: stop something, or choose a smaller model",
            shown(memory.available)
        )),
    })
}

/// In MiB, from 1000 on in GiB, rounded down.
fn shown(bytes: u64) -> String {
    match bytes >> 20 {
        mebibytes @ ..1000 => format!("{mebibytes} MiB"),
        mebibytes => {
            let tenths = mebibytes * 10 / 1024;
            format!("{}.{} GiB", tenths / 10, tenths % 10)
        }
    }
}

fn mebibytes(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn the_arithmetic_is_in_the_sentence() {
        let need = Need::of(2, Footprint { model: 78 * MIB, work: 165 * MIB });
        let sum = "bot 25 MiB + 2 x probe 72 MiB + 2 x engine (78 MiB model + 165 MiB work) = 655 MiB";
        let memory = |limit, available| Memory { limit: limit * MIB, bound: Bound::Group, available: available * MIB };

        let enough = admit(memory(656, 655), need, false).unwrap();
        assert_eq!(enough, Finding::ok(format!("{sum} of 656 MiB of the control group's limit")));
        let busy = admit(memory(656, 654), need, false).unwrap();
        assert_eq!(busy.verdict, Verdict::Warning);
        assert!(busy.text.contains("only 654 MiB are free now"), "{}", busy.text);
        assert_eq!(admit(memory(656, 0), need, true).unwrap().verdict, Verdict::Ok);
        let refusal = admit(memory(654, 654), need, true).unwrap_err().to_string();
        assert!(refusal.starts_with(&format!("too little memory: {sum} of 654 MiB of the control group")), "{refusal}");
    }
}
