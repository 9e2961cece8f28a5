//! The document of figures: what is printed as JSON, and from which the tables are made.

use std::collections::BTreeMap;

use serde::Serialize;
use stenobot_domain::ModelFacts;
use stenobot_host::Memory;
use stenobot_speech::REQUIRED_CPU_FEATURES;

use super::figures::{
    Candidate, Deployment, Figures, JUDGED_VOICE, MAX_REAL_TIME_FACTOR, MESSAGE, Queue, TOKENS_PER_SECOND, deployment,
    recommend,
};
use super::measure::NEIGHBOURS;
use super::target::Target;
use super::voices::VoicesReport;
use crate::doctor::memory::{Need, admit};

/// Everything.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) machine: Machine,
    pub(super) assumptions: Assumptions,
    pub(super) models: Vec<ModelReport>,
    pub(super) recommendation: Recommendation,
    /// Sentences on what may have changed the figures.
    pub(super) notes: Vec<String>,
}

/// What is measured on.
#[derive(Debug, Serialize)]
pub(super) struct Machine {
    pub(super) processor: String,
    /// Usable by this process.
    pub(super) cores: usize,
    /// `None` where the kernel does not tell.
    pub(super) memory_bytes: Option<u64>,
    pub(super) available_bytes: Option<u64>,
    /// Of the last minute, before the measurements.
    pub(super) load_average: Option<f64>,
}

impl Machine {
    pub(super) fn here() -> Self {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let memory = Memory::here().ok();
        Self {
            processor: processor_of(&read("/proc/cpuinfo")).unwrap_or(std::env::consts::ARCH).to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: memory.map(|memory| memory.limit),
            available_bytes: memory.map(|memory| memory.available),
            load_average: read("/proc/loadavg").split_whitespace().next().and_then(|load| load.parse().ok()),
        }
    }
}

/// The processor's name, which not every architecture has in `/proc/cpuinfo`.
fn processor_of(cpuinfo: &str) -> Option<&str> {
    let line = cpuinfo.lines().find_map(|line| line.strip_prefix("model name"))?;
    Some(line.split_once(':')?.1.trim()).filter(|name| !name.is_empty())
}

/// What the computed figures rest on.
#[derive(Debug, Serialize)]
pub(super) struct Assumptions {
    pub(super) tokens_per_second_of_speech: u32,
    pub(super) message_seconds: u32,
    pub(super) busy_neighbours: usize,
    pub(super) max_real_time_factor: f64,
    pub(super) judged_voice_seconds: u32,
}

impl Assumptions {
    pub(super) const HERE: Self = Self {
        tokens_per_second_of_speech: TOKENS_PER_SECOND,
        message_seconds: MESSAGE,
        busy_neighbours: NEIGHBOURS,
        max_real_time_factor: MAX_REAL_TIME_FACTOR,
        judged_voice_seconds: JUDGED_VOICE,
    };
}

/// One model.
#[derive(Debug, Serialize)]
pub(super) struct ModelReport {
    pub(super) model: String,
    pub(super) random: bool,
    /// Of the file that is loaded.
    pub(super) bytes: u64,
    pub(super) kind: String,
    pub(super) weights: String,
    /// With the instruction set.
    pub(super) backend: String,
    pub(super) quiet: Timed,
    pub(super) busy: Timed,
    /// Time of one message, by the number of threads.
    pub(super) message_seconds: BTreeMap<usize, f64>,
    /// Estimated for bot and one engine.
    pub(super) need_bytes: u64,
    pub(super) fits: bool,
    pub(super) memory: String,
    pub(super) settings: Option<Deployment>,
    pub(super) voices: Option<VoicesReport>,
}

/// Measured steps and what follows from them.
#[derive(Debug, Serialize)]
pub(super) struct Timed {
    #[serde(flatten)]
    pub(super) figures: Figures,
    /// By the length of the voice in seconds.
    pub(super) real_time_factor: BTreeMap<u32, f64>,
    pub(super) queue: Option<Queue>,
}

impl Timed {
    pub(super) fn of(figures: Figures) -> Self {
        let queue = figures.service_seconds(MESSAGE).map(Queue::of);
        Self { real_time_factor: figures.real_time_factors(), queue, figures }
    }
}

