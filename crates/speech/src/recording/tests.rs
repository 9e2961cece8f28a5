use stenobot_domain::{Doubt, LikelyLanguage};

use super::*;
use crate::scripted::{
    SECOND, ScriptedModel, TestObserver, sound, texts, transcribe, whisper, window_text, window_text_between,
};
use crate::whisper::{WindowDecoder, WindowText};

/// Transcribes a recording in which the detector found speech in these seconds.
fn transcribe_with_speech<D: WindowDecoder>(
    model: &mut D,
    seconds: usize,
    speech: &[Range<usize>],
    likely: &[LikelyLanguage],
) -> Transcription {
    let speech: Vec<_> = speech.iter().map(|range| range.start * SECOND..range.end * SECOND).collect();
    let (samples, mut observer, mut whisper) = (sound(seconds), TestObserver::default(), whisper(model));
    let hint = LanguageHint { language: &SpeechLanguage::Auto, likely };
    let mut recording = Recording::new(&mut whisper, &mut observer, &samples, hint).unwrap();
    recording.transcribe_range(0..samples.len(), &speech, 0).unwrap();
    recording.finish()
}

#[test]
fn the_next_window_begins_where_the_model_closed_its_last_segment() {
    let mut model = ScriptedModel::new(|second, _, _| {
        let next_window = (second == 0.0).then(|| Duration::from_secs(27));
        WindowText { next_window, ..window_text(" так") }
    });
    let transcription = transcribe(&mut model, 60);
    assert_eq!(model.encoded, [(0.0, 1500), (27.0, 1500), (57.0, 214)]);
    let starts: Vec<u64> = transcription.segments.iter().map(|segment| segment.start.as_secs()).collect();
    assert_eq!(starts, [0, 27, 57]);
}

#[test]
fn the_language_comes_from_the_first_window_with_speech() {
    let mut model = ScriptedModel::new(|second, _, _| {
        if second == 0.0 { window_text(" [Music]") } else { window_text(" Говорит Москва.") }
    });
    let transcription = transcribe(&mut model, 90);
    assert_eq!(texts(&transcription).len(), 2);
    assert_eq!((transcription.language.as_str(), transcription.language_probability), ("ru", Some(0.99)));
}

#[test]
fn it_is_cancelled_between_windows_and_reports_progress() {
    let mut model = ScriptedModel::new(|_, _, _| window_text(" так"));
    let mut observer = TestObserver { cancel_after: Some(2), ..TestObserver::default() };
    let result = super::transcribe(
        &mut whisper(&mut model),
        &sound(100),
        None,
        LanguageHint::new(&SpeechLanguage::Auto),
        &mut observer,
    );
    assert_eq!(result, Err(RecognizerError::Cancelled));
    assert_eq!(observer.positions, [Duration::from_secs(30), Duration::from_secs(60)]);
}

#[test]
fn an_unknown_language_is_refused_and_an_empty_recording_has_no_text() {
    let mut model = ScriptedModel::new(|_, _, _| window_text(" так"));
    let klingon = SpeechLanguage::Code("tlh".to_owned());
    let result = super::transcribe(
        &mut whisper(&mut model),
        &sound(1),
        None,
        LanguageHint::new(&klingon),
        &mut TestObserver::default(),
    );
    assert_eq!(result, Err(RecognizerError::UnknownLanguage("tlh".to_owned())));
    assert!(transcribe(&mut model, 0).segments.is_empty());
}

#[test]
fn speech_behind_the_last_segment_is_transcribed_from_there() {
    let mut model = ScriptedModel::new(|second, _, _| match second {
        0.0 => window_text_between(0, 4, " Ищи телеканал."),
        4.0 => window_text_between(0, 3, " Заказать яблоки."),
        other => panic!("nothing begins at {other}"),
    });
    model.languages = |_| ("ru", 0.99);
    let transcription = transcribe_with_speech(&mut model, 9, &[0..4, 5..8], &[]);
    assert_eq!(texts(&transcription), ["Ищи телеканал.", "Заказать яблоки."]);
    assert_eq!((transcription.segments[1].start.as_secs(), transcription.missed_speech), (4, Duration::ZERO));
}

#[test]
fn speech_between_segments_is_transcribed_in_its_place() {
    let mut model = ScriptedModel::new(|second, _, _| match second {
        0.0 => {
            let mut both = window_text_between(0, 3, " Раз.");
            both.segments.extend(window_text_between(8, 10, " Три.").segments);
            both
        }
        _ => window_text_between(0, 3, " Два."),
    });
    model.languages = |_| ("ru", 0.99);
    let transcription = transcribe_with_speech(&mut model, 10, &[0..3, 4..7, 8..10], &[]);
    assert_eq!(texts(&transcription), ["Раз.", "Два.", "Три."]);
}

#[test]
fn speech_without_acceptable_text_is_missed() {
    for nothing in [
        WindowText { segments: Vec::new(), ..window_text("") },
        WindowText { mean_logprob: -1.5, ..window_text(" Ага") },
        window_text(" Ищи телеканал."),
    ] {
        let mut model = ScriptedModel::new(|second, _, _| match second {
            0.0 => window_text_between(0, 4, " Ищи телеканал."),
            _ => nothing.clone(),
        });
        model.languages = |_| ("ru", 0.99);
        let transcription = transcribe_with_speech(&mut model, 9, &[0..4, 5..8], &[]);
        assert_eq!(
            (texts(&transcription), transcription.missed_speech),
            (vec!["Ищи телеканал."], Duration::from_secs(3))
        );
        // The one window, and the rest once: with other contexts and temperatures only what was mostly guessed.
        assert!(model.encoded.iter().filter(|(second, _)| *second == 4.0).count() <= 2, "{:?}", model.encoded);
    }
}

