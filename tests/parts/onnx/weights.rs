//! Weights files: their forms, damaged ones, and when the store makes one anew.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;
use stenobot_domain::SpeechLanguage;
use stenobot_engine::{EngineEvent, EnginePool, EngineSettings};
use stenobot_models::{ModelStore, PreparedModel, Sign, VerifiedModel, WeightsForm};
use stenobot_speech::{LanguageHint, Observer, RecognizerError, Runtime, Transcriber};
use tempfile::TempDir;

use super::{decoded, job, library, repository};
use crate::models::small_model;

/// The sign that is not this processor's.
fn other_sign() -> Sign {
    match Sign::of_this_processor() {
        Sign::Signed => Sign::Unsigned,
        Sign::Unsigned => Sign::Signed,
    }
}

async fn make(store: &ModelStore, model: &VerifiedModel, form: WeightsForm, path: PathBuf) -> PreparedModel {
    store.make_prepared(model, form, path, &mut |_| {}).await.unwrap()
}

fn load(file: &Path) -> Result<Transcriber, RecognizerError> {
    Transcriber::load(Runtime::Onnx { library: &library() }, file, None, 1)
}

/// The table of a weights file and the bytes behind it.
fn table(file: &[u8]) -> (Value, &[u8]) {
    let (length, rest) = file.split_first_chunk::<8>().unwrap();
    let (table, tensors) = rest.split_at(u64::from_le_bytes(*length) as usize);
    (serde_json::from_slice(table).unwrap(), tensors)
}

#[tokio::test]
async fn both_signs_hold_the_same_numbers_and_signed_ones_need_vnni() {
    let folder = tempfile::tempdir().unwrap();
    let (store, model) = small_model(folder.path()).await;
    let path = |name: &str| folder.path().join(name).with_extension("safetensors");
    let signed = make(&store, &model, WeightsForm::Int8(Sign::Signed), path("signed")).await;
    let unsigned = make(&store, &model, WeightsForm::Int8(Sign::Unsigned), path("unsigned")).await;
    assert_eq!([signed.form.name(), unsigned.form.name()], ["int8", "uint8"]);

    let files = [&signed, &unsigned].map(|prepared| std::fs::read(&prepared.path).unwrap());
    let [(table, tensors), (other_table, other_tensors)] = [table(&files[0]), table(&files[1])];
    assert_eq!(table.as_object().unwrap().len(), other_table.as_object().unwrap().len());
    let mut matrices = 0;
    for (name, tensor) in table.as_object().unwrap().iter().filter(|(name, _)| *name != "__metadata__") {
        let bytes = |tensor: &Value, tensors: &[u8]| {
            let [from, to] = [0, 1].map(|end| tensor["data_offsets"][end].as_u64().unwrap() as usize);
            tensors[from..to].to_vec()
        };
        let is_matrix = tensor["dtype"] == "I8";
        matrices += usize::from(is_matrix);
        let flip = if is_matrix { 0x80 } else { 0 };
        let expected: Vec<u8> = bytes(tensor, tensors).iter().map(|byte| byte ^ flip).collect();
        assert!(expected == bytes(&other_table[name], other_tensors), "{name}");
    }
    // Four of the encoder's layer, seven of each of the decoder's two, the embedding.
    assert_eq!(matrices, 4 + 2 * 7 + 1);

    load(&unsigned.path).unwrap();
    load(&make(&store, &model, WeightsForm::Float32, path("float32")).await.path).unwrap();
    match Sign::of_this_processor() {
        Sign::Signed => drop(load(&signed.path).unwrap()),
        Sign::Unsigned => {
            let refusal = refused("signed.safetensors", "it was made for processors with VNNI");
            assert_eq!(load(&signed.path).unwrap_err(), refusal);
        }
    }
}

#[tokio::test]
async fn an_engine_with_a_damaged_weights_file_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let (store, model) = small_model(folder.path()).await;
    let weights = make(&store, &model, WeightsForm::Float32, folder.path().join("cut.safetensors")).await;
    std::fs::File::options().write(true).open(&weights.path).unwrap().set_len(weights.bytes - 1).unwrap();
    let settings = EngineSettings::new(env!("CARGO_BIN_EXE_stenobot").into(), model.path, 1, 1);
    let settings = settings.on_onnx_runtime(&library(), &weights);
    let settings = EngineSettings { backoff: Duration::from_millis(1), ..settings };
    let pool = EnginePool::start(settings, |_: &EngineEvent| {});
    let error = pool.transcribe(job("en-short-01")).await.unwrap_err().to_string();
    assert!(
        error.starts_with("no engine is available: ") && error.contains("cut.safetensors cannot be used"),
        "{error}"
    );
    assert!(error.ends_with("make it again with `stenobot model prepare`"), "{error}");
    pool.shutdown().await;
}

