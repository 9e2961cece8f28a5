//! Long transcripts cut into messages, and the rendering of a request's state.
#![allow(clippy::unwrap_used, reason = "an operation that fails has no time to be measured")]

use std::fs;
use std::path::Path;
use std::time::Duration;

use divan::counter::CharsCount;
use divan::{Bencher, black_box};
use stenobot_telegram::{Locale, Percent, QueuePosition, StatusText, Texts, split};

/// What one message holds, in UTF-16 units.
const MESSAGE_UNITS: usize = 4096;

fn main() {
    divan::main();
}

/// Russian speech of this many characters: the text of a sample recording, repeated.
fn transcript(characters: usize) -> String {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/ru-110s-1.txt");
    let text = fs::read_to_string(sample).unwrap().trim().to_owned() + " ";
    text.chars().cycle().take(characters).collect()
}

#[divan::bench(args = [1_000, 10_000, 100_000])]
fn split_into_messages(bencher: Bencher, characters: usize) {
    let text = transcript(characters);
    bencher.counter(CharsCount::new(characters)).bench(|| split(black_box(&text), MESSAGE_UNITS, MESSAGE_UNITS));
}

#[divan::bench]
fn render_downloading(bencher: Bencher) {
    render(bencher, &StatusText::Downloading);
}

#[divan::bench]
fn render_queued(bencher: Bencher) {
    render(bencher, &StatusText::Queued { position: QueuePosition::Exact(7), wait: Some(Duration::from_secs(75)) });
}

#[divan::bench]
fn render_progress(bencher: Bencher) {
    let (elapsed, remaining) = (Duration::from_secs(12), Some(Duration::from_secs(75)));
    render(bencher, &StatusText::Progress { percent: Percent::running(0.4), elapsed, remaining });
}

fn render(bencher: Bencher, text: &StatusText) {
    let texts = Texts::default();
    // The first rendering parses the locale files.
    divan::black_box_drop(texts.render(Locale::Ru, text));
    bencher.bench(|| texts.render(Locale::Ru, black_box(text)));
}
