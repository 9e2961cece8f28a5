use stenobot_domain::ModelFacts;

use super::*;
use crate::{End, LanguageProbabilities, Piece};

const SECOND: usize = SAMPLE_RATE as usize;

/// Says what it is told, by the first sample of the window (its second), the positions and the temperature. The language is
/// that of the first sample, as `languages` has it, or Russian.
struct Puppet<F> {
    say: F,
    window: (f32, Positions),
    encoded: Vec<(f32, u16)>,
    detected: u32,
    languages: fn(f32) -> (&'static str, f32),
    /// In which language each window was decoded.
    decoded: Vec<(f32, String)>,
}

impl<F: FnMut(f32, Positions, f32) -> Decoded> Puppet<F> {
    fn new(say: F) -> Self {
        let languages = |second: f32| if second == 0.0 { ("en", 0.99) } else { ("ru", 0.99) };
        Self { say, window: (0.0, Positions::FULL), encoded: Vec::new(), detected: 0, languages, decoded: Vec::new() }
    }
}

impl<F: FnMut(f32, Positions, f32) -> Decoded> Model for Puppet<F> {
    fn facts(&self) -> ModelFacts {
        unreachable!("nobody asks")
    }

    fn knows(&self, language: &str) -> bool {
        language == "ru"
    }

    fn encode(&mut self, window: &[f32], positions: Positions) -> Result<(), ModelError> {
        self.window = (window[0], positions);
        self.encoded.push((window[0], positions.get()));
        Ok(())
    }

