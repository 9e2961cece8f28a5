use stenobot_domain::ModelFacts;

use super::*;
use crate::{End, LanguageProbabilities, Piece};

const SECOND: usize = SAMPLE_RATE as usize;

/// Says what it is told, by the first sample of the window (its second), the positions and the temperature. The language is
/// that of the first sample, as `languages` has it, or Russian.
struct ScriptedModel<F> {
    say: F,
    window: (f32, EncoderContext),
    encoded: Vec<(f32, u16)>,
    detected: u32,
    languages: fn(f32) -> (&'static str, f32),
    /// In which language each window was decoded.
    decoded: Vec<(f32, String)>,
}

impl<F: FnMut(f32, EncoderContext, f32) -> WindowText> ScriptedModel<F> {
    fn new(say: F) -> Self {
        let languages = |second: f32| if second == 0.0 { ("en", 0.99) } else { ("ru", 0.99) };
        Self {
            say,
            window: (0.0, EncoderContext::FULL),
            encoded: Vec::new(),
            detected: 0,
            languages,
            decoded: Vec::new(),
        }
    }
}

impl<F: FnMut(f32, EncoderContext, f32) -> WindowText> Model for ScriptedModel<F> {
    fn facts(&self) -> ModelFacts {
        unreachable!("nobody asks")
    }

    fn knows(&self, language: &str) -> bool {
        language == "ru"
    }

    fn encode(&mut self, window: &[f32], positions: EncoderContext) -> Result<(), RecognizerError> {
        self.window = (window[0], positions);
        self.encoded.push((window[0], positions.get()));
        Ok(())
    }

    fn detect(&mut self) -> Result<LanguageProbabilities, RecognizerError> {
        self.detected += 1;
        let (language, probability) = (self.languages)(self.window.0);
        let rest = ["en", "ru", "uk", "ja"].into_iter().filter(|code| *code != language);
        let rest: Vec<_> = rest.map(|code| (code, (1.0 - probability) / 3.0)).collect();
        Ok(LanguageProbabilities::from_weights([(language, probability)].into_iter().chain(rest)))
    }

    fn decode(
        &mut self,
        language: &str,
        temperature: f32,
        _seed: u64,
        _last: bool,
        _watch: &mut dyn Observer,
    ) -> Result<WindowText, RecognizerError> {
        self.decoded.push((self.window.0, language.to_owned()));
        Ok((self.say)(self.window.0, self.window.1, temperature))
    }
}

#[derive(Default)]
struct TestObserver {
    places: Vec<Duration>,
    stop_after: Option<usize>,
}

impl Observer for TestObserver {
    fn stopped(&self) -> bool {
        self.stop_after.is_some_and(|count| self.places.len() >= count)
    }

