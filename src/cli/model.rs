//! `stenobot model`: the models on this machine and the published ones.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use stenobot_models::{
    DETECTOR, Download, ModelKind, ModelName, ModelStore, ModelStoreError, OnnxMemory, Origin, PreparedModel,
    Published, PublishedHash, Quantisation, VerifiedModel,
};

use crate::config::Config;
use crate::doctor::size;
use crate::engine_setup::{LibrarySearch, find_library, model_store};
use crate::lifecycle::Leftovers;

/// From the first attempt to reach the host of a model to giving up, without an answer.
const REACH_TIMEOUT: Duration = Duration::from_secs(12);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Show the published models and those that are here
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Download a model and check it; one that is not published is quantised here
    Pull {
        /// A name from the list, or one with another quantisation such as medium-q4_0
        name: ModelName,
        /// The quantisation, if the name does not say it: q8_0, q5_1, q5_0, q4_1, q4_0
        #[arg(long, value_name = "KIND")]
        quantize: Option<Quantisation>,
    },
    /// Take over a ggml file, a faster-whisper folder or silero_vad_16k.safetensors
    Import {
        /// The file or folder
        path: PathBuf,
        /// Quantise it on the way: q8_0, q5_1, q5_0, q4_1, q4_0
        #[arg(long, value_name = "KIND")]
        quantize: Option<Quantisation>,
        /// Its name here; otherwise the file's name or the model's sizes tell it
        #[arg(long)]
        name: Option<ModelName>,
    },
    /// Make the weights of a model that is here for ONNX Runtime, unless they are there; `pull`, `import` and the bot's start
    /// do so too
    Prepare {
        /// Its name or path
        name: String,
    },
    /// Check a model that is here and print where its file is
    Path {
        /// Its name
        name: ModelName,
        /// The quantisation, if the name does not say it
        #[arg(long, value_name = "KIND")]
        quantize: Option<Quantisation>,
    },
}