fn refused(file: &str, reason: &str) -> RecognizerError {
    RecognizerError::Weights { file: file.to_owned(), reason: reason.to_owned() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn several_makers_of_one_file_wait_for_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let (store, model) = small_model(folder.path()).await;
    let made = futures::future::join_all((0..4).map(|_| {
        let (store, model) = (store.clone(), model.clone());
        tokio::spawn(async move { store.prepare(&model, |_| {}).await.unwrap() })
    }));
    let paths: Vec<PathBuf> = made.await.into_iter().map(|made| made.unwrap().path).collect();
    assert!(paths.iter().all(|path| *path == paths[0]), "{paths:?}");
    load(&paths[0]).unwrap();
    let left: Vec<_> = std::fs::read_dir(paths[0].parent().unwrap()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().ends_with(".new")), "{left:?}");
}

/// A weights file of floats, to be damaged.
struct Damaged {
    folder: TempDir,
    whole: Vec<u8>,
}

impl Damaged {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (store, model) = small_model(folder.path()).await;
        let path = folder.path().join("whole.safetensors");
        let whole = std::fs::read(make(&store, &model, WeightsForm::Float32, path).await.path).unwrap();
        Self { folder, whole }
    }

    fn write(&self, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join("damaged.safetensors");
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// The first occurrence of a text replaced by one of the same length.
    fn with(&self, text: &str, replacement: &str) -> Vec<u8> {
        assert_eq!(text.len(), replacement.len());
        let mut bytes = self.whole.clone();
        let at = bytes.windows(text.len()).position(|window| window == text.as_bytes()).unwrap();
        bytes[at..at + text.len()].copy_from_slice(replacement.as_bytes());
        bytes
    }

    /// Where a tensor begins in the file.
    fn offset(&self, tensor: &str) -> usize {
        let (table, tensors) = table(&self.whole);
        self.whole.len() - tensors.len() + table[tensor]["data_offsets"][0].as_u64().unwrap() as usize
    }
}

#[tokio::test]
async fn a_file_that_is_cut_short_or_has_another_table_is_refused() {
    const OTHER: &str = "it is no weights file of this version";
    const CUT: &str = "the file ends too early; it was probably cut short";
    let damaged = Damaged::new().await;
    let whole = &damaged.whole;
    let length = u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    load(&damaged.write(whole)).unwrap();

    let due = |bytes: usize| format!("it has {bytes} bytes where {} are due", whole.len());
    let longer = [whole, &b"\0"[..]].concat();
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        bytes
    };
    let ggml = std::fs::read(repository("data/models/ggml-silero-v6.2.0.bin")).unwrap();
    let silero = repository("data/packages/silero-vad/silero_vad/data/silero_vad_16k.safetensors");
    let mut cases = vec![
        ("one byte less", whole[..whole.len() - 1].to_vec(), due(whole.len() - 1)),
        ("half", whole[..whole.len() / 2].to_vec(), due(whole.len() / 2)),
        ("the table alone", whole[..8 + length].to_vec(), due(8 + length)),
        ("one byte more", longer, due(whole.len() + 1)),
        ("half the table", whole[..length / 2].to_vec(), OTHER.to_owned()),
        ("seven bytes", whole[..7].to_vec(), CUT.to_owned()),
        ("nothing", Vec::new(), CUT.to_owned()),
        ("another layout", damaged.with("\"layout\":\"1\"", "\"layout\":\"2\""), OTHER.to_owned()),
        ("another form", damaged.with("\"form\":\"f32\"", "\"form\":\"f64\""), OTHER.to_owned()),
        ("another source", damaged.with("\"source\":\"f16\"", "\"source\":\"\\n16"), OTHER.to_owned()),
        ("more tokens", damaged.with("[51864,", "[51865,"), OTHER.to_owned()),
        ("no tokens", damaged.with("[51864,", "[00000,"), OTHER.to_owned()),
        ("another number format", damaged.with("\"dtype\":\"F32\"", "\"dtype\":\"F64\""), OTHER.to_owned()),
        ("another shape", damaged.with("\"shape\":[64,80,3]", "\"shape\":[80,64,3]"), OTHER.to_owned()),
        ("a length beyond the file", [&u64::MAX.to_le_bytes()[..], &whole[8..]].concat(), OTHER.to_owned()),
        ("a shorter table", [&64u64.to_le_bytes()[..], &whole[8..]].concat(), OTHER.to_owned()),
        ("a ggml file", ggml, OTHER.to_owned()),
        ("another safetensors file", std::fs::read(silero).unwrap(), OTHER.to_owned()),
    ];
    cases.extend((0..8 + length).step_by(length / 50).map(|at| ("a flipped bit", flipped(at), OTHER.to_owned())));
    for (what, bytes, reason) in cases {
        let error = load(&damaged.write(&bytes)).unwrap_err();
        let expected = refused("damaged.safetensors", &reason);
        assert_eq!(error, expected, "{what}");
    }
    let missing = load(&damaged.folder.path().join("missing.safetensors")).unwrap_err().to_string();
    assert!(missing.starts_with("missing.safetensors cannot be used: it cannot be read: "), "{missing}");
}

struct Uncancelled;

impl Observer for Uncancelled {
    fn is_cancelled(&self) -> bool {
        false
    }

