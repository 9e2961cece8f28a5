use super::*;
use crate::scripted::{ScriptedModel, texts, transcribe, window_text};

#[test]
fn a_good_window_is_encoded_once_with_a_context_that_fits() {
    let mut model = ScriptedModel::new(|_, _, _| window_text(" Привет."));
    let transcription = transcribe(&mut model, 10);
    assert_eq!((texts(&transcription), transcription.retried_windows), (vec!["Привет."], 0));
    assert_eq!(model.encoded, [(0.0, 564)]);
}

#[test]
fn a_loop_is_decoded_again_with_the_full_context() {
    let mut model = ScriptedModel::new(|_, positions, _| match positions {
        EncoderContext::FULL => window_text(" раз и готово"),
        _ => WindowText { stop: StopReason::Loop, ..window_text(" раз раз раз раз") },
    });
    let transcription = transcribe(&mut model, 5);
    assert_eq!((texts(&transcription), transcription.retried_windows), (vec!["раз и готово"], 1));
    assert_eq!(model.encoded, [(0.0, 314), (0.0, 1500)]);
}

#[test]
fn a_defective_text_is_decoded_again_at_higher_temperatures_and_the_best_is_kept() {
    let mut temperatures = Vec::new();
    let mut model = ScriptedModel::new(|_, _, temperature| {
        temperatures.push(temperature);
        let bad = WindowText { stop: StopReason::TokenLimit, ..window_text(" да да да да") };
        if temperature == 0.8 { WindowText { mean_logprob: -1.3, ..window_text(" может быть") } } else { bad }
    });
    assert_eq!(texts(&transcribe(&mut model, 5)), ["может быть"]);
    assert_eq!(temperatures, [0.0, 0.0, 0.4, 0.8]);
}

#[test]
fn a_loop_in_every_attempt_is_cut() {
    let mut model =
        ScriptedModel::new(|_, _, _| WindowText { stop: StopReason::Loop, ..window_text(" ну да да да да") });
    assert_eq!(texts(&transcribe(&mut model, 5)), ["ну да"]);
}

#[test]
fn a_repeated_phrase_that_both_contexts_give_is_kept() {
    let twice = " Я буду у вас около девяти. Я буду у вас около девяти.";
    let mut model = ScriptedModel::new(|_, _, temperature| {
        assert_eq!(temperature, 0.0);
        window_text(twice)
    });
    assert_eq!(texts(&transcribe(&mut model, 5)), [twice.trim()]);
    assert_eq!(model.encoded.len(), 2);
}

#[test]
fn a_window_without_speech_is_empty_and_not_retried() {
    let mut model =
        ScriptedModel::new(|_, _, _| WindowText { no_speech: 0.9, mean_logprob: -1.4, ..window_text(" you you") });
    let transcription = transcribe(&mut model, 5);
    assert!(transcription.segments.is_empty());
    assert_eq!(model.encoded.len(), 1);
}

#[test]
fn the_language_of_a_short_sound_is_the_mean_of_both_contexts() {
    let mut model = ScriptedModel::new(|_, _, _| window_text(" так"));
    transcribe(&mut model, 1);
    assert_eq!((model.encoded, model.detections), (vec![(0.0, 1500), (0.0, 128)], 2));
}

#[test]
fn a_short_sound_is_silent_only_when_both_contexts_say_so() {
    let by = |fitting: f32, whole: f32| {
        let mut model = ScriptedModel::new(move |_, positions, _| {
            let no_speech = if positions == EncoderContext::FULL { whole } else { fitting };
            WindowText { no_speech, mean_logprob: -1.2, ..window_text(" Да") }
        });
        texts(&transcribe(&mut model, 1)).len()
    };
    assert_eq!((by(0.9, 0.9), by(0.9, 0.2), by(0.2, 0.9)), (0, 1, 1));
}

#[test]
fn a_short_word_does_not_become_an_annotation_by_chance() {
    let mut model = ScriptedModel::new(|_, _, temperature| match temperature {
        0.0 => WindowText { mean_logprob: -1.3, ..window_text(" Иди!") },
        _ => window_text(" [музыка]"),
    });
    assert_eq!(texts(&transcribe(&mut model, 1)), ["Иди!"]);
}
