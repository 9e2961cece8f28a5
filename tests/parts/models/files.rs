//! Verification of the files in the store.

use std::path::Path;

use stenobot_models::{ModelKind, ModelStoreError, Origin, Quantisation, Remedy, VerifiedModel};

use super::synthetic::{Form, Synthetic};
use super::{asset, names, offline};

/// A small model in the store below `dir`, imported under a name.
async fn imported(dir: &Path, name: &str) -> VerifiedModel {
    Synthetic::small(Form::F16).write(&dir.join("folder"));
    let name = Some(name.parse().unwrap());
    offline(&dir.join("store")).import(&dir.join("folder"), None, name, |_| {}).await.unwrap()
}

#[tokio::test]
async fn a_truncated_or_altered_model_is_not_handed_out() {
    let dir = tempfile::tempdir().unwrap();
    let store = offline(&dir.path().join("store"));
    let model = imported(dir.path(), "mine").await;
    assert_eq!(store.find("mine").await.unwrap().sha256, model.sha256);
    assert_eq!(store.find(model.path.to_str().unwrap()).await.unwrap().sha256, model.sha256, "by path");

    let whole = std::fs::read(&model.path).unwrap();
    let mut altered = whole.clone();
    altered[whole.len() - 1] ^= 1;
    for bytes in [&altered, &whole[..whole.len() - 4].to_vec(), &Vec::new()] {
        std::fs::write(&model.path, bytes).unwrap();
        let error = store.find("mine").await.unwrap_err();
        assert!(matches!(error, ModelStoreError::Damaged { remedy: Remedy::Import, .. }), "{error}");
        assert!(error.to_string().ends_with("delete it and import it again"), "{error}");
        let error = store.ensure("mine", |_| {}).await.unwrap_err();
        assert!(matches!(error, ModelStoreError::Damaged { .. }), "it is not published: {error}");
    }
    std::fs::write(&model.path, &whole).unwrap();
    store.find("mine").await.unwrap();
}

#[tokio::test]
async fn a_file_elsewhere_is_accepted_when_its_tables_add_up() {
    let dir = tempfile::tempdir().unwrap();
    let model = imported(dir.path(), "mine").await;
    let store = offline(&dir.path().join("another"));
    std::fs::create_dir(dir.path().join("another")).unwrap();
    let file = dir.path().join("own.bin");
    let spec = file.to_str().unwrap();

    let error = store.find(spec).await.unwrap_err();
    assert_eq!(error.to_string(), "there is no file or folder own.bin");
    std::fs::copy(&model.path, &file).unwrap();
    let found = store.find(spec).await.unwrap();
    assert_eq!((&*found.name, found.origin, found.sha256), ("own.bin", Origin::Found, model.sha256));
    assert!(matches!(found.kind, ModelKind::Whisper { memory_bytes } if memory_bytes > found.bytes));

    // From now on its hash is known.
    let mut bytes = std::fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&file, &bytes).unwrap();
    let error = store.find(spec).await.unwrap_err();
    let ModelStoreError::Damaged { remedy: Remedy::Forget { note }, .. } = &error else { panic!("{error}") };
    assert!(
        error.to_string().ends_with(&format!("if you replaced it yourself, delete {note} in the folder of models"))
    );
    std::fs::remove_file(dir.path().join("another").join(note)).unwrap();
    store.find(spec).await.unwrap();

    for (content, wanted) in [
        (&b"RIFF....WAVE"[..], "does not begin like a ggml model"),
        (&bytes[..bytes.len() - 4], "cut short"),
        (&bytes[..40], "cut short"),
        (&[&bytes[..], b"more"].concat(), "cut short"),
        (&[&bytes[..4], &[0xff; 44], &bytes[48..]].concat(), "impossible sizes"),
        (&whole_tensors_only(&bytes), "tensors are not the"),
    ] {
        let other = dir.path().join("other.bin");
        std::fs::write(&other, content).unwrap();
        let error = store.find(other.to_str().unwrap()).await.unwrap_err().to_string();
        assert!(error.starts_with("other.bin cannot be used") && error.contains(wanted), "{error}");
    }
}

/// The file without its last tensor, `encoder.ln_post.bias`.
fn whole_tensors_only(bytes: &[u8]) -> Vec<u8> {
    let header = 12 + 4 + "encoder.ln_post.bias".len() + 64 * 4;
    bytes[..bytes.len() - header].to_vec()
}

#[tokio::test]
async fn an_unknown_name_gives_an_error_that_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let store = offline(dir.path());
    for (name, wanted) in [
        ("base-q8_0", "the model base-q8_0 is not here yet; fetch it with `stenobot model pull base-q8_0`"),
        ("medium-q4_0", "the model medium-q4_0 is not here yet; fetch it with `stenobot model pull medium-q4_0`"),
        ("basic", "there is no model named basic; `stenobot model list` shows those there are"),
        (
            "base q8",
            "`base q8` is no model name: give letters, digits, dots, dashes and underscores, such as base-q8_0",
        ),
    ] {
        assert_eq!(store.find(name).await.unwrap_err().to_string(), wanted);
    }
    assert!(names(dir.path()).is_empty(), "looking writes nothing");
}

/// A published file that was copied into the folder needs no import.
#[tokio::test]
async fn a_published_file_put_there_by_hand_is_recognised() {
    let dir = tempfile::tempdir().unwrap();
    let store = offline(dir.path());
    let path = dir.path().join("ggml-base-q8_0.bin");
    std::os::unix::fs::symlink(asset("models/ggml-base-q8_0.bin"), &path).unwrap();
    let model = store.find("base-q8_0").await.unwrap();
    assert_eq!(model.origin, Origin::Published);
    assert_eq!(names(dir.path()), ["ggml-base-q8_0.bin", "ggml-base-q8_0.bin.json"]);

    let listed = store.list();
    let base = listed.iter().find(|listed| listed.name.to_string() == "base-q8_0").unwrap();
    assert!(base.present && base.bytes == model.bytes);

    std::fs::remove_file(&path).unwrap();
    std::fs::remove_file(dir.path().join("ggml-base-q8_0.bin.json")).unwrap();
    std::fs::write(&path, b"not it").unwrap();
    let error = store.find("base-q8_0").await.unwrap_err();
    assert!(matches!(error, ModelStoreError::Damaged { remedy: Remedy::Pull, .. }), "{error}");
    assert!(store.list().iter().all(|listed| !listed.present));
}

/// A second quantisation starts from the dequantised values.
#[tokio::test]
async fn a_quantised_model_can_be_quantised_again() {
    let dir = tempfile::tempdir().unwrap();
    let model = imported(dir.path(), "mine").await;
    let store = offline(&dir.path().join("store"));
    let eight = store.ensure("mine-q8_0", |_| {}).await.unwrap();
    assert_eq!(eight.origin, Origin::Quantised { from: "mine".into(), from_sha256: model.sha256 });
    let direct = store.ensure("mine-q4_0", |_| {}).await.unwrap();
    std::fs::remove_file(&direct.path).unwrap();
    std::fs::remove_file(&model.path).unwrap();
    let again = store.ensure("mine-q4_0", |_| {}).await.unwrap();
    assert_eq!(again.origin, Origin::Quantised { from: "mine-q8_0".into(), from_sha256: eight.sha256 });
    assert_eq!(again.bytes, Synthetic::small(Form::F16).architecture().file_bytes(Some(Quantisation::q4_0)));
    let (a, b) = (direct.bytes, again.bytes);
    assert_eq!(a, b);
}
