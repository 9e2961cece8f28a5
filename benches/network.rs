//! Steps of Whisper base on ONNX Runtime: the encoder on windows of several lengths, the decoder token by token. Needs what
//! `./dev run` fetches; without it nothing is measured.

use std::path::Path;
use std::time::Duration;

use divan::Bencher;
use stenobot_speech::{Measured, Runtime};

const LIBRARY: &str = "data/lib/libonnxruntime.so.1.28.0";
const WEIGHTS: &str = "data/models/onnx-base-q8_0.safetensors";
const THREADS: usize = 2;
/// Tokens that are decoded at a time: those of about ten seconds of speech.
const TOKENS: u16 = 40;

fn main() {
    std::env::set_current_dir(env!("CARGO_MANIFEST_DIR")).expect("the repository is there");
    match [LIBRARY, WEIGHTS].into_iter().find(|file| !Path::new(file).is_file()) {
        Some(missing) => eprintln!("{missing} is missing: `./dev run` fetches it"),
        None => divan::main(),
    }
}

fn network() -> Measured {
    let runtime = Runtime::Onnx { library: Path::new(LIBRARY) };
    Measured::load(runtime, Path::new(WEIGHTS), THREADS).expect("library and weights are intact")
}

#[divan::bench(args = [5, 10, 15, 30], sample_count = 20)]
fn encode(bencher: Bencher<'_, '_>, seconds: u64) {
    let mut network = network();
    bencher.bench_local(|| network.encode(Duration::from_secs(seconds)));
}

/// By the length of the window that the tokens attend to.
#[divan::bench(args = [10, 30], sample_count = 10)]
fn decode_40_tokens(bencher: Bencher<'_, '_>, seconds: u64) {
    let mut network = network();
    network.encode(Duration::from_secs(seconds)).expect("the encoder runs");
    bencher.bench_local(|| {
        network.prompt()?;
        network.decode(TOKENS)
    });
}
