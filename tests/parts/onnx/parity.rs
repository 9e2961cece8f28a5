//! The network on ONNX Runtime against CTranslate2, both with 32-bit floating-point weights.

use std::path::Path;

use serde::Deserialize;
use stenobot_domain::SAMPLE_RATE;
use stenobot_models::{Sign, WeightsForm};
use stenobot_speech::{Measured, Runtime};

use super::{decoded, library, models, offline, repository};

/// Samples that the encoder takes at once.
const WINDOW: usize = 30 * SAMPLE_RATE as usize;
/// Greatest difference of a logit: 2e-4 was measured. The logits of a step spread over about 30.
const LOGIT_TOLERANCE: f32 = 1e-2;
/// Recordings of the reference.
const RECORDINGS: [&str; 8] =
    ["en-short-01", "en-short-07", "ru-short-03", "ru-short-06", "ru-short-08", "en-30s-1", "ru-30s-1", "ru-30s-4"];

/// What CTranslate2 makes of a recording: see `tests/fixtures/onnx/make.py`.
#[derive(Debug, Deserialize)]
struct Reference {
    name: String,
    /// The start, the language, to transcribe, no timestamps.
    prompt: Vec<i32>,
    /// Text tokens up to the end of the text, each the most probable.
    tokens: Vec<i32>,
    /// Tokens with their logits after the prompt.
    logits: Vec<(usize, f32)>,
}

fn window(name: &str) -> Vec<f32> {
    let mut samples = decoded(name);
    samples.truncate(WINDOW);
    samples
}

#[tokio::test]
async fn float32_weights_give_the_tokens_and_logits_of_the_reference() {
    let file = std::fs::read(repository("tests/fixtures/onnx/base.json")).unwrap();
    let references: Vec<Reference> = serde_json::from_slice(&file).unwrap();
    assert_eq!(references.iter().map(|reference| &*reference.name).collect::<Vec<_>>(), RECORDINGS);

    let folder = tempfile::tempdir().unwrap();
    let store = offline(folder.path().join("models"));
    let model = store.import(&repository("data/packages/whisper-base"), None, None, |_| {}).await.unwrap();
    let path = folder.path().join("float32.safetensors");
    let prepared = store.make_prepared(&model, WeightsForm::Float32, path, &mut |_| {}).await.unwrap();
    let special = prepared.architecture.special_tokens();
    let mut network = Measured::load(Runtime::Onnx { library: &library() }, &prepared.path, 2).unwrap();

    for reference in references {
        // The languages' order begins with en, zh, de, es, ru.
        let language = special.start + if reference.name.starts_with("en") { 1 } else { 5 };
        assert_eq!(reference.prompt, [special.start, language, special.transcribe, special.first_timestamp - 1]);
        network.encode_samples(&window(&reference.name)).unwrap();
        let logits = network.logits(&reference.prompt, 0).unwrap();
        assert_eq!(logits.len(), prepared.architecture.tokens as usize);
        let difference =
            reference.logits.iter().map(|&(token, logit)| (logits[token] - logit).abs()).fold(0.0, f32::max);
        println!("{}: logits differ by at most {difference:.5}", reference.name);
        assert!(difference <= LOGIT_TOLERANCE, "{}: logits differ by {difference}", reference.name);

        let mut tokens = Vec::new();
        let mut next = most_probable(logits);
        while next != special.end_of_text && tokens.len() <= reference.tokens.len() {
            tokens.push(next);
            next = most_probable(network.logits(&[next], reference.prompt.len() + tokens.len() - 1).unwrap());
        }
        assert_eq!(tokens, reference.tokens, "{}", reference.name);
    }
}

#[tokio::test]
async fn unsigned_weights_give_what_signed_ones_give_where_both_are_exact() {
    if Sign::of_this_processor() == Sign::Unsigned {
        println!("this processor has no VNNI: signed weights are not exact on it");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (model, ..) = models().await;
    let mut networks = Vec::new();
    for sign in [Sign::Signed, Sign::Unsigned] {
        let form = WeightsForm::Int8(sign);
        let path = folder.path().join(form.name()).with_extension("safetensors");
        let store = offline(folder.path().to_owned());
        let prepared = store.make_prepared(&model, form, path, &mut |_| {}).await.unwrap();
        networks.push(Measured::load(Runtime::Onnx { library: &library() }, &prepared.path, 2).unwrap());
    }
    let prompt = english_prompt();
    let logits: Vec<Vec<f32>> = networks
        .iter_mut()
        .map(|network| {
            network.encode_samples(&window("en-short-01")).unwrap();
            network.logits(&prompt, 0).unwrap().to_vec()
        })
        .collect();
    let difference = logits[0].iter().zip(&logits[1]).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(difference <= LOGIT_TOLERANCE, "{difference}");
}

/// The prompt of a recording in English.
fn english_prompt() -> [i32; 3] {
    [50_258, 50_259, 50_359]
}

fn most_probable(logits: &[f32]) -> i32 {
    let (token, _) = logits.iter().enumerate().max_by(|(_, a), (_, b)| a.total_cmp(b)).unwrap();
    i32::try_from(token).unwrap()
}

/// Writes what `tests/fixtures/onnx/make.py` reads: the recordings as this program decodes them, as 32-bit floats.
#[test]
#[ignore = "only for making the reference anew"]
fn write_the_input_of_the_reference() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("onnx-reference");
    std::fs::create_dir_all(&folder).unwrap();
    for name in RECORDINGS {
        let bytes: Vec<u8> = window(name).iter().flat_map(|sample| sample.to_le_bytes()).collect();
        std::fs::write(folder.join(name).with_extension("f32"), bytes).unwrap();
    }
}