impl ModelReport {
    /// `others`: times of one message with other numbers of threads than the quiet pass.
    pub(super) fn new(
        target: &Target,
        facts: ModelFacts,
        quiet: Figures,
        busy: Figures,
        others: BTreeMap<usize, f64>,
        machine: &Machine,
    ) -> Self {
        let need = |engines| Need::of(engines, target.footprint);
        let (fits, memory) = match Memory::here() {
            Ok(memory) => match admit(memory, need(1), false) {
                Ok(finding) => (true, finding.text),
                Err(refusal) => (false, refusal.to_string()),
            },
            // Unknown memory is no reason to refuse.
            Err(error) => (true, format!("{}, but what there is cannot be read: {error}", need(1))),
        };
        let two_fit = machine.memory_bytes.is_none_or(|limit| need(2).bytes() <= limit);
        let mut message_seconds = others;
        message_seconds.extend(quiet.service_seconds(MESSAGE).map(|seconds| (quiet.threads, seconds)));
        let backend = match target.library {
            Some(_) => facts.backend,
            // Built for these, whatever else the processor has.
            None => format!("{} with {}", facts.backend, REQUIRED_CPU_FEATURES.join(", ")),
        };
        Self {
            model: target.name.clone(),
            random: target.is_random,
            bytes: target.bytes,
            kind: facts.kind,
            weights: facts.weights,
            backend,
            quiet: Timed::of(quiet),
            busy: Timed::of(busy),
            settings: deployment(&message_seconds, machine.cores, two_fit),
            message_seconds,
            need_bytes: need(1).bytes(),
            fits,
            memory,
            voices: None,
        }
    }

    fn judged(&self) -> Option<f64> {
        self.quiet.real_time_factor.get(&JUDGED_VOICE).copied()
    }
}

/// The measured model for this machine.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Recommendation {
    /// `None` when none is fast enough and fits.
    pub(super) model: Option<String>,
    #[serde(flatten)]
    pub(super) settings: Option<Deployment>,
    pub(super) reason: String,
}

impl Recommendation {
    pub(super) fn of(models: &[ModelReport]) -> Self {
        let candidates: Vec<Candidate> = models
            .iter()
            .map(|model| Candidate {
                bytes: model.bytes,
                real_time_factor: model.judged().unwrap_or(f64::INFINITY),
                fits: model.fits,
            })
            .collect();
        let limits = format!(
            "needs at most {MAX_REAL_TIME_FACTOR} of the length of a voice of {JUDGED_VOICE} s and fits into the memory"
        );
        let which = if models.len() == 1 { "the measured model" } else { "the largest measured model that" };
        if let Some(model) = recommend(&candidates).and_then(|index| models.get(index)) {
            let factor = model.judged().unwrap_or_default();
            let reason = format!("{which} {limits}: it needs {factor:.2}");
            return Self { model: Some(model.model.clone()), settings: model.settings, reason };
        }
        let fastest = models.iter().min_by(|a, b| {
            let factor = |model: &ModelReport| model.judged().unwrap_or(f64::INFINITY);
            factor(a).total_cmp(&factor(b))
        });
        let reason = match fastest {
            Some(fastest) => format!(
                "no measured model {limits}: the fastest, {}, needs {:.2}{}",
                fastest.model,
                fastest.judged().unwrap_or_default(),
                if fastest.fits { "" } else { " and too much memory" },
            ),
            None => "nothing was measured".to_owned(),
        };
        Self { model: None, settings: None, reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_s_name_is_found() {
        let text = "processor\t: 0\nmodel name\t: AMD EPYC 9654\ncpu MHz\t: 2600\n";
        assert_eq!(processor_of(text), Some("AMD EPYC 9654"));
        assert_eq!(processor_of("processor\t: 0\nBogoMIPS\t: 50.00\n"), None);
        assert!(!Machine::here().processor.is_empty());
    }

    #[test]
    fn nothing_is_recommended_where_nothing_suits() {
        let found = Recommendation::of(&[]);
        assert_eq!((found.model, found.reason.as_str()), (None, "nothing was measured"));
    }
}
