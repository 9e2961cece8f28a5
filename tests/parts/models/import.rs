//! Import of real packages and of every form of weights.

use std::path::Path;

use sha1::{Digest, Sha1};
use stenobot_models::{DETECTOR, ModelKind, ModelStoreError, Origin, Quantisation, VerifiedModel};

use super::synthetic::{Form, Synthetic};
use super::{asset, names, offline};

async fn import(path: &Path, quantisation: Option<Quantisation>, dir: &Path) -> Result<VerifiedModel, ModelStoreError> {
    offline(dir).import(path, quantisation, None, |_| {}).await
}

/// The SHA-1 values are those that whisper.cpp's authors publish.
#[tokio::test]
async fn the_packages_give_the_published_files_byte_for_byte() {
    let dir = tempfile::tempdir().unwrap();
    let model = import(&asset("packages/whisper-base"), None, dir.path()).await.unwrap();
    assert_eq!(model.name, "base");
    assert_eq!(model.sha1, "465707469ff3a37a2b9b8d8f89f2f99de7299dac");
    let model = import(&asset("packages/whisper-base"), Some(Quantisation::q8_0), dir.path()).await.unwrap();
    assert_eq!((&*model.name, model.bytes), ("base-q8_0", 81_768_585));
    assert_eq!(model.sha1, "7bb89bb49ed6955013b166f1b6a6c04584a20fbe");

    // From the ggml file, which takes the other way through the importer. The first is published; the others are
    // the results of ggml's quantize_row_*_ref for these tensors.
    let float16 = dir.path().join("ggml-base.bin");
    for (quantisation, bytes, sha1) in [
        (Quantisation::q5_1, 59_707_625, "a3733eda680ef76256db5fc5dd9de8629e62c5e7"),
        (Quantisation::q5_0, 55_295_433, "22dd2054f7ff690c737c707d49bd6ba5ebb471e7"),
        (Quantisation::q4_1, 50_883_241, "3d8eefc5228fbbced052435dc767368e79df7e42"),
        (Quantisation::q4_0, 46_471_049, "a7ee98fad13ed07023755846a18b8b6df298e6f6"),
    ] {
        let model = import(&float16, Some(quantisation), dir.path()).await.unwrap();
        assert_eq!((model.name, model.bytes, &*model.sha1), (format!("base-{quantisation}"), bytes, sha1));
        assert_eq!(model.origin, Origin::Imported { from: "ggml-base.bin".into() });
    }
}

/// The reference is the file's conversion with numpy.
#[tokio::test]
async fn the_detector_is_converted() {
    let dir = tempfile::tempdir().unwrap();
    let model = import(&asset("packages/silero-vad/silero_vad/data/silero_vad_16k.safetensors"), None, dir.path())
        .await
        .unwrap();
    assert_eq!((&*model.name, model.kind), (DETECTOR, ModelKind::VoiceActivity));
    assert_eq!(model.sha1, "01faac2e2979bcaba96bab5cb07c09ce02a870f2");
    let found = offline(dir.path()).find(DETECTOR).await.unwrap();
    assert_eq!(found.sha256, model.sha256);
}

#[tokio::test]
async fn all_forms_of_weights_give_one_model() {
    let dir = tempfile::tempdir().unwrap();
    let mut made = Vec::new();
    for form in [Form::F32, Form::F16, Form::Int8, Form::Int8Restored] {
        let model = Synthetic::small(form);
        let folder = dir.path().join(format!("{form:?}"));
        model.write(&folder);
        let imported = import(&folder, None, &dir.path().join("store")).await.unwrap();
        assert_eq!(imported.name, "imported");
        assert_eq!(imported.bytes, model.architecture().file_bytes(None));
        made.push(std::fs::read(imported.path).unwrap());
    }
    assert!(made[0] == made[1], "float32 weights are rounded to float16");
    assert!(made[2] == made[3], "int8 weights are divided by the scale of their row");
    assert!(made[0] != made[2]);
}

#[tokio::test]
async fn large_v3_s_mel_bands_and_vocabulary_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let model = Synthetic { form: Form::F16, tokens: 51_866, texts: 50_257, mel_bands: 128 };
    model.write(&dir.path().join("folder"));
    let imported = import(&dir.path().join("folder"), None, &dir.path().join("store")).await.unwrap();
    let bytes = std::fs::read(imported.path).unwrap();
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let end = 56 + 128 * 201 * 4;
    assert_eq!([number(4), number(40), number(48), number(52), number(end)], [51_866, 128, 128, 201, 50_257]);
    let filters = Sha1::digest(&bytes[56..end]);
    assert_eq!(filters[..4], [0xfb, 0xff, 0x7d, 0xdf], "the filters are those of OpenAI's table");
}

