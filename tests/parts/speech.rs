//! The real engine with the voice activity detector: no text without speech, and no speech without text.

use std::path::{Path, PathBuf};
use std::time::Duration;

use stenobot_domain::{Confidence, LikelyLanguage, SAMPLE_RATE, Transcript};
use stenobot_engine::{EngineEvent, EngineJob, EnginePool, EngineSettings};
use stenobot_models::{DETECTOR, ModelStore};
use stenobot_simulator::wer::word_errors;

const LIMIT: Duration = Duration::from_secs(600);

fn repository(path: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    assert!(path.exists(), "{} is missing: run `./dev test`", path.display());
    path
}

/// One engine on ONNX Runtime with the detector. The rules are the same above whisper.cpp, which `engine.rs` tests.
async fn engine() -> EnginePool {
    let store = ModelStore::new(repository("data/models"), "http://127.0.0.1:1/".parse().unwrap());
    let detector = store.find(DETECTOR).await.expect("the detector is there: run `./dev test`");
    let model = store.find("base-q8_0").await.expect("the model is there: run `./dev test`");
    let weights = store.find_prepared(&model).await.unwrap().expect("the weights are there: run `./dev test`");
    let library = repository("data/lib/libonnxruntime.so.1.28.0");
    let settings = EngineSettings::new(env!("CARGO_BIN_EXE_stenobot").into(), model.path, 1, 1)
        .on_onnx_runtime(&library, &weights)
        .with_detector(&detector);
    EnginePool::start(settings, |_: &EngineEvent| {})
}

async fn transcribe(pool: &EnginePool, file: &Path, language: &str) -> Transcript {
    transcribe_of(pool, file, language, &[]).await
}

