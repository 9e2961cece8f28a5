//! ONNX Runtime against whisper.cpp on the samples: where there is speech, and the words.

use std::ops::Range;
use std::path::Path;

use stenobot_domain::wer::{WordErrors, word_errors};
use stenobot_engine::{EngineEvent, EnginePool, EngineSettings};
use stenobot_models::DETECTOR;
use stenobot_speech::{Runtime, SpeechDetector};

use super::{decoded, job, library, offline, repository, sample, sample_names, settings};

/// Samples of one probability.
const CHUNK: usize = 512;
/// By how much the word error rate may be above that of whisper.cpp.
const MAX_RATE_INCREASE: f64 = 0.02;

#[tokio::test]
async fn speech_is_found_where_whisper_cpp_finds_it() {
    let detector = offline(repository("data/models")).find(DETECTOR).await.expect("run `./dev test`");
    let load = |runtime: Runtime<'_>| SpeechDetector::load(runtime, &detector.path).unwrap();
    let (mut whisper_cpp, mut onnx) = (load(Runtime::WhisperCpp), load(Runtime::Onnx { library: &library() }));
    let (mut ranges, mut greatest) = (0, 0);
    for name in sample_names() {
        let samples = decoded(&name);
        let (expected, found) = (whisper_cpp.detect(&samples).unwrap(), onnx.detect(&samples).unwrap());
        let difference = greatest_difference(&expected, &found);
        assert!(difference.is_some_and(|samples| samples <= CHUNK), "{name}: {expected:?}, {found:?}");
        ranges += found.len();
        greatest = greatest.max(difference.unwrap_or_default());
    }
    println!("{ranges} ranges, edges differ by at most {greatest} samples");
    assert!(ranges >= sample_names().len());
}

/// Of all edges, in samples; `None` where there are not as many ranges.
fn greatest_difference(expected: &[Range<usize>], found: &[Range<usize>]) -> Option<usize> {
    let pairs = expected.iter().zip(found);
    let edges = pairs.map(|(a, b)| a.start.abs_diff(b.start).max(a.end.abs_diff(b.end)));
    (expected.len() == found.len()).then(|| edges.max().unwrap_or(0))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_word_error_rate_is_that_of_whisper_cpp() {
    let (whisper_cpp, onnx) = settings(2).await;
    let (expected, found) = (word_error_rate(whisper_cpp).await, word_error_rate(onnx).await);
    println!("word error rate: whisper.cpp {expected:.4}, ONNX Runtime {found:.4}");
    assert!(found <= expected + MAX_RATE_INCREASE, "whisper.cpp {expected:.4}, ONNX Runtime {found:.4}");
}

/// Of the samples of up to 30 s, all words together.
async fn word_error_rate(settings: EngineSettings) -> f64 {
    let pool = EnginePool::start(settings, |_: &EngineEvent| {});
    let mut errors = WordErrors::default();
    for name in sample_names().iter().filter(|name| name.contains("-short-") || name.contains("-30s-")) {
        let transcript = pool.transcribe(job(name)).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        errors += word_errors(&text(&sample(name)), &transcript.text().0);
    }
    pool.shutdown().await;
    errors.rate().unwrap()
}

/// What is said in a sample.
fn text(sample: &Path) -> String {
    std::fs::read_to_string(sample.with_extension("txt")).unwrap()
}