impl Args {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<ExitCode> {
        let store = model_store(config);
        match self.action {
            Action::List { json } => print(&if json { list_json(&store)? } else { list_table(&store) })?,
            Action::Pull { name, quantize } => {
                let name = quantised(name, quantize)?;
                let store = store.reaching_within(REACH_TIMEOUT);
                let leftovers = Leftovers::of_models(&config.storage.data_dir, &config.storage.models());
                let mut bar = Bar::new();
                let model = store.ensure(&name.to_string(), |event| bar.show(&event)).await;
                let made = made(config, &store, model, &mut bar).await;
                bar.clear();
                let made = made?;
                leftovers.keep();
                print(&made)?;
            }
            Action::Import { path, quantize, name } => {
                anyhow::ensure!(path.exists(), "there is no file or folder {}", path.display());
                let mut bar = Bar::new();
                let model = store.import(&path, quantize, name, |event| bar.show(&event)).await;
                let made = made(config, &store, model, &mut bar).await;
                bar.clear();
                print(&made?)?;
            }
            Action::Prepare { name } => {
                let mut bar = Bar::new();
                let model = store.find(&name).await?;
                let weights = store.prepare(&model, |event| bar.show(&event)).await;
                bar.clear();
                print(&weights_line(&weights?))?;
            }
            Action::Path { name, quantize } => {
                let model = store.find(&quantised(name, quantize)?.to_string()).await?;
                print(&format!("{}\n", std::path::absolute(&model.path)?.display()))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The summary of a model that has come, with its weights for ONNX Runtime, which are made where that runs the models.
async fn made(
    config: &Config,
    store: &ModelStore,
    model: Result<VerifiedModel, ModelStoreError>,
    bar: &mut Bar,
) -> anyhow::Result<String> {
    let model = model?;
    let summary = summary(store, &model);
    let runs_here = match model.kind {
        ModelKind::VoiceActivity => false,
        ModelKind::Whisper { .. } => {
            matches!(find_library(config, &std::env::current_exe()?).await, LibrarySearch::Found(_))
        }
    };
    if !runs_here {
        return Ok(summary);
    }
    let weights = store.prepare(&model, |event| bar.show(&event)).await?;
    Ok(format!("{summary}{}", weights_line(&weights)))
}

fn weights_line(weights: &PreparedModel) -> String {
    let file = weights.path.file_name().unwrap_or_default().to_string_lossy();
    let OnnxMemory { loaded, window } = weights.architecture.onnx_memory();
    let (form, bytes, memory) = (weights.form.name(), size(weights.bytes), size(loaded + window));
    format!("for ONNX Runtime: {file}, {form}, {bytes}, needs about {memory} of memory\n")
}

fn print(text: &str) -> anyhow::Result<()> {
    std::io::stdout().write_all(text.as_bytes()).context("the result cannot be printed")
}

fn quantised(name: ModelName, quantize: Option<Quantisation>) -> anyhow::Result<ModelName> {
    match (name.quantisation(), quantize) {
        (_, None) => Ok(name),
        (Some(a), Some(b)) if a != b => anyhow::bail!("{name} says {a} and --quantize says {b}: give one of them"),
        (_, quantisation) => Ok(name.with(quantisation)),
    }
}

/// The model with its hash, compared with the published one.
fn summary(store: &ModelStore, model: &VerifiedModel) -> String {
    let published = model.name.parse().ok().and_then(|name| store.published(&name));
    let verdict = match published {
        None => "no hash is published to compare with".to_owned(),
        Some(Published { hash: PublishedHash::Sha1(hash), .. }) if hash == model.sha1 => "as published".to_owned(),
        Some(Published { hash: PublishedHash::Sha256(hash), .. }) if hash == model.sha256 => "as published".to_owned(),
        Some(Published { hash, .. }) => match &model.origin {
            // The same weights in another file: an import is written anew.
            Origin::Imported { .. } => format!("converted here; the published file has {hash}"),
            Origin::Published | Origin::Found | Origin::Prepared { .. } | Origin::Quantised { .. } => {
                format!("not the published file, which has {hash}")
            }
        },
    };
    let made = match &model.origin {
        Origin::Published | Origin::Found => String::new(),
        Origin::Imported { from } => format!(", imported from {from}"),
        Origin::Prepared { from, .. } => format!(", prepared from {from}"),
        Origin::Quantised { from, .. } => format!(", quantised from {from}, which stays here too"),
    };
    let memory = match model.kind {
        ModelKind::VoiceActivity => String::new(),
        ModelKind::Whisper { memory_bytes } => format!(", needs about {} of memory", size(memory_bytes)),
    };
    let VerifiedModel { name, bytes, sha1, .. } = model;
    format!("{name}: {}{memory}{made}\nSHA-1 {sha1}, {verdict}\n", size(*bytes))
}

/// Within 80 columns.
fn list_table(store: &ModelStore) -> String {
    let mut table = format!("{:<20} {:>8} {:>8}  {:<4} {}\n", "NAME", "DISK", "MEMORY", "HERE", "GOOD FOR");
    for model in store.list() {
        let memory = model.memory_bytes.map(size).unwrap_or_default();
        let here = if model.present { "yes" } else { "" };
        table.push_str(&format!(
            "{:<20} {:>8} {memory:>8}  {here:<4} {}\n",
            model.name.to_string(),
            size(model.bytes),
            good_for(&model.name),
        ));
    }
    table.push_str(
        "\nEvery model can be had as q8_0, q5_1, q5_0, q4_1 and q4_0: for example\n\
         `stenobot model pull medium-q4_0` makes what is not published.\n\
         MEMORY is an estimate for one engine: the file, its attention caches and its\n\
         working buffers. The published hashes are in the output of --json.\n",
    );
    table
}

/// Uses of a model; empty for one of unknown origin.
fn good_for(name: &ModelName) -> String {
    let family = name.family();
    let (family, language) = match family.strip_suffix(".en") {
        Some(family) => (family, ", English only"),
        None => (family, ""),
    };
    let what = match family {
        "tiny" => "a first try",
        "base" if name.quantisation() == Some(Quantisation::q8_0) && language.is_empty() => "clear speech; the default",
        "base" => "clear speech",
        "small" => "everyday speech",
        "medium" => "noise and accents",
        "large-v1" | "large-v2" => "comparison with v3",
        "large-v3" => "the fewest errors; slow",
        "large-v3-turbo" => "noise and accents; faster",
        _ if name.to_string() == DETECTOR => "finding the speech; needed by all",
        _ => return String::new(),
    };
    format!("{what}{language}")
}

fn list_json(store: &ModelStore) -> anyhow::Result<String> {
    let models: Vec<_> = store
        .list()
        .into_iter()
        .map(|model| {
            let (sha1, sha256) = match model.published {
                None => (None, None),
                Some(PublishedHash::Sha1(hash)) => (Some(hash), None),
                Some(PublishedHash::Sha256(hash)) => (None, Some(hash)),
            };
            json!({
                "name": model.name.to_string(),
                "bytes": model.bytes,
                "memory_bytes": model.memory_bytes,
                "published_sha1": sha1,
                "published_sha256": sha256,
                "present": model.present,
            })
        })
        .collect();
    Ok(serde_json::to_string_pretty(&models)? + "\n")
}

/// A progress bar on the terminal; silent where there is none.
struct Bar {
    bar: ProgressBar,
}

impl Bar {
    fn new() -> Self {
        Self { bar: ProgressBar::no_length() }
    }

    fn show(&mut self, event: &Download) {
        match event {
            Download::Receiving { name, done, total } => {
                self.advance(name, *done, *total, "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}");
            }
            Download::Converting { name, done, total } => {
                self.advance(name, *done, *total, "{msg} {wide_bar} {percent} %");
            }
            Download::Waiting { name, wait } => {
                let seconds = wait.max(&Duration::from_secs(1)).as_secs();
                let message = format!("{name}: the connection failed; going on in {seconds} s");
                // Unlike the bar, this is said where there is no terminal too.
                self.bar.suspend(|| eprintln!("{message}"));
            }
            Download::Verifying { name } => self.bar.set_message(format!("{name}: checking")),
        }
    }

    fn advance(&mut self, name: &str, done: u64, total: u64, template: &str) {
        if self.bar.length() != Some(total) {
            let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            self.bar.set_style(style);
            self.bar.set_length(total);
            // Bytes of an earlier run do not count for the speed of this one.
            self.bar.set_position(done);
            self.bar.reset_eta();
        }
        self.bar.set_message(name.to_owned());
        self.bar.set_position(done);
    }

    fn clear(self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_models_fits_into_80_columns() {
        let table = list_table(&ModelStore::new("nowhere".into(), "http://127.0.0.1".parse().unwrap()));
        let longest = table.lines().map(|line| line.chars().count()).max();
        assert!(longest <= Some(80), "{table}");
        let default = table.lines().find(|line| line.starts_with("base-q8_0 ")).unwrap();
        assert!(default.contains(" 82 MB") && default.ends_with("clear speech; the default"), "{default}");
        assert!(table.lines().skip(1).take_while(|line| !line.is_empty()).all(|line| line.len() > 47), "{table}");
    }
}
