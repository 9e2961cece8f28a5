//! `stenobot bench`: how fast models are on this machine, alone and beside busy neighbours, and what that means for the bot.

mod engine;
mod figures;
mod measure;
mod progress;
mod report;
mod show;
mod target;
mod voices;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use stenobot_models::{ModelName, Quantisation};
use tokio::signal::unix::{SignalKind, signal};

use crate::config::Config;
use crate::doctor::{processor, too_large};
use crate::lifecycle::{self, DataDirState};

pub(super) use engine::EngineArgs;
use engine::Pass;
use figures::{MESSAGE, compared_threads};
use measure::{EngineCommand, NEIGHBOURS, Neighbours};
use progress::Progress;
use report::{Assumptions, Machine, ModelReport, Recommendation, Report};
use target::Target;
use voices::Recording;

/// Prefix of the folder of random models, in the data folder.
const FOLDER: &str = "bench-";

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Measure all Whisper models that are here, not only the configured one
    #[arg(long, conflicts_with = "random")]
    all: bool,

    /// Measure a model of this size, such as medium, made of random numbers: as fast as the real one, without a download
    #[arg(long, value_name = "FAMILY")]
    random: Option<ModelName>,

    /// Also transcribe the recordings of this folder that have a text (ru-1.ogg with ru-1.txt), and count wrong words
    #[arg(long, value_name = "DIR", conflicts_with = "random")]
    voices: Option<PathBuf>,

    /// Most repetitions of each step; by default up to 5
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    repetitions: Option<u32>,

    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<ExitCode> {
        // Installed first: a signal ends the engine and deletes random models.
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let report = tokio::select! {
            report = self.measure(config) => report?,
            _ = terminate.recv() => bail!("stopped before the end"),
            _ = interrupt.recv() => bail!("stopped before the end"),
        };
        let text = match self.json {
            true => serde_json::to_string_pretty(&report)? + "\n",
            false => show::text(&report),
        };
        std::io::stdout().write_all(text.as_bytes()).context("the figures cannot be printed")?;
        Ok(ExitCode::SUCCESS)
    }

    async fn measure(&self, config: &Config) -> anyhow::Result<Report> {
        processor()?;
        let program = std::env::current_exe().context("this program cannot be found")?;
        let recordings = self.voices.as_deref().map(voices::recordings).transpose()?.unwrap_or_default();
        let machine = Machine::here();
        let mut notes = notes(config, &machine);
        let progress = Progress::new();
        let mut models = Vec::new();
        match &self.random {
            Some(family) => {
                let folder = folder_for(family, config)?;
                let target = Target::make(config, family, folder.path(), &program, &progress).await?;
                too_large(target.footprint, 1)?;
                notes.extend(target.note.clone());
                models.push(self.measure_model(config, &target, &program, &machine, &progress).await?);
            }
            None => {
                let names = match self.all {
                    true => target::names_of_all(config).await?,
                    false => vec![config.engine.model.clone()],
                };
                for name in names {
                    let target = Target::find(config, &name, &program, &progress).await?;
                    match too_large(target.footprint, 1) {
                        Ok(_) => {}
                        Err(refusal) if self.all => {
                            notes.push(format!("{name} was not measured: {refusal}"));
                            continue;
                        }
                        Err(refusal) => return Err(refusal.into()),
                    }
                    notes.extend(target.note.clone().filter(|note| !notes.contains(note)));
                    let mut model = self.measure_model(config, &target, &program, &machine, &progress).await?;
                    model.voices = voices_of(config, &name, &program, &recordings, &progress).await?;
                    models.push(model);
                }
            }
        }
        let recommendation = Recommendation::of(&models);
        Ok(Report { machine, assumptions: Assumptions::HERE, models, recommendation, notes })
    }

    /// Measures one model in full, beside neighbours, and a message with other numbers of threads.
    async fn measure_model(
        &self,
        config: &Config,
        target: &Target,
        program: &Path,
        machine: &Machine,
        progress: &Progress,
    ) -> anyhow::Result<ModelReport> {
        let command = EngineCommand {
            program,
            model: &target.file,
            library: target.library.as_deref(),
            repetitions: self.repetitions,
        };
        let (name, threads) = (&target.name, config.engine.threads);
        let failed = || format!("{name} cannot be measured");
        let pass = async |what: &str, pass: Pass, threads| {
            progress.begin(format!("{name}: {what}"), pass.steps());
            command.measure(pass, threads, || progress.step()).await.with_context(failed)
        };
        let (quiet, facts) = pass("alone", Pass::Full, threads).await?;
        let mut others = BTreeMap::new();
        for count in compared_threads(machine.cores, threads) {
            let (figures, _) = pass(&format!("with {count} threads"), Pass::Message, count).await?;
            others.extend(figures.service_seconds(MESSAGE).map(|seconds| (count, seconds)));
        }
        let neighbours = Neighbours::start();
        let (busy, _) = pass(&format!("beside {NEIGHBOURS} busy neighbours"), Pass::Brief, threads).await?;
        drop(neighbours);
        Ok(ModelReport::new(target, facts, quiet, busy, others, machine))
    }
}

async fn voices_of(
    config: &Config,
    model: &str,
    program: &Path,
    recordings: &[Recording],
    progress: &Progress,
) -> anyhow::Result<Option<voices::VoicesReport>> {
    match recordings {
        [] => Ok(None),
        recordings => voices::transcribe(config, model, program, recordings, progress).await.map(Some),
    }
}

/// A folder for a random model, deleted with everything in it when it is dropped.
fn folder_for(family: &ModelName, config: &Config) -> anyhow::Result<tempfile::TempDir> {
    match family.quantisation() {
        None | Some(Quantisation::q8_0) => {}
        Some(other) => bail!("random models are made in q8_0 only, not in {other}: give {}", family.family()),
    }
    let data = &config.storage.data_dir;
    lifecycle::create_private(data)
        .and_then(|()| tempfile::Builder::new().prefix(FOLDER).tempdir_in(data))
        .with_context(|| format!("no folder can be made in {}", data.display()))
}

/// What may change the figures.
fn notes(config: &Config, machine: &Machine) -> Vec<String> {
    let mut notes = Vec::new();
    if matches!(DataDirState::inspect(&config.storage.data_dir), Ok(DataDirState::InUse)) {
        notes.push("the bot is running: what it does meanwhile makes the figures worse".to_owned());
    }
    if let Some(load) = machine.load_average.filter(|load| *load > machine.cores as f64 / 2.0) {
        notes.push(format!("this machine was busy before, with a load of {load}: \"quiet\" may not be"));
    }
    notes
}
