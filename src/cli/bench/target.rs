//! What is measured: models that are here, or one of random numbers that is made for it.

use std::path::{Path, PathBuf};

use anyhow::bail;
use stenobot_models::{DETECTOR, ModelKind, ModelName, ModelStore, Quantisation};

use super::progress::Progress;
use crate::config::{Config, EngineChoice, VoiceActivity};
use crate::doctor::Footprint;
use crate::engine_setup::{EngineSetup, LibrarySearch, MissingModel, Runtime, find_library, model_store};

/// A model whose file was checked or just made.
pub(super) struct Target {
    /// As the setting `model` names it.
    pub(super) name: String,
    pub(super) is_random: bool,
    /// What the engine loads.
    pub(super) file: PathBuf,
    pub(super) bytes: u64,
    /// ONNX Runtime's; `None` for whisper.cpp.
    pub(super) library: Option<PathBuf>,
    pub(super) footprint: Footprint,
    /// Why whisper.cpp runs it although the settings allow another.
    pub(super) note: Option<String>,
}

/// Names of all Whisper models in the folder of models.
pub(super) async fn names_of_all(config: &Config) -> anyhow::Result<Vec<String>> {
    let store = model_store(config);
    let mut names = Vec::new();
    for listed in store.list().into_iter().filter(|listed| listed.present) {
        let name = listed.name.to_string();
        let is_whisper = match listed.memory_bytes {
            Some(_) => true,
            None if name == DETECTOR => false,
            None => matches!(store.find(&name).await?.kind, ModelKind::Whisper { .. }),
        };
        names.extend(is_whisper.then_some(name));
    }
    if names.is_empty() {
        bail!("there is no Whisper model in {}: `stenobot model pull` fetches one", config.storage.models().display());
    }
    Ok(names)
}

impl Target {
    /// A model that is here. Weights for ONNX Runtime that are missing are made.
    pub(super) async fn find(config: &Config, name: &str, program: &Path, progress: &Progress) -> anyhow::Result<Self> {
        let mut config = config.clone();
        config.engine.model = name.to_owned();
        // The detector is no part of the measured steps.
        config.engine.voice_activity = VoiceActivity::Off;
        let report = |event| progress.making(&event);
        let setup = EngineSetup::prepare(&config, program.to_owned(), MissingModel::Refuse, report).await?;
        let footprint = Footprint::of(&setup)?;
        let (file, bytes, library, note) = match setup.runtime {
            Runtime::Onnx { library, weights } => (weights.path, weights.bytes, Some(library.path), None),
            Runtime::WhisperCpp { reason } => (setup.model.path, setup.model.bytes, None, reason),
        };
        Ok(Self { name: setup.model.name, is_random: false, file, bytes, library, footprint, note })
    }

    /// A model of random numbers with the sizes of a family, made in `folder`.
    pub(super) async fn make(
        config: &Config,
        family: &ModelName,
        folder: &Path,
        program: &Path,
        progress: &Progress,
    ) -> anyhow::Result<Self> {
        let store = ModelStore::new(folder.to_owned(), config.engine.model_base_url.clone());
        let name = family.with(Some(Quantisation::q8_0)).to_string();
        let report = |event| progress.making(&event);
        let note = match find_library(config, program).await {
            LibrarySearch::Found(library) => {
                let weights = store.make_random_weights(family, report).await?;
                return Ok(Self {
                    name,
                    is_random: true,
                    file: weights.path,
                    bytes: weights.bytes,
                    library: Some(library.path),
                    footprint: Footprint::on_onnx_runtime(&weights.architecture),
                    note: None,
                });
            }
            LibrarySearch::Missing { reason } => match config.engine.choice {
                EngineChoice::Onnx => bail!("{reason}; `./dev` fetches it, or set engine = \"auto\""),
                EngineChoice::Auto | EngineChoice::WhisperCpp => Some(reason),
            },
            LibrarySearch::NotWanted => None,
        };
        let model = store.make_random_model(family, report).await?;
        let footprint = Footprint::on_whisper_cpp(&model)?;
        Ok(Self { name, is_random: true, file: model.path, bytes: model.bytes, library: None, footprint, note })
    }
}