    fn reached(&mut self, place: Duration) {
        self.places.push(place);
    }
}

/// Samples that tell which second they are of.
fn sound(seconds: usize) -> Vec<f32> {
    (0..seconds * SECOND).map(|index| (index / SECOND) as f32).collect()
}

fn said(text: &str) -> WindowText {
    let (start, end) = (Duration::ZERO, Duration::from_secs(1));
    let piece = Piece { start, end, text: text.to_owned(), mean_logprob: -0.2 };
    WindowText { pieces: vec![piece], resume: None, mean_logprob: -0.2, no_speech: 0.1, end: End::Text }
}

fn transcribe(model: &mut dyn Model, seconds: usize) -> Transcription {
    transcribe_recording(model, &sound(seconds), LanguageHint::new(&SpeechLanguage::Auto), &mut TestObserver::default())
        .unwrap()
}

/// Hears a recording in which the detector finds speech in these seconds.
fn transcribe_with_speech(
    model: &mut dyn Model,
    seconds: usize,
    speech: &[Range<usize>],
    likely: &[LikelyLanguage],
) -> Transcription {
    let speech: Vec<_> = speech.iter().map(|range| range.start * SECOND..range.end * SECOND).collect();
    let (samples, mut observer) = (sound(seconds), TestObserver::default());
    let hint = LanguageHint { language: &SpeechLanguage::Auto, likely };
    let mut recognition = Recognition::new(model, &mut observer, &samples, hint).unwrap();
    recognition.stretch(0..samples.len(), &speech).unwrap();
    recognition.finish()
}

/// A text from one second of the window to another.
fn between(start: u64, end: u64, text: &str) -> WindowText {
    let (start, end) = (Duration::from_secs(start), Duration::from_secs(end));
    let piece = Piece { start, end, text: text.to_owned(), mean_logprob: -0.2 };
    WindowText { pieces: vec![piece], ..said(text) }
}

fn texts(transcription: &Transcription) -> Vec<&str> {
    transcription.segments.iter().map(|segment| segment.text.0.as_str()).collect()
}

#[test]
fn a_good_window_is_encoded_once_with_a_context_that_fits() {
    let mut model = ScriptedModel::new(|_, _, _| said(" Привет."));
    let transcription = transcribe(&mut model, 10);
    assert_eq!((texts(&transcription), transcription.retried_windows), (vec!["Привет."], 0));
    assert_eq!(model.encoded, [(0.0, 564)]);
}

#[test]
fn windows_follow_each_other_where_the_model_closed_its_last_segment() {
    let mut model = ScriptedModel::new(|second, _, _| {
        let resume = (second == 0.0).then(|| Duration::from_secs(27));
        WindowText { resume, ..said(" так") }
    });
    let transcription = transcribe(&mut model, 60);
    assert_eq!(model.encoded, [(0.0, 1500), (27.0, 1500), (57.0, 214)]);
    let starts: Vec<u64> = transcription.segments.iter().map(|segment| segment.start.as_secs()).collect();
    assert_eq!(starts, [0, 27, 57]);
}

#[test]
fn the_language_comes_from_the_first_window_with_speech() {
    let mut model =
        ScriptedModel::new(|second, _, _| if second == 0.0 { said(" [Music]") } else { said(" Говорит Москва.") });
    let transcription = transcribe(&mut model, 90);
    assert_eq!(texts(&transcription).len(), 2);
    assert_eq!((transcription.language.as_str(), transcription.language_probability), ("ru", Some(0.99)));
}

#[test]
fn a_loop_is_heard_again_with_the_full_context() {
    let mut model = ScriptedModel::new(|_, positions, _| match positions {
        EncoderContext::FULL => said(" раз и готово"),
        _ => WindowText { end: End::Loop, ..said(" раз раз раз раз") },
    });
    let transcription = transcribe(&mut model, 5);
    assert_eq!((texts(&transcription), transcription.retried_windows), (vec!["раз и готово"], 1));
    assert_eq!(model.encoded, [(0.0, 314), (0.0, 1500)]);
}

#[test]
fn what_stays_bad_is_tried_with_chance_and_the_best_wins() {
    let mut temperatures = Vec::new();
    let mut model = ScriptedModel::new(|_, _, temperature| {
        temperatures.push(temperature);
        let bad = WindowText { end: End::Full, ..said(" да да да да") };
        if temperature == 0.8 { WindowText { mean_logprob: -1.3, ..said(" может быть") } } else { bad }
    });
    assert_eq!(texts(&transcribe(&mut model, 5)), ["может быть"]);
    assert_eq!(temperatures, [0.0, 0.0, 0.4, 0.8]);
}

#[test]
fn a_loop_that_nothing_mends_is_cut() {
    let mut model = ScriptedModel::new(|_, _, _| WindowText { end: End::Loop, ..said(" ну да да да да") });
    assert_eq!(texts(&transcribe(&mut model, 5)), ["ну да"]);
}

#[test]
fn a_phrase_heard_twice_by_both_contexts_was_said_twice() {
    let twice = " Я буду у вас около девяти. Я буду у вас около девяти.";
    let mut model = ScriptedModel::new(|_, _, temperature| {
        assert_eq!(temperature, 0.0);
        said(twice)
    });
    assert_eq!(texts(&transcribe(&mut model, 5)), [twice.trim()]);
    assert_eq!(model.encoded.len(), 2);
}

#[test]
fn a_window_in_which_nobody_speaks_is_empty() {
    let mut model = ScriptedModel::new(|_, _, _| WindowText { no_speech: 0.9, mean_logprob: -1.4, ..said(" you you") });
    let transcription = transcribe(&mut model, 5);
    assert!(transcription.segments.is_empty());
    assert_eq!(model.encoded.len(), 1);
}

#[test]
fn it_stops_between_windows_and_tells_how_far_it_came() {
    let mut model = ScriptedModel::new(|_, _, _| said(" так"));
    let mut observer = TestObserver { stop_after: Some(2), ..TestObserver::default() };
    let result = transcribe_recording(&mut model, &sound(100), LanguageHint::new(&SpeechLanguage::Auto), &mut observer);
    assert_eq!(result, Err(RecognizerError::Stopped));
    assert_eq!(observer.places, [Duration::from_secs(30), Duration::from_secs(60)]);
}

#[test]
fn an_unknown_language_and_no_sound() {
    let mut model = ScriptedModel::new(|_, _, _| said(" так"));
    let klingon = SpeechLanguage::Code("tlh".to_owned());
    let result = transcribe_recording(&mut model, &sound(1), LanguageHint::new(&klingon), &mut TestObserver::default());
    assert_eq!(result, Err(RecognizerError::UnknownLanguage("tlh".to_owned())));
    assert!(transcribe(&mut model, 0).segments.is_empty());
}

#[test]
fn speech_behind_the_last_segment_is_transcribed_from_there() {
    let mut model = ScriptedModel::new(|second, _, _| match second {
        0.0 => between(0, 4, " Ищи телеканал."),
        4.0 => between(0, 3, " Заказать яблоки."),
        other => panic!("nothing begins at {other}"),
    });
    model.languages = |_| ("ru", 0.99);
    let transcription = transcribe_with_speech(&mut model, 9, &[0..4, 5..8], &[]);
    assert_eq!(texts(&transcription), ["Ищи телеканал.", "Заказать яблоки."]);
    assert_eq!((transcription.segments[1].start.as_secs(), transcription.missed_speech), (4, Duration::ZERO));
}

#[test]
fn speech_between_segments_is_put_between_them() {
    let mut model = ScriptedModel::new(|second, _, _| match second {
        0.0 => {
            let mut both = between(0, 3, " Раз.");
            both.pieces.extend(between(8, 10, " Три.").pieces);
            both
        }
        _ => between(0, 3, " Два."),
    });
    model.languages = |_| ("ru", 0.99);
    let transcription = transcribe_with_speech(&mut model, 10, &[0..3, 4..7, 8..10], &[]);
    assert_eq!(texts(&transcription), ["Раз.", "Два.", "Три."]);
}

#[test]
fn speech_of_which_nothing_comes_is_missed() {
    for nothing in [
        WindowText { pieces: Vec::new(), ..said("") },
        WindowText { mean_logprob: -1.5, ..said(" Ага") },
        said(" Ищи телеканал."),
    ] {
        let mut model = ScriptedModel::new(|second, _, _| match second {
            0.0 => between(0, 4, " Ищи телеканал."),
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
    let mut model = ScriptedModel::new(|second, _, _| between(0, 1, &format!(" {second}")));
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
        0.0 => between(0, 4, " The earliest book."),
        _ => between(0, 6, " Найди боевики."),
    });
    model.languages = |second| if second == 0.0 { ("en", 0.9) } else { ("ru", 0.99) };
    let transcription = transcribe_with_speech(&mut model, 12, &[0..4, 6..12], &[]);
    assert_eq!(texts(&transcription), ["The earliest book.", "Найди боевики."]);
    assert_eq!(model.decoded[1..], [(0.0, "en".to_owned()), (5.0, "ru".to_owned())]);
    assert_eq!(transcription.language, "ru", "it has most speech");
}

#[test]
fn the_language_stays_unless_another_is_clearly_more_probable() {
    let mut model = ScriptedModel::new(|_, _, _| said(" так"));
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
fn what_is_known_of_the_sender_decides_over_short_speech_only() {
    let likely = [LikelyLanguage { code: "ru".to_owned(), weight: 0.5 }];
    let language = |seconds: usize, probability: f32| {
        let mut model = ScriptedModel::new(|_, _, _| said(" так"));
        model.languages = if probability < 0.5 { |_| ("ja", 0.4) } else { |_| ("ja", 0.99) };
        transcribe_with_speech(&mut model, seconds, std::slice::from_ref(&(0..seconds)), &likely).language
    };
    assert_eq!(language(1, 0.4), "ru");
    assert_eq!(language(1, 0.99), "ja", "the model is sure");
    assert_eq!(language(11, 0.4), "ja", "long speech is judged by the model alone");
}

#[test]
fn the_language_of_a_short_sound_is_the_mean_of_both_contexts() {
    let mut model = ScriptedModel::new(|_, _, _| said(" так"));
    transcribe(&mut model, 1);
    assert_eq!((model.encoded, model.detected), (vec![(0.0, 1500), (0.0, 128)], 2));
}

#[test]
fn a_short_sound_is_silent_only_when_both_contexts_say_so() {
    let by = |fitting: f32, whole: f32| {
        let mut model = ScriptedModel::new(move |_, positions, _| {
            let no_speech = if positions == EncoderContext::FULL { whole } else { fitting };
            WindowText { no_speech, mean_logprob: -1.2, ..said(" Да") }
        });
        texts(&transcribe(&mut model, 1)).len()
    };
    assert_eq!((by(0.9, 0.9), by(0.9, 0.2), by(0.2, 0.9)), (0, 1, 1));
}

#[test]
fn a_short_word_does_not_become_an_annotation_by_chance() {
    let mut model = ScriptedModel::new(|_, _, temperature| match temperature {
        0.0 => WindowText { mean_logprob: -1.3, ..said(" Иди!") },
        _ => said(" [музыка]"),
    });
    assert_eq!(texts(&transcribe(&mut model, 1)), ["Иди!"]);
}