    fn detect(&mut self) -> Result<LanguageProbabilities, ModelError> {
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
        _watch: &mut dyn Watch,
    ) -> Result<Decoded, ModelError> {
        self.decoded.push((self.window.0, language.to_owned()));
        Ok((self.say)(self.window.0, self.window.1, temperature))
    }
}

#[derive(Default)]
struct Patience {
    places: Vec<Duration>,
    stop_after: Option<usize>,
}

impl Watch for Patience {
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

fn said(text: &str) -> Decoded {
    let (start, end) = (Duration::ZERO, Duration::from_secs(1));
    let piece = Piece { start, end, text: text.to_owned(), mean_logprob: -0.2 };
    Decoded { pieces: vec![piece], resume: None, mean_logprob: -0.2, no_speech: 0.1, end: End::Text }
}

fn hear(puppet: &mut dyn Model, seconds: usize) -> Heard {
    listen(puppet, &sound(seconds), LanguageHint::new(&SpeechLanguage::Auto), &mut Patience::default()).unwrap()
}

/// Hears a recording in which the detector finds speech in these seconds.
fn hear_speech(puppet: &mut dyn Model, seconds: usize, speech: &[Range<usize>], likely: &[LikelyLanguage]) -> Heard {
    let speech: Vec<_> = speech.iter().map(|range| range.start * SECOND..range.end * SECOND).collect();
    let (samples, mut watch) = (sound(seconds), Patience::default());
    let hint = LanguageHint { language: &SpeechLanguage::Auto, likely };
    let mut recognition = Recognition::new(puppet, &mut watch, &samples, hint).unwrap();
    recognition.stretch(0..samples.len(), &speech).unwrap();
    recognition.finish()
}

/// A text from one second of the window to another.
fn between(start: u64, end: u64, text: &str) -> Decoded {
    let (start, end) = (Duration::from_secs(start), Duration::from_secs(end));
    let piece = Piece { start, end, text: text.to_owned(), mean_logprob: -0.2 };
    Decoded { pieces: vec![piece], ..said(text) }
}

fn texts(heard: &Heard) -> Vec<&str> {
    heard.segments.iter().map(|segment| segment.text.0.as_str()).collect()
}

#[test]
fn a_good_window_is_encoded_once_with_a_context_that_fits() {
    let mut puppet = Puppet::new(|_, _, _| said(" Привет."));
    let heard = hear(&mut puppet, 10);
    assert_eq!((texts(&heard), heard.retried_windows), (vec!["Привет."], 0));
    assert_eq!(puppet.encoded, [(0.0, 564)]);
}

#[test]
fn windows_follow_each_other_where_the_model_closed_its_last_segment() {
    let mut puppet = Puppet::new(|second, _, _| {
        let resume = (second == 0.0).then(|| Duration::from_secs(27));
        Decoded { resume, ..said(" так") }
    });
    let heard = hear(&mut puppet, 60);
    assert_eq!(puppet.encoded, [(0.0, 1500), (27.0, 1500), (57.0, 214)]);
    let starts: Vec<u64> = heard.segments.iter().map(|segment| segment.start.as_secs()).collect();
    assert_eq!(starts, [0, 27, 57]);
}

#[test]
fn the_language_comes_from_the_first_window_with_speech() {
    let mut puppet =
        Puppet::new(|second, _, _| if second == 0.0 { said(" [Music]") } else { said(" Говорит Москва.") });
    let heard = hear(&mut puppet, 90);
    assert_eq!(texts(&heard).len(), 2);
    assert_eq!((heard.language.as_str(), heard.language_probability), ("ru", Some(0.99)));
}

#[test]
fn a_loop_is_heard_again_with_the_full_context() {
    let mut puppet = Puppet::new(|_, positions, _| match positions {
        Positions::FULL => said(" раз и готово"),
        _ => Decoded { end: End::Loop, ..said(" раз раз раз раз") },
    });
    let heard = hear(&mut puppet, 5);
    assert_eq!((texts(&heard), heard.retried_windows), (vec!["раз и готово"], 1));
    assert_eq!(puppet.encoded, [(0.0, 314), (0.0, 1500)]);
}

#[test]
fn what_stays_bad_is_tried_with_chance_and_the_best_wins() {
    let mut temperatures = Vec::new();
    let mut puppet = Puppet::new(|_, _, temperature| {
        temperatures.push(temperature);
        let bad = Decoded { end: End::Full, ..said(" да да да да") };
        if temperature == 0.8 { Decoded { mean_logprob: -1.3, ..said(" может быть") } } else { bad }
    });
    assert_eq!(texts(&hear(&mut puppet, 5)), ["может быть"]);
    assert_eq!(temperatures, [0.0, 0.0, 0.4, 0.8]);
}

#[test]
fn a_loop_that_nothing_mends_is_cut() {
    let mut puppet = Puppet::new(|_, _, _| Decoded { end: End::Loop, ..said(" ну да да да да") });
    assert_eq!(texts(&hear(&mut puppet, 5)), ["ну да"]);
}

#[test]
fn a_phrase_heard_twice_by_both_contexts_was_said_twice() {
    let twice = " Я буду у вас около девяти. Я буду у вас около девяти.";
    let mut puppet = Puppet::new(|_, _, temperature| {
        assert_eq!(temperature, 0.0);
        said(twice)
    });
    assert_eq!(texts(&hear(&mut puppet, 5)), [twice.trim()]);
    assert_eq!(puppet.encoded.len(), 2);
}

#[test]
fn a_window_in_which_nobody_speaks_is_empty() {
    let mut puppet = Puppet::new(|_, _, _| Decoded { no_speech: 0.9, mean_logprob: -1.4, ..said(" you you") });
    let heard = hear(&mut puppet, 5);
    assert!(heard.segments.is_empty());
    assert_eq!(puppet.encoded.len(), 1);
}

#[test]
fn it_stops_between_windows_and_tells_how_far_it_came() {
    let mut puppet = Puppet::new(|_, _, _| said(" так"));
    let mut watch = Patience { stop_after: Some(2), ..Patience::default() };
    let result = listen(&mut puppet, &sound(100), LanguageHint::new(&SpeechLanguage::Auto), &mut watch);
    assert_eq!(result, Err(ModelError::Stopped));
    assert_eq!(watch.places, [Duration::from_secs(30), Duration::from_secs(60)]);
}

#[test]
fn an_unknown_language_and_no_sound() {
    let mut puppet = Puppet::new(|_, _, _| said(" так"));
    let klingon = SpeechLanguage::Code("tlh".to_owned());
    let result = listen(&mut puppet, &sound(1), LanguageHint::new(&klingon), &mut Patience::default());
    assert_eq!(result, Err(ModelError::UnknownLanguage("tlh".to_owned())));
    assert!(hear(&mut puppet, 0).segments.is_empty());
}

#[test]
fn speech_behind_the_last_segment_is_transcribed_from_there() {
    let mut puppet = Puppet::new(|second, _, _| match second {
        0.0 => between(0, 4, " Ищи телеканал."),
        4.0 => between(0, 3, " Заказать яблоки."),
        other => panic!("nothing begins at {other}"),
    });
    puppet.languages = |_| ("ru", 0.99);
    let heard = hear_speech(&mut puppet, 9, &[0..4, 5..8], &[]);
    assert_eq!(texts(&heard), ["Ищи телеканал.", "Заказать яблоки."]);
    assert_eq!((heard.segments[1].start.as_secs(), heard.missed_speech), (4, Duration::ZERO));
}

#[test]
fn speech_between_segments_is_put_between_them() {
    let mut puppet = Puppet::new(|second, _, _| match second {
        0.0 => {
            let mut both = between(0, 3, " Раз.");
            both.pieces.extend(between(8, 10, " Три.").pieces);
            both
        }
        _ => between(0, 3, " Два."),
    });
    puppet.languages = |_| ("ru", 0.99);
    let heard = hear_speech(&mut puppet, 10, &[0..3, 4..7, 8..10], &[]);
    assert_eq!(texts(&heard), ["Раз.", "Два.", "Три."]);
}

#[test]
fn speech_of_which_nothing_comes_is_missed() {
    for nothing in [
        Decoded { pieces: Vec::new(), ..said("") },
        Decoded { mean_logprob: -1.5, ..said(" Ага") },
        said(" Ищи телеканал."),
    ] {
        let mut puppet = Puppet::new(|second, _, _| match second {
            0.0 => between(0, 4, " Ищи телеканал."),
            _ => nothing.clone(),
        });
        puppet.languages = |_| ("ru", 0.99);
        let heard = hear_speech(&mut puppet, 9, &[0..4, 5..8], &[]);
        assert_eq!((texts(&heard), heard.missed_speech), (vec!["Ищи телеканал."], Duration::from_secs(3)));
        // The one window, and the rest once: with other contexts and temperatures only what was mostly guessed.
        assert!(puppet.encoded.iter().filter(|(second, _)| *second == 4.0).count() <= 2, "{:?}", puppet.encoded);
    }
}

#[test]
fn the_work_on_missed_speech_is_bounded() {
    let mut puppet = Puppet::new(|second, _, _| between(0, 1, &format!(" {second}")));
    puppet.languages = |_| ("ru", 0.99);
    let speech: Vec<_> = (0..10).map(|turn| turn * 3..turn * 3 + 3).collect();
    let heard = hear_speech(&mut puppet, 30, &speech, &[]);
    assert!(heard.segments.len() > 2 && !heard.missed_speech.is_zero(), "{:?}", heard.missed_speech);
    assert!(puppet.encoded.len() <= 1 + usize::from(MAX_DEPTH), "{:?}", puppet.encoded);
}

#[test]
fn a_window_in_two_languages_is_split_where_they_change() {
    let mut puppet = Puppet::new(|second, _, _| match second {
        0.0 => between(0, 4, " The earliest book."),
        _ => between(0, 6, " Найди боевики."),
    });
    puppet.languages = |second| if second == 0.0 { ("en", 0.9) } else { ("ru", 0.99) };
    let heard = hear_speech(&mut puppet, 12, &[0..4, 6..12], &[]);
    assert_eq!(texts(&heard), ["The earliest book.", "Найди боевики."]);
    assert_eq!(puppet.decoded[1..], [(0.0, "en".to_owned()), (5.0, "ru".to_owned())]);
    assert_eq!(heard.language, "ru", "it has most speech");
}

#[test]
fn the_language_stays_unless_another_is_clearly_more_probable() {
    let mut puppet = Puppet::new(|_, _, _| said(" так"));
    puppet.languages = |second| match second {
        0.0 => ("ru", 0.99),
        30.0 => ("uk", 0.7),
        _ => ("en", 0.95),
    };
    let heard = hear(&mut puppet, 90);
    let decoded: Vec<&str> = puppet.decoded.iter().map(|(_, language)| language.as_str()).collect();
    assert_eq!((decoded, heard.language.as_str()), (vec!["ru", "ru", "en"], "ru"));
}

#[test]
fn what_is_known_of_the_sender_decides_over_short_speech_only() {
    let likely = [LikelyLanguage { code: "ru".to_owned(), weight: 0.5 }];
    let language = |seconds: usize, probability: f32| {
        let mut puppet = Puppet::new(|_, _, _| said(" так"));
        puppet.languages = if probability < 0.5 { |_| ("ja", 0.4) } else { |_| ("ja", 0.99) };
        hear_speech(&mut puppet, seconds, std::slice::from_ref(&(0..seconds)), &likely).language
    };
    assert_eq!(language(1, 0.4), "ru");
    assert_eq!(language(1, 0.99), "ja", "the model is sure");
    assert_eq!(language(11, 0.4), "ja", "long speech is judged by the model alone");
}

#[test]
fn the_language_of_a_short_sound_is_the_mean_of_both_contexts() {
    let mut puppet = Puppet::new(|_, _, _| said(" так"));
    hear(&mut puppet, 1);
    assert_eq!((puppet.encoded, puppet.detected), (vec![(0.0, 1500), (0.0, 128)], 2));
}

#[test]
fn a_short_sound_is_silent_only_when_both_contexts_say_so() {
    let by = |fitting: f32, whole: f32| {
        let mut puppet = Puppet::new(move |_, positions, _| {
            let no_speech = if positions == Positions::FULL { whole } else { fitting };
            Decoded { no_speech, mean_logprob: -1.2, ..said(" Да") }
        });
        texts(&hear(&mut puppet, 1)).len()
    };
    assert_eq!((by(0.9, 0.9), by(0.9, 0.2), by(0.2, 0.9)), (0, 1, 1));
}

#[test]
fn a_short_word_does_not_become_an_annotation_by_chance() {
    let mut puppet = Puppet::new(|_, _, temperature| match temperature {
        0.0 => Decoded { mean_logprob: -1.3, ..said(" Иди!") },
        _ => said(" [музыка]"),
    });
    assert_eq!(texts(&hear(&mut puppet, 1)), ["Иди!"]);
}
