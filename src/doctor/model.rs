//! The model, and with it the memory that it needs.

use stenobot_host::Memory;
use stenobot_models::{DETECTOR, ModelKind, ModelName, ModelStore, ModelStoreError, VerifiedModel};

use super::memory::{Need, admit};
use super::{Finding, Refusal, Verdict};
use crate::config::{Config, VoiceActivity};

/// Bytes that one engine with this model needs, its file included.
///
/// # Errors
/// [`Refusal::NoWhisperModel`].
pub(crate) fn speech_model(model: &VerifiedModel) -> Result<u64, Refusal> {
    match model.kind {
        ModelKind::Whisper { memory_bytes } => Ok(memory_bytes),
        ModelKind::VoiceActivity => Err(Refusal::NoWhisperModel { name: model.name.clone() }),
    }
}

/// Refuses a model that can never fit into memory; gives the warning if it does not fit now.
///
/// # Errors
/// [`Refusal::Memory`], [`Refusal::NoWhisperModel`].
pub(crate) fn too_large(model: &VerifiedModel, engines: usize) -> Result<Option<String>, Refusal> {
    let need = Need::of(engines, model.bytes, speech_model(model)?);
    // Unknown memory is no reason to refuse.
    let Ok(memory) = Memory::here() else { return Ok(None) };
    let finding = admit(memory, need, false)?;
    Ok(match finding.verdict {
        Verdict::Ok => None,
        Verdict::Warning | Verdict::Failed => Some(finding.text),
    })
}

/// Findings on model and memory.
pub(super) async fn check(config: Config, running: bool) -> Vec<Finding> {
    let engine = &config.engine;
    let store =
        ModelStore::new(config.storage.models(), engine.model_base_url.clone()).with_proxies(config.proxies.clone());
    let (model, need) = match found(&store, &engine.model, engine.workers).await {
        Ok(model) => match speech_model(&model) {
            Ok(memory) => {
                let said = format!("{}, {} MB, {}", model.name, megabytes(model.bytes), verified(&model));
                (Finding::ok(said), Some(Need::of(engine.workers, model.bytes, memory)))
            }
            Err(refusal) => (Finding::failed(refusal), None),
        },
        Err(otherwise) => otherwise,
    };
    let memory = match (need, Memory::here()) {
        (Some(need), Ok(memory)) => admit(memory, need, running).into(),
        (Some(need), Err(error)) => Finding::warning(format!("{need}, but what there is cannot be read: {error}")),
        (None, _) => Finding::warning("not known without a model"),
    };
    vec![model, memory]
}

/// The voice activity detector, without which the bot starts only where the settings say so.
pub(super) async fn detector(config: Config) -> Finding {
    match config.engine.voice_activity {
        VoiceActivity::Off => return Finding::ok("off: noise may become sentences that nobody said"),
        VoiceActivity::On => {}
    }
    let store = ModelStore::new(config.storage.models(), config.engine.model_base_url.clone())
        .with_proxies(config.proxies.clone());
    match found(&store, DETECTOR, config.engine.workers).await {
        Ok(detector) => Finding::ok(format!("{}, {}", detector.name, verified(&detector))),
        Err((otherwise, _)) => otherwise,
    }
}

/// A model of the store, or the finding on its absence, with the memory that it would need if that is known.
async fn found(store: &ModelStore, spec: &str, engines: usize) -> Result<VerifiedModel, (Finding, Option<Need>)> {
    match store.find(spec).await {
        Ok(model) => Ok(model),
        Err(ModelStoreError::Missing(name)) => Err(missing(store, &name, engines).await),
        Err(error) => Err((Finding::failed(error), None)),
    }
}

fn verified(model: &VerifiedModel) -> String {
    format!("SHA-256 {}... as it should be", &model.sha256[..12])
}

/// The finding on a model that the first start would download.
async fn missing(store: &ModelStore, name: &ModelName, engines: usize) -> (Finding, Option<Need>) {
    let listed = store.list().into_iter().find(|listed| listed.name == *name);
    let need = listed.as_ref().and_then(|listed| Some(Need::of(engines, listed.bytes, listed.memory_bytes?)));
    let finding = match store.offers(name).await {
        Ok(()) => {
            let size = listed.map_or(String::new(), |listed| format!(" ({} MB)", megabytes(listed.bytes)));
            let error = ModelStoreError::Missing(name.clone());
            Finding::warning(format!("{error}, or leave that{size} to the first start"))
        }
        Err(why) => Finding::failed(format!(
            "{name} is neither here nor to be downloaded now ({why}): check the network and model_base_url"
        )),
    };
    (finding, need)
}

fn megabytes(bytes: u64) -> u64 {
    bytes.div_ceil(1_000_000)
}
