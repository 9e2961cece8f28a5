//! Whisper and the voice activity detector on the real ONNX Runtime: against references, with damaged files, through the
//! engine, and confined.

mod engine;
mod isolation;
mod parity;
mod speech;
mod weights;

use std::path::{Path, PathBuf};
use std::time::Duration;

use stenobot_domain::SpeechLanguage;
use stenobot_engine::{EngineJob, EngineSettings};
use stenobot_models::{DETECTOR, ModelStore, PreparedModel, VerifiedModel};

/// Longest audio, and longest work on it.
const LIMIT: Duration = Duration::from_secs(600);

fn repository(path: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    assert!(path.exists(), "{} is missing: run `./dev test`", path.display());
    path
}

fn library() -> PathBuf {
    repository("data/lib/libonnxruntime.so.1.28.0")
}

/// A store that downloads nothing.
fn offline(folder: PathBuf) -> ModelStore {
    ModelStore::new(folder, "http://127.0.0.1:1/".parse().unwrap())
}

/// Whisper base in ggml's form, its weights file for ONNX Runtime, and the detector.
async fn models() -> (VerifiedModel, PreparedModel, VerifiedModel) {
    let store = offline(repository("data/models"));
    let model = store.find("base-q8_0").await.expect("the model is there: run `./dev test`");
    let prepared = store.find_prepared(&model).await.unwrap().expect("the weights file is there: run `./dev test`");
    let detector = store.find(DETECTOR).await.expect("the detector is there: run `./dev test`");
    (model, prepared, detector)
}

/// One engine with the detector, on whisper.cpp and on ONNX Runtime.
async fn settings(threads: usize) -> (EngineSettings, EngineSettings) {
    let (model, prepared, detector) = models().await;
    let whisper_cpp = EngineSettings::new(env!("CARGO_BIN_EXE_stenobot").into(), model.path, 1, threads);
    let onnx = whisper_cpp.clone().on_onnx_runtime(&library(), &prepared);
    (whisper_cpp.with_detector(&detector), onnx.with_detector(&detector))
}

fn sample(name: &str) -> PathBuf {
    repository("samples").join(name).with_extension("ogg")
}

/// A sample as 16 kHz mono samples.
fn decoded(name: &str) -> Vec<f32> {
    stenobot_audio::decode(&sample(name), LIMIT).unwrap().samples
}

/// Names of the samples, sorted.
fn sample_names() -> Vec<String> {
    let files = std::fs::read_dir(repository("samples")).unwrap().map(|entry| entry.unwrap().path());
    let voices = files.filter(|path| path.extension().is_some_and(|extension| extension == "ogg"));
    let mut names: Vec<String> = voices.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

fn job(name: &str) -> EngineJob {
    EngineJob::new(&sample(name), SpeechLanguage::Auto, LIMIT, LIMIT)
}
