//! The model, and with it the memory that it needs.

use stenobot_host::Memory;
use stenobot_models::{
    Architecture, DETECTOR, ListedModel, ModelKind, ModelName, ModelStore, ModelStoreError, OnnxMemory, VerifiedModel,
};

use super::memory::{Need, admit};
use super::{Finding, Refusal, Verdict, size};
use crate::config::{Config, EngineChoice, VoiceActivity};
use crate::engine_setup::{EngineSetup, LibrarySearch, Runtime, TESTED_VERSION, find_library, model_store};

/// Memory of one engine, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Footprint {
    /// The model in memory.
    pub(crate) model: u64,
    /// Caches and working buffers.
    pub(crate) work: u64,
}

impl Footprint {
    /// # Errors
    /// [`Refusal::NoWhisperModel`].
    pub(crate) fn of(setup: &EngineSetup) -> Result<Self, Refusal> {
        match &setup.runtime {
            Runtime::Onnx { weights, .. } => Ok(Self::on_onnx_runtime(&weights.architecture)),
            Runtime::WhisperCpp { .. } => Self::on_whisper_cpp(&setup.model),
        }
    }

    /// # Errors
    /// [`Refusal::NoWhisperModel`].
    pub(crate) fn on_whisper_cpp(model: &VerifiedModel) -> Result<Self, Refusal> {
        match model.kind {
            ModelKind::Whisper { memory_bytes } => {
                Ok(Self { model: model.bytes, work: memory_bytes.saturating_sub(model.bytes) })
            }
            ModelKind::VoiceActivity => Err(Refusal::NoWhisperModel { name: model.name.clone() }),
        }
    }

    pub(crate) fn on_onnx_runtime(architecture: &Architecture) -> Self {
        let OnnxMemory { loaded, window } = architecture.onnx_memory();
        Self { model: loaded, work: window }
    }
}

/// Refuses a model that can never fit into memory; gives the warning if it does not fit now.
///
/// # Errors
/// [`Refusal::Memory`].
pub(crate) fn too_large(footprint: Footprint, engines: usize) -> Result<Option<String>, Refusal> {
    let need = Need::of(engines, footprint);
    // Unknown memory is no reason to refuse.
    let Ok(memory) = Memory::here() else { return Ok(None) };
    let finding = admit(memory, need, false)?;
    Ok(match finding.verdict {
        Verdict::Ok | Verdict::Skipped => None,
        Verdict::Warning | Verdict::Failed => Some(finding.text),
    })
}

/// Findings on what runs the model, the model, and memory.
pub(super) async fn check(config: Config, running: bool) -> Vec<Finding> {
    let store = model_store(&config);
    let search = match std::env::current_exe() {
        Ok(program) => find_library(&config, &program).await,
        Err(error) => LibrarySearch::Missing { reason: format!("this program cannot be found: {error}") },
    };
    let workers = config.engine.workers;
    let on_onnx_runtime = matches!(search, LibrarySearch::Found(_));
    let (model, need) = match found(&store, &config.engine.model).await {
        Ok(model) => {
            let said = format!("{}, {}, {}", model.name, size(model.bytes), verified(&model));
            match footprint(&store, &model, on_onnx_runtime).await {
                Ok((footprint, note)) => (Finding::ok(format!("{said}{note}")), Some(Need::of(workers, footprint))),
                Err(refusal) => (Finding::failed(refusal), None),
            }
        }
        Err((finding, listed)) => {
            let footprint = listed.and_then(|listed| match on_onnx_runtime {
                true => listed.architecture.as_ref().map(Footprint::on_onnx_runtime),
                false => {
                    let work = listed.memory_bytes?.saturating_sub(listed.bytes);
                    Some(Footprint { model: listed.bytes, work })
                }
            });
            (finding, footprint.map(|footprint| Need::of(workers, footprint)))
        }
    };
    let engine = runtime(search, config.engine.choice);
    let memory = match (need, Memory::here()) {
        (Some(need), Ok(memory)) => admit(memory, need, running).into(),
        (Some(need), Err(error)) => Finding::warning(format!("{need}, but what there is cannot be read: {error}")),
        (None, _) => Finding::skipped("not known without a model"),
    };
    vec![engine, model, memory]
}