#[test]
fn the_work_on_missed_speech_is_bounded() {
    let mut model = ScriptedModel::new(|second, _, _| window_text_between(0, 1, &format!(" {second}")));
    model.languages = |_| ("ru", 0.99);
    let speech: Vec<_> = (0..10).map(|turn| turn * 3..turn * 3 + 3).collect();
    let transcription = transcribe_with_speech(&mut model, 30, &speech, &[]);
    assert!(
        transcription.segments.len() > 2 && !transcription.missed_speech.is_zero(),
        "{:?}",
        transcription.missed_speech
    );
    assert!(model.encoded.len() <= 1 + usize::from(MAX_DEPTH), "{:?}", model.encoded);
}

#[test]
fn a_window_in_two_languages_is_split_where_they_change() {
    let mut model = ScriptedModel::new(|second, _, _| match second {
        0.0 => window_text_between(0, 4, " The earliest book."),
        _ => window_text_between(0, 6, " Найди боевики."),
    });
    model.languages = |second| if second == 0.0 { ("en", 0.9) } else { ("ru", 0.99) };
    let transcription = transcribe_with_speech(&mut model, 12, &[0..4, 6..12], &[]);
    assert_eq!(texts(&transcription), ["The earliest book.", "Найди боевики."]);
    assert_eq!(model.decoded[1..], [(0.0, "en".to_owned()), (5.0, "ru".to_owned())]);
    assert_eq!(transcription.language, "ru", "it has most speech");
}

#[test]
fn utterances_are_encoded_only_where_one_may_be_in_another_language() {
    let encoded = |estimate: fn(f32) -> f32| {
        let mut model = ScriptedModel::new(|_, _, _| window_text_between(0, 12, " Найди боевики."));
        (model.languages, model.estimate) = (|_| ("ru", 0.9), Some(estimate));
        transcribe_with_speech(&mut model, 12, &[0..4, 6..12], &[]);
        model.encoded.iter().map(|(second, _)| *second).collect::<Vec<_>>()
    };
    assert_eq!(encoded(|_| 0.9), [0.0]);
    assert_eq!(encoded(|second| if second == 5.0 { 0.1 } else { 0.9 }), [0.0, 0.0, 5.0]);
}

#[test]
fn the_language_stays_unless_another_is_clearly_more_probable() {
    let mut model = ScriptedModel::new(|_, _, _| window_text(" так"));
    model.languages = |second| match second {
        0.0 => ("ru", 0.99),
        30.0 => ("uk", 0.7),
        _ => ("en", 0.95),
    };
    let transcription = transcribe(&mut model, 90);
    let decoded: Vec<&str> = model.decoded.iter().map(|(_, language)| language.as_str()).collect();
    assert_eq!((decoded, transcription.language.as_str()), (vec!["ru", "ru", "en"], "ru"));
}

#[test]
fn the_prior_decides_over_short_speech_only() {
    let likely = [LikelyLanguage { code: "ru".to_owned(), weight: 0.5, is_candidate: false }];
    let language = |seconds: usize, probability: f32| {
        let mut model = ScriptedModel::new(|_, _, _| window_text(" так"));
        model.languages = if probability < 0.5 { |_| ("ja", 0.4) } else { |_| ("ja", 0.99) };
        transcribe_with_speech(&mut model, seconds, std::slice::from_ref(&(0..seconds)), &likely).language
    };
    assert_eq!(language(1, 0.4), "ru");
    assert_eq!(language(1, 0.99), "ja", "the model is sure");
    assert_eq!(language(11, 0.4), "ja", "long speech is judged by the model alone");
}

#[test]
fn a_recording_depends_on_the_sender_where_the_model_doubts_a_language() {
    let is_independent = |languages: fn(f32) -> (&'static str, f32)| {
        let mut model = ScriptedModel::new(|_, _, _| window_text(" так"));
        model.languages = languages;
        transcribe(&mut model, 60).is_sender_independent
    };
    assert!(is_independent(|_| ("ru", 0.99)));
    assert!(!is_independent(|_| ("ru", 0.7)));
    assert!(!is_independent(|second| ("ru", if second == 0.0 { 0.99 } else { 0.7 })), "in a later window");
    let mut model = ScriptedModel::new(|_, _, _| window_text(" так"));
    let language = SpeechLanguage::Code("ru".to_owned());
    let hint = LanguageHint::new(&language);
    let given =
        super::transcribe(&mut whisper(&mut model), &sound(1), None, hint, &mut TestObserver::default()).unwrap();
    assert!(given.is_sender_independent);
}

#[test]
fn a_known_invention_without_detected_speech_is_left_out() {
    let spoken = |speech: Range<usize>| {
        let mut model = ScriptedModel::new(|_, _, _| window_text(" Thanks for watching!"));
        let transcription = transcribe_with_speech(&mut model, 5, &[speech], &[]);
        texts(&transcription).join(" ")
    };
    assert_eq!(spoken(0..3), "Thanks for watching!");
    assert_eq!(spoken(2..3), "");
}

#[test]
fn doubted_words_are_found_in_the_text_without_its_annotations() {
    let mut model = ScriptedModel::new(|_, _, _| {
        let mut window = window_text(" [Music] да нет [Music]");
        let doubt = |word: &str| {
            let start = window.segments[0].text.rfind(word).unwrap();
            Doubt { at: start..start + word.len(), logprob: -2.0 }
        };
        window.segments[0].doubts = vec![doubt("нет"), doubt("Music")];
        window
    });
    let segment = transcribe(&mut model, 10).segments.remove(0);
    assert_eq!(segment.text.0, "да нет");
    assert_eq!(segment.doubts, [Doubt { at: "да ".len().."да нет".len(), logprob: -2.0 }]);
}