/// The transcript of a sender with these likely languages.
async fn transcribe_of(pool: &EnginePool, file: &Path, language: &str, likely: &[LikelyLanguage]) -> Transcript {
    let mut job = EngineJob::new(file, language.parse().unwrap(), LIMIT, LIMIT);
    job.job.likely = likely.to_vec();
    pool.transcribe(job).await.unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// 16 kHz mono samples as a WAV file.
fn write_wav(path: &Path, samples: &[f32]) {
    let data: Vec<u8> = samples.iter().flat_map(|sample| ((sample * 32_767.0) as i16).to_le_bytes()).collect();
    let length = data.len() as u32;
    let mut wav = [b"RIFF", &(36 + length).to_le_bytes()[..], b"WAVEfmt "].concat();
    wav.extend(16_u32.to_le_bytes());
    wav.extend([1, 0, 1, 0]);
    wav.extend(SAMPLE_RATE.to_le_bytes().iter().chain(&(2 * SAMPLE_RATE).to_le_bytes()).chain(&[2, 0, 16, 0]));
    wav.extend(b"data".iter().chain(&length.to_le_bytes()));
    wav.extend(data);
    std::fs::write(path, wav).unwrap();
}

/// A sample's audio and its text.
fn sample(name: &str) -> (Vec<f32>, String) {
    let file = repository("samples").join(name);
    let sound = stenobot_audio::decode(&file.with_extension("ogg"), LIMIT).unwrap().samples;
    (sound, std::fs::read_to_string(file.with_extension("txt")).unwrap())
}

fn silence(seconds: usize) -> Vec<f32> {
    vec![0.0; seconds * SAMPLE_RATE as usize]
}

/// Likely languages of a sender whose Telegram is in Russian.
fn russian() -> Vec<LikelyLanguage> {
    LikelyLanguage::weigh([("ru".to_owned(), 3)], |code| code == "ru")
}

fn seconds(samples: usize) -> f64 {
    samples as f64 / f64::from(SAMPLE_RATE)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recording_without_speech_has_no_text() {
    let pool = engine().await;
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(repository("tests/fixtures/nospeech")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert_eq!(files.len(), 9);
    for file in files {
        for language in ["auto", "ru"] {
            let transcript = transcribe(&pool, &file, language).await;
            assert!(transcript.segments.is_empty(), "{} in {language}: {}", file.display(), transcript.text().0);
            assert!(transcript.audio >= Duration::from_millis(900));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn speech_between_long_silences_keeps_its_words_and_its_times() {
    let pool = engine().await;
    let (first, first_text) = sample("ru-short-02");
    let (second, second_text) = sample("ru-short-05");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pauses.wav");
    let start = silence(12);
    let pause = silence(20);
    write_wav(&file, &[&start[..], &first, &pause, &second, &silence(9)].concat());

    let transcript = transcribe(&pool, &file, "ru").await;
    let rate = word_errors(&format!("{first_text} {second_text}"), &transcript.text().0).rate().unwrap();
    assert!(rate <= 0.3, "{rate:.2}: {}", transcript.text().0);
    assert_eq!(transcript.confidence(), Confidence::High);

    let middle = start.len() + first.len();
    let (early, late): (Vec<_>, Vec<_>) =
        transcript.segments.iter().partition(|segment| segment.start.as_secs_f64() < seconds(middle));
    let (from, to) = (early[0].start.as_secs_f64(), early.last().unwrap().end.as_secs_f64());
    assert!((11.5..13.0).contains(&from) && to <= seconds(middle) + 1.0, "the first is at {from:.1} to {to:.1} s");
    let (from, to) = (late[0].start.as_secs_f64(), late.last().unwrap().end.as_secs_f64());
    let begins = seconds(middle + pause.len());
    let ends = begins + seconds(second.len());
    assert!(
        (begins - 0.5..begins + 1.0).contains(&from) && to <= ends + 0.5,
        "the second is at {from:.1} to {to:.1} s"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn speech_far_from_the_microphone_is_transcribed() {
    let pool = engine().await;
    let (sound, text) = sample("en-short-01");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("quiet.wav");
    let quiet: Vec<f32> = sound.iter().map(|sample| sample * 0.01).collect();
    write_wav(&file, &[silence(3), quiet].concat());
    let transcript = transcribe(&pool, &file, "auto").await;
    let rate = word_errors(&text, &transcript.text().0).rate().unwrap();
    assert!(rate <= 0.2, "{rate:.2}: {}", transcript.text().0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_message_is_transcribed_completely() {
    let pool = engine().await;
    let (_, text) = sample("ru-110s-1");
    let file = repository("samples/ru-110s-1.ogg");
    let transcript = transcribe(&pool, &file, "ru").await;
    let rate = word_errors(&text, &transcript.text().0).rate().unwrap();
    assert!(rate <= 0.2, "{rate:.2}");
    let last = transcript.segments.last().unwrap();
    assert!(transcript.audio - last.end < Duration::from_secs(3), "it ends at {:?}", last.end);
    assert!(transcript.segments.is_sorted_by_key(|segment| segment.start));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_languages_in_one_recording_are_both_transcribed() {
    let pool = engine().await;
    let folder = tempfile::tempdir().unwrap();
    let pause = vec![0.0; SAMPLE_RATE as usize * 3 / 5];
    for (first, second) in
        [("ru-short-02", "en-short-04"), ("en-short-06", "ru-short-08"), ("ru-short-05", "en-short-03")]
    {
        let file = folder.path().join(format!("{first}-{second}.wav"));
        let ((first, first_text), (second, second_text)) = (sample(first), sample(second));
        write_wav(&file, &[&first[..], &pause, &second].concat());
        for likely in [Vec::new(), russian()] {
            let transcript = transcribe_of(&pool, &file, "auto", &likely).await;
            let text = transcript.text().0;
            let rate = word_errors(&format!("{first_text} {second_text}"), &text).rate().unwrap();
            assert!(rate <= 0.3, "{rate:.2}: {text}");
            assert!(transcript.missed_speech.is_zero() && transcript.segments.is_sorted_by_key(|s| s.start), "{text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_prior_decides_the_language_of_a_second_of_speech() {
    let pool = engine().await;
    let folder = tempfile::tempdir().unwrap();
    for name in ["ru-short-03", "ru-short-07", "ru-short-09"] {
        let file = folder.path().join(format!("{name}.wav"));
        write_wav(&file, &sample(name).0[..SAMPLE_RATE as usize]);
        let transcript = transcribe_of(&pool, &file, "auto", &russian()).await;
        let text = transcript.text().0;
        assert_eq!(transcript.language, "ru", "{name}: {text}");
        assert!(text.chars().any(|c| ('а'..='я').contains(&c)), "{name}: {text}");
    }
    // No candidate, and so left out, unless none of the candidates is plausible.
    let file = folder.path().join("ru-short-07.wav");
    assert_eq!(transcribe(&pool, &file, "uk,be").await.language, "uk");
    assert_eq!(transcribe_of(&pool, &file, "ja,ko", &russian()).await.language, "ru");
    let (other, text) = sample("en-short-06");
    write_wav(&file, &other);
    let transcript = transcribe(&pool, &file, "ru,uk").await;
    assert!(transcript.language == "en" && transcript.is_sender_independent, "{}", transcript.language);
    assert!(word_errors(&text, &transcript.text().0).rate().unwrap() <= 0.2);
    // The audio outweighs the prior.
    let transcript = transcribe_of(&pool, &repository("samples/en-short-06.ogg"), "auto", &russian()).await;
    assert_eq!((transcript.language.as_str(), transcript.confidence()), ("en", Confidence::High));
}
