//! The everyday stories with the real model.

use stenobot_simulator::voices::Voice;
use stenobot_simulator::wer::word_errors;

use crate::recordings::sample;
use crate::scene::real;
use crate::stories::everyday;

/// About every eighth word of the model's Russian transcripts is wrong; single recordings vary.
const MAX_WORD_ERROR_RATE: f64 = 0.25;

fn check(text: &str, voice: &Voice) {
    let rate = word_errors(&voice.text, text).rate().unwrap();
    assert!(rate <= MAX_WORD_ERROR_RATE, "{rate:.3} of the words are wrong in: {text}");
}

#[tokio::test]
async fn a_minute_of_voice_is_recorded_in_stages_and_answered_after_progress() {
    // The slower engine leaves time to read the row between progress and answer.
    let settings = [("progress_update_interval_seconds", "1"), ("threads", "1"), ("engine", "whisper.cpp")];
    let (_lock, scene) = real(&settings).await;
    let voice = sample("ru-60s-1");
    everyday::a_minute_of_voice_is_recorded_in_stages_and_answered_after_progress(scene, &voice, "base-q8_0", check)
        .await;
}

#[tokio::test]
async fn a_voice_that_is_too_long_is_refused_by_claimed_or_measured_length() {
    let (_lock, scene) = real(&[]).await;
    let [long, minute] = ["ru-110s-1", "ru-60s-1"].map(sample);
    everyday::a_voice_that_is_too_long_is_refused_by_claimed_or_measured_length(scene, long, minute).await;
}

#[tokio::test]
async fn three_concurrent_users_see_their_positions_and_are_answered_in_order() {
    let (_lock, scene) = real(&[]).await;
    let voices = ["ru-30s-1", "ru-30s-2", "ru-30s-3"].map(sample);
    everyday::three_concurrent_users_see_their_positions_and_are_answered_in_order(scene, voices, check).await;
}

#[tokio::test]
async fn five_recordings_of_one_user_are_processed_one_at_a_time() {
    let (_lock, scene) = real(&[]).await;
    let voices = ["ru-30s-4", "ru-30s-5", "ru-30s-6", "ru-30s-1", "ru-30s-2"].map(sample);
    everyday::five_recordings_of_one_user_are_processed_one_at_a_time(scene, voices, check).await;
}
