//! Model files that are made to crash their reader.

use std::path::{Path, PathBuf};
use std::time::Duration;

use stenobot_domain::SpeechLanguage;
use stenobot_engine::{EngineEvent, EngineJob, EnginePool, EngineSettings};
use stenobot_models::Quantisation;

use super::synthetic::{Form, Synthetic};
use super::{asset, offline};

/// A small model whose every size is a Whisper model's.
async fn small(dir: &Path) -> PathBuf {
    Synthetic::small(Form::F16).write(&dir.join("folder"));
    offline(&dir.join("store")).import(&dir.join("folder"), None, None, |_| {}).await.unwrap().path
}

/// How an engine with this model and detector answers a job.
async fn engine(model: &Path, detector: Option<&Path>) -> Result<(), String> {
    let mut settings = EngineSettings::new(env!("CARGO_BIN_EXE_stenobot").into(), model.to_owned(), 1, 1);
    settings.backoff = Duration::from_millis(1);
    if let Some(detector) = detector {
        settings.arguments.extend(["--detector".into(), detector.into()]);
    }
    let pool = EnginePool::start(settings, |_: &EngineEvent| {});
    let voice = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/en-short-01.ogg");
    let minute = Duration::from_secs(60);
    let answer = pool.transcribe(EngineJob::new(&voice, SpeechLanguage::Code("en".into()), minute, minute)).await;
    pool.shutdown().await;
    answer.map(drop).map_err(|error| error.to_string())
}

