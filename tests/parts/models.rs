//! The model store: real and fabricated models, and a server that misbehaves.

#![allow(clippy::unwrap_used, reason = "these are tests, helpers included")]

mod files;
mod hostile;
mod import;
mod pull;
mod synthetic;

use std::path::{Path, PathBuf};

use stenobot_models::{ModelStore, VerifiedModel};

/// An asset below `data/`.
fn asset(path: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(path);
    assert!(path.exists(), "{} is missing: run `./dev test`, which fetches what the tests need", path.display());
    path
}

/// A store whose server refuses every connection.
fn offline(dir: &Path) -> ModelStore {
    ModelStore::new(dir.to_owned(), "http://127.0.0.1:9/nothing".parse().expect("a URL"))
}

/// A store with a small model of random weights, for English only, below `dir`.
pub(crate) async fn small_model(dir: &Path) -> (ModelStore, VerifiedModel) {
    synthetic::Synthetic::small(synthetic::Form::F16).write(&dir.join("folder"));
    let store = offline(&dir.join("store"));
    let model = store.import(&dir.join("folder"), None, Some("small".parse().unwrap()), |_| {}).await.unwrap();
    (store, model)
}

/// Names of the files in a folder, sorted.
fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}