/// The folder that the Python tools keep: model.bin lies in a snapshot below it.
#[tokio::test]
async fn a_folder_of_the_download_cache_is_imported() {
    let dir = tempfile::tempdir().unwrap();
    let cache = dir.path().join("models--example--faster-whisper-small");
    Synthetic::small(Form::F16).write(&cache.join("snapshots/0123abc"));
    import(&cache, None, &dir.path().join("store")).await.unwrap();
    Synthetic::small(Form::F16).write(&cache.join("snapshots/4567def"));
    let error = import(&cache, None, &dir.path().join("store")).await.unwrap_err();
    assert!(error.to_string().contains("no model.bin"), "{error}");
}

#[tokio::test]
async fn damaged_folders_are_refused_and_leave_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, store) = (dir.path().join("folder"), dir.path().join("store"));
    let refused = async |wanted: &str| {
        let error = import(&folder, None, &store).await.unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
        assert!(!error.contains(dir.path().to_str().unwrap()), "{error}");
        assert!(!store.exists() || names(&store).is_empty());
    };
    std::fs::create_dir(&folder).unwrap();
    refused("no model.bin").await;
    Synthetic::small(Form::Int8).write(&folder);
    let whole = std::fs::read(folder.join("model.bin")).unwrap();

    std::fs::write(folder.join("model.bin"), &whole[..whole.len() / 2]).unwrap();
    refused("cut short").await;
    std::fs::write(folder.join("model.bin"), b"PK\x03\x04 something else").unwrap();
    refused("binary version").await;
    let mut other = whole.clone();
    other[6..17].copy_from_slice(b"MarianSpec\0");
    std::fs::write(folder.join("model.bin"), &other).unwrap();
    refused("not of Whisper").await;
    let mut other = whole.clone();
    let scale = find(&whole, b"encoder/conv1/weight_scale");
    other[scale..scale + 7].copy_from_slice(b"ENCODER");
    std::fs::write(folder.join("model.bin"), &other).unwrap();
    refused("no scale for each row").await;
    let mut other = whole.clone();
    let gamma = find(&whole, b"encoder/layer_norm/gamma");
    other[gamma..gamma + 7].copy_from_slice(b"ENCODER");
    std::fs::write(folder.join("model.bin"), &other).unwrap();
    refused("lacks the weights encoder/layer_norm/gamma").await;

    std::fs::write(folder.join("model.bin"), &whole).unwrap();
    std::fs::remove_file(folder.join("vocabulary.txt")).unwrap();
    refused("neither vocabulary.json nor vocabulary.txt").await;
}

fn find(bytes: &[u8], part: &[u8]) -> usize {
    bytes.windows(part.len()).position(|window| window == part).unwrap()
}

#[tokio::test]
async fn a_disk_that_fills_up_is_named_and_nothing_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, store) = (dir.path().join("folder"), dir.path().join("store"));
    Synthetic::small(Form::F16).write(&folder);
    std::fs::create_dir(&store).unwrap();
    std::os::unix::fs::symlink("/dev/full", store.join("ggml-imported.bin.new")).unwrap();
    let error = import(&folder, None, &store).await.unwrap_err();
    assert!(matches!(error, ModelStoreError::Full(_)), "{error}");
    assert_eq!(
        error.to_string(),
        "the disk became full while writing ggml-imported.bin; free some space and try again"
    );
    assert!(names(&store).is_empty());
}

/// No partial file is left.
#[test]
fn dropping_the_future_stops_the_work() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, store) = (asset("packages/whisper-base"), dir.path().join("store"));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    runtime.block_on(async {
        let (begun, mut begins) = tokio::sync::mpsc::unbounded_channel();
        let (store, target) = (offline(&store), Some(Quantisation::q4_0));
        tokio::select! {
            _ = store.import(&folder, target, None, |_| _ = begun.send(())) => panic!("it ended before it reported progress"),
            _ = begins.recv() => {}
        }
    });
    // Waits for the thread that writes.
    drop(runtime);
    assert!(names(&store).is_empty(), "{:?}", names(&store));
}