const HEADER: [&str; 11] = [
    "tokens",
    "audio context",
    "audio state",
    "audio heads",
    "audio layers",
    "text context",
    "text state",
    "text heads",
    "text layers",
    "mel bands",
    "file type",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_sizes_are_refused_by_name_before_whisper_cpp_sees_them() {
    let dir = tempfile::tempdir().unwrap();
    let model = small(dir.path()).await;
    engine(&model, None).await.expect("the model itself can be loaded");
    let whole = std::fs::read(&model).unwrap();
    let file = dir.path().join("hostile.bin");
    let put = |bytes: &mut Vec<u8>, at: usize, value: u32| bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    let filters = 12 * 4;
    let texts = filters + 8 + 80 * 201 * 4;
    let mut cases = Vec::new();
    for (field, name) in HEADER.iter().enumerate() {
        for value in [0, 1, 63, 51_863, 51_867, 1 << 20, i32::MAX as u32, u32::MAX] {
            let mut bytes = whole.clone();
            put(&mut bytes, 4 + 4 * field, value);
            // One layer is what the encoder has, one head both, and 1 is the file's type.
            if bytes != whole {
                cases.push((format!("{name} {value}"), bytes));
            }
        }
    }
    for (what, at, value) in [
        ("filters", filters, 79),
        ("filter bins", filters + 4, 200),
        ("filter bins", filters + 4, u32::MAX),
        ("texts", texts, 51_865),
        ("texts", texts, u32::MAX),
        ("length of a text", texts + 4, u32::MAX),
        ("length of a text", texts + 4, 7),
    ] {
        let mut bytes = whole.clone();
        put(&mut bytes, at, value);
        cases.push((format!("{what} {value}"), bytes));
    }
    let tensors = whole.windows(28).position(|window| window == b"decoder.positional_embedding").unwrap() - 20;
    for (what, at, value) in [("rank", 0, 5), ("name", 4, u32::MAX), ("type", 8, 1), ("type", 8, 99), ("width", 12, 65)]
    {
        let mut bytes = whole.clone();
        put(&mut bytes, tensors + at, value);
        cases.push((format!("tensor's {what} {value}"), bytes));
    }
    let mut bytes = whole.clone();
    bytes.extend_from_slice(&whole[tensors..]);
    cases.push(("every tensor twice".to_owned(), bytes));

    let store = offline(&dir.path().join("another"));
    for (index, (what, bytes)) in cases.iter().enumerate() {
        std::fs::write(&file, bytes).unwrap();
        for refused in [store.import(&file, None, None, |_| {}).await, store.find(file.to_str().unwrap()).await] {
            let error = refused.unwrap_err();
            assert!(error.to_string().starts_with("hostile.bin cannot be used: "), "{what}: {error}");
        }
        // The check in an engine process: a few files are enough.
        if index % 7 == 0 {
            let message = engine(&file, None).await.unwrap_err();
            assert!(message.contains("hostile.bin cannot be used: "), "{what}: {message}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hostile_detector_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let model = small(dir.path()).await;
    let whole = std::fs::read(asset("models/ggml-silero-v6.2.0.bin")).unwrap();
    let file = dir.path().join("hostile.bin");
    std::fs::write(&file, &whole).unwrap();
    engine(&model, Some(&file)).await.expect("the published detector is accepted");
    let message = engine(&model, Some(&model)).await.unwrap_err();
    assert!(message.contains("is a Whisper model, no voice activity detector"), "{message}");
    let store = offline(&dir.path().join("another"));
    let first = 4 + 4 + "silero-16k".len() + 3 * 4;
    for field in 0..19 {
        for value in [0, 7, u32::MAX] {
            let mut bytes = whole.clone();
            bytes[first + 4 * field..][..4].copy_from_slice(&u32::to_le_bytes(value));
            std::fs::write(&file, &bytes).unwrap();
            let error = store.import(&file, None, None, |_| {}).await.unwrap_err().to_string();
            assert!(error.starts_with("hostile.bin cannot be used"), "{error}");
        }
        if field % 6 == 0 {
            let message = engine(&model, Some(&file)).await.unwrap_err();
            assert!(message.contains("hostile.bin cannot be used: "), "{message}");
        }
    }
}

/// Many names for one tensor's weights took gigabytes.
#[tokio::test]
async fn folders_with_doubled_variables_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("folder");
    Synthetic::small(Form::Int8).write(&folder);
    let whole = std::fs::read(folder.join("model.bin")).unwrap();
    let text = |text: &str| [&(text.len() as u16 + 1).to_le_bytes()[..], text.as_bytes(), b"\0"].concat();
    let alias = |name: &str| [text(name), text("decoder/embeddings/weight")].concat();
    let aliases = alias("decoder/projection/weight");
    let variables = &whole[..whole.len() - aliases.len() - 4];
    let with_aliases = |list: Vec<Vec<u8>>| [variables, &(list.len() as u32).to_le_bytes(), &list.concat()].concat();
    assert!(with_aliases(vec![aliases.clone()]) == whole);

    // Version, specification, revision; then the count of variables and the first of them.
    let count = 4 + text("WhisperSpec").len() + 4;
    let number = u32::from_le_bytes(whole[count..count + 4].try_into().unwrap());
    let flag = [text("decoder/activation"), vec![0, 1], 1_u32.to_le_bytes().to_vec(), vec![3]].concat();
    let twice = [&whole[..count], &(number + 1).to_le_bytes(), &flag, &whole[count + 4..]].concat();
    let most = [&whole[..count], &u32::MAX.to_le_bytes(), &whole[count + 4..]].concat();
    for (bytes, reason) in [
        (
            with_aliases((0..10_000).map(|i| alias(&format!("a{i}"))).collect()),
            "model.bin has 10000 aliases, more than",
        ),
        (with_aliases(vec![aliases.clone(), aliases]), "has the variable decoder/projection/weight twice"),
        (with_aliases(vec![alias("encoder/conv1/weight")]), "has the variable encoder/conv1/weight twice"),
        (twice, "has the variable decoder/activation twice"),
        (most, "model.bin has 4294967295 variables, more than"),
    ] {
        std::fs::write(folder.join("model.bin"), bytes).unwrap();
        let imported = offline(&dir.path().join("store")).import(&folder, Some(Quantisation::q8_0), None, |_| {}).await;
        let error = imported.unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}