fn runtime(search: LibrarySearch, choice: EngineChoice) -> Finding {
    match (search, choice) {
        (LibrarySearch::Found(library), _) => {
            let said = format!("{} from {}", library.backend(), library.path.display());
            match library.version == TESTED_VERSION {
                true => Finding::ok(said),
                false => Finding::warning(format!("{said}; the tested version is {TESTED_VERSION}")),
            }
        }
        (LibrarySearch::NotWanted, _) => Finding::ok("whisper.cpp, as the settings say"),
        (LibrarySearch::Missing { reason }, EngineChoice::Onnx) => {
            Finding::failed(format!("{reason}: `./dev` fetches it, docs/models.md says how without it"))
        }
        (LibrarySearch::Missing { reason }, EngineChoice::Auto | EngineChoice::WhisperCpp) => {
            Finding::warning(format!(
                "whisper.cpp, several times slower than ONNX Runtime ({reason}: `./dev` fetches it, docs/models.md says how \
             without it)"
            ))
        }
    }
}

/// Memory for a model that is here, and a note on its weights for ONNX Runtime.
async fn footprint(
    store: &ModelStore,
    model: &VerifiedModel,
    on_onnx_runtime: bool,
) -> Result<(Footprint, String), Refusal> {
    let plain = Footprint::on_whisper_cpp(model)?;
    if !on_onnx_runtime {
        return Ok((plain, String::new()));
    }
    Ok(match store.find_prepared(model).await {
        Ok(Some(weights)) => {
            let note = format!("; weights for ONNX Runtime: {}, {}", weights.form.name(), size(weights.bytes));
            (Footprint::on_onnx_runtime(&weights.architecture), note)
        }
        Ok(None) | Err(_) => {
            let listed = store.list().into_iter().find(|listed| listed.name.to_string() == model.name);
            let architecture = listed.and_then(|listed| listed.architecture);
            let footprint = architecture.as_ref().map_or(plain, Footprint::on_onnx_runtime);
            (footprint, "; the first start makes the weights for ONNX Runtime".to_owned())
        }
    })
}

/// The voice activity detector, without which the bot starts only where the settings say so.
pub(super) async fn detector(config: Config) -> Finding {
    match config.engine.voice_activity {
        VoiceActivity::Off => return Finding::ok("off: noise may become sentences that nobody said"),
        VoiceActivity::On => {}
    }
    match found(&model_store(&config), DETECTOR).await {
        Ok(detector) => Finding::ok(format!("{}, {}", detector.name, verified(&detector))),
        Err((otherwise, _)) => otherwise,
    }
}

/// A model of the store, or the finding on its absence, with what is known of it.
async fn found(store: &ModelStore, spec: &str) -> Result<VerifiedModel, (Finding, Option<ListedModel>)> {
    match store.find(spec).await {
        Ok(model) => Ok(model),
        Err(ModelStoreError::Missing(name)) => Err(missing(store, &name).await),
        Err(error) => Err((Finding::failed(error), None)),
    }
}

fn verified(model: &VerifiedModel) -> String {
    format!("SHA-256 {}... as it should be", &model.sha256[..12])
}

/// The finding on a model that the first start would download.
async fn missing(store: &ModelStore, name: &ModelName) -> (Finding, Option<ListedModel>) {
    let listed = store.list().into_iter().find(|listed| listed.name == *name);
    let finding = match store.offers(name).await {
        Ok(()) => {
            let size = listed.as_ref().map_or(String::new(), |listed| format!(" ({})", size(listed.bytes)));
            let error = ModelStoreError::Missing(name.clone());
            Finding::warning(format!("{error}, or leave that{size} to the first start"))
        }
        Err(why) => Finding::failed(format!(
            "{name} is neither here nor to be downloaded now ({why}): check the network and model_base_url"
        )),
    };
    (finding, listed)
}