    fn on_progress(&mut self, _position: Duration) {}
}

/// Hashes exclude this; were it not for them, it would still be no crash.
#[tokio::test]
async fn damaged_tensors_do_no_harm() {
    let mut damaged = Damaged::new().await;
    let lengths = damaged.offset("vocabulary.lengths");
    let mut bytes = damaged.whole.clone();
    bytes[lengths..lengths + 50_000].fill(255);
    let error = load(&damaged.write(&bytes)).unwrap_err();
    assert_eq!(error, refused("damaged.safetensors", "its vocabulary does not add up"));

    let first = damaged.offset("encoder.conv1.weight");
    damaged.whole[first..lengths].fill(0xff);
    let mut transcriber = load(&damaged.write(&damaged.whole)).unwrap();
    let hint = LanguageHint { language: &SpeechLanguage::Code("en".to_owned()), likely: &[] };
    let transcription = transcriber.transcribe(&decoded("en-short-01"), hint, &mut Uncancelled).unwrap();
    assert_eq!(transcription.segments, []);
}

fn inode(path: &Path) -> u64 {
    std::fs::metadata(path).unwrap().ino()
}

#[tokio::test]
async fn the_store_makes_weights_anew_when_their_record_does_not_hold() {
    let folder = tempfile::tempdir().unwrap();
    let (store, model) = small_model(folder.path()).await;
    let made = store.prepare(&model, |_| {}).await.unwrap();
    assert_eq!(made.form, WeightsForm::Int8(Sign::of_this_processor()));
    let (path, whole) = (made.path, std::fs::read(folder.path().join("store/onnx-small.safetensors")).unwrap());
    let record = path.with_extension("safetensors.json");
    let first = inode(&path);
    store.prepare(&model, |_| panic!("it is made again")).await.unwrap();
    assert_eq!(inode(&path), first);

    let mut altered = whole.clone();
    *altered.last_mut().unwrap() ^= 1;
    let foreign = std::fs::read_to_string(&record).unwrap().replace(&model.sha256, &"0".repeat(64));
    for (what, file, content) in [
        ("an altered byte", &path, &altered[..]),
        ("a file cut short", &path, &whole[..whole.len() / 2]),
        ("an empty file", &path, b""),
        ("the record of other source bytes", &record, foreign.as_bytes()),
        ("a record that cannot be parsed", &record, b"{"),
    ] {
        std::fs::write(file, content).unwrap();
        assert!(store.find_prepared(&model).await.unwrap().is_none(), "{what}");
        let made = store.prepare(&model, |_| {}).await.unwrap();
        assert!(made.path == path && std::fs::read(&path).unwrap() == whole, "{what}");
        assert!(store.find_prepared(&model).await.unwrap().is_some(), "{what}");
    }
    for gone in [&path, &record] {
        std::fs::remove_file(gone).unwrap();
        store.prepare(&model, |_| {}).await.unwrap();
        assert!(std::fs::read(&path).unwrap() == whole);
    }

    make(&store, &model, WeightsForm::Int8(other_sign()), path.clone()).await;
    assert!(store.find_prepared(&model).await.unwrap().is_some_and(|found| found.form != made.form));
    store.prepare(&model, |_| {}).await.unwrap();
    assert!(std::fs::read(&path).unwrap() == whole, "weights for another processor are replaced");

    // Another model under the same name.
    let mut bytes = std::fs::read(&model.path).unwrap();
    let number = bytes.len() - 2;
    bytes[number] ^= 0x40;
    let source = folder.path().join("ggml-other.bin");
    std::fs::write(&source, bytes).unwrap();
    let other = store.import(&source, None, Some("small".parse().unwrap()), |_| {}).await.unwrap();
    assert_ne!(other.sha256, model.sha256);
    assert!(store.find_prepared(&other).await.unwrap().is_none());
    assert_eq!(store.prepare(&other, |_| {}).await.unwrap().path, path);
    assert!(std::fs::read(&path).unwrap() != whole);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_sees_a_whole_file_while_another_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let (store, model) = small_model(folder.path()).await;
    let path = folder.path().join("read.safetensors");
    let forms = [WeightsForm::Int8(Sign::Signed), WeightsForm::Float32];
    let mut contents = Vec::new();
    for form in forms {
        contents.push(std::fs::read(make(&store, &model, form, path.clone()).await.path).unwrap());
    }
    let is_over = AtomicBool::new(false);
    let reads = tokio::task::block_in_place(|| {
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut seen = [0, 0];
                while !is_over.load(Ordering::Relaxed) {
                    let found = std::fs::read(&path).unwrap();
                    seen[contents.iter().position(|content| *content == found).expect("a whole file")] += 1;
                }
                seen
            });
            for _ in 0..5 {
                for form in forms {
                    let making = make(&store, &model, form, path.clone());
                    tokio::runtime::Handle::current().block_on(making);
                }
            }
            is_over.store(true, Ordering::Relaxed);
            reader.join().unwrap()
        })
    });
    assert!(reads.iter().all(|&count| count > 0), "{reads:?}");
}
