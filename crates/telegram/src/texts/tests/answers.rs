//! Answers: headings, parts, previews.

use std::num::NonZeroUsize;

use stenobot_domain::{Confidence, Doubt, Segment};

use super::*;
use crate::outgoing::{LocalTime, TextPart};
use crate::split::MESSAGE_UNITS;

/// A transcript of these words.
fn transcript(words: &str, confidence: Confidence) -> Transcript {
    let mean_logprob = match confidence {
        Confidence::High => -0.1,
        Confidence::Low => -0.9,
    };
    let (start, end) = (Duration::ZERO, Duration::from_secs(1));
    Transcript {
        segments: vec![Segment {
            start,
            end,
            text: Spoken(words.into()),
            doubts: Vec::new(),
            mean_logprob,
            no_speech: 0.0,
        }],
        language: "ru".to_owned(),
        language_probability: None,
        audio: end,
        processing: end,
        retried_windows: 0,
        missed_speech: Duration::ZERO,
        speech: Vec::new(),
        is_sender_independent: true,
    }
}

fn answer(words: &str, confidence: Confidence, most: usize) -> Answer {
    Texts::default().answer(Locale::Ru, &transcript(words, confidence), layout(most))
}

fn layout(most: usize) -> AnswerLayout<'static> {
    let most = NonZeroUsize::new(most).unwrap();
    AnswerLayout {
        language: None,
        most,
        has_heading: true,
        has_times: true,
        is_folded: false,
        stopped_at: None,
        continuation: Continuation::SameChat,
    }
}

/// The only message of an answer, not folded.
fn only(text: &str) -> Answer {
    Answer::Messages(vec![AnswerText { text: text.to_owned(), folded: None, doubted: Vec::new(), time: None }])
}

/// What is folded of a text.
fn folded_of(text: &AnswerText) -> String {
    let TextPart { offset, length } = text.folded.unwrap();
    let units: Vec<u16> = text.text.encode_utf16().collect();
    String::from_utf16(&units[offset..offset + length]).unwrap()
}

#[test]
fn an_answer_and_its_heading_fit_into_messages() {
    let words = "Раз, два, три. ".repeat(1000);
    let Answer::Messages(parts) = answer(&words, Confidence::High, 4) else { panic!("four are allowed") };
    assert_eq!(parts.len(), 4);
    assert!(parts.iter().all(|part| part.text.encode_utf16().count() <= MESSAGE_UNITS));
    assert!(parts[0].text.starts_with("✅ Готово!\n\nРаз"));
    assert!(parts[1..].iter().all(|part| part.text.starts_with("Раз")));
    assert_eq!("✅ Готово!\n\n".to_owned() + &folded_of(&parts[0]), parts[0].text);
    assert!(parts[1..].iter().all(|part| folded_of(part) == part.text));
    assert_eq!(answer("Привет", Confidence::High, 1), only("✅ Готово!\n\nПривет"));
    assert_eq!(answer(" ", Confidence::High, 1), only(&ru(StatusText::NoSpeech)));
}

#[test]
fn a_text_of_too_many_messages_becomes_a_preview_and_a_file() {
    let Answer::File { preview } = answer(&"Раз, два, три. ".repeat(1000), Confidence::High, 3) else {
        panic!("three are too few")
    };
    let folded = folded_of(&preview);
    assert!(folded.starts_with("Раз, два") && folded.ends_with(" …"), "the note stays in sight");
    let preview = preview.text;
    assert!(preview.starts_with("✅ Готово!\n\nРаз, два") && preview.ends_with("…\n\n📄 Полный текст в файле."));
    assert!(preview.encode_utf16().count() < 700);
}

#[test]
fn a_text_of_low_confidence_is_marked() {
    let wanted = "✅ Готово!\n⚠️ Слышно плохо: в тексте могут быть ошибки.\n\nПривет";
    assert_eq!(answer("Привет", Confidence::Low, 1), only(wanted));
}

#[test]
fn a_text_with_missed_speech_is_marked() {
    let missed_speech = Duration::from_secs(2);
    let incomplete = Transcript { missed_speech, ..transcript("Привет", Confidence::High) };
    let heading = "✅ Готово!\n⚠️ Часть речи распознать не удалось: в тексте ее нет.";
    let answer = Texts::default().answer(Locale::Ru, &incomplete, layout(1));
    assert_eq!(answer, only(&(heading.to_owned() + "\n\nПривет")));
    assert_eq!(Texts::default().heading(Locale::Ru, &incomplete, None), heading);
    let both = Transcript { missed_speech, ..transcript("Привет", Confidence::Low) };
    assert_eq!(Texts::default().heading(Locale::Ru, &both, None).lines().count(), 3);
}

#[test]
fn an_answer_in_a_chosen_language_names_it() {
    let doubtful = transcript("Hallo", Confidence::Low);
    let texts = Texts::default();
    let heading = texts.heading(Locale::Ru, &doubtful, Some("de"));
    assert_eq!(heading, "✅ Готово!\n🌐 Язык: Deutsch\n⚠️ Слышно плохо: в тексте могут быть ошибки.");
    let caption = texts.caption(Locale::En, &transcript("Hallo", Confidence::High), Some("yue"));
    assert_eq!(caption.unwrap(), "🌐 Language: yue", "a code without a name stands for itself");
    assert_eq!(texts.caption(Locale::En, &transcript("Hallo", Confidence::High), None), None);
}

#[test]
fn texts_of_700_units_and_texts_in_groups_are_folded() {
    let folded = |words: &str, layout| {
        let answer = Texts::default().answer(Locale::Ru, &transcript(words, Confidence::High), layout);
        let Answer::Messages(parts) = answer else { panic!("it is short") };
        parts[0].folded.map(|_| folded_of(&parts[0]))
    };
    assert_eq!(folded(&"я".repeat(699), layout(1)), None);
    assert_eq!(folded(&"я".repeat(700), layout(1)), Some("я".repeat(700)));
    assert_eq!(folded(&"😀".repeat(350), layout(1)), Some("😀".repeat(350)), "an emoji has two units");
    assert_eq!(folded("Да <b>&amp;", AnswerLayout { is_folded: true, ..layout(1) }), Some("Да <b>&amp;".to_owned()));
}

#[test]
fn a_bare_answer_has_no_heading_but_its_remarks() {
    let bare = AnswerLayout { has_heading: false, ..layout(1) };
    let answer = |confidence| Texts::default().answer(Locale::Ru, &transcript("Привет", confidence), bare);
    assert_eq!(answer(Confidence::High), only("Привет"));
    assert_eq!(answer(Confidence::Low), only("⚠️ Слышно плохо: в тексте могут быть ошибки.\n\nПривет"));
}

#[test]
fn paragraphs_of_long_recordings_begin_with_their_times() {
    let said = "Сегодня мы посмотрели квартиру на улице Ленина, она понравилась.";
    let mut long = transcript(said, Confidence::High);
    let first = long.segments[0].clone();
    long.segments.push(Segment { start: Duration::from_secs(32), end: Duration::from_secs(40), ..first.clone() });
    long.segments.push(Segment { start: Duration::from_millis(3_850_900), end: Duration::from_secs(3860), ..first });
    long.audio = Duration::from_secs(3900);
    assert_eq!(body(&long, true), format!("0:00 {said}\n\n0:32 {said}\n\n1:04:10 {said}"));
    assert_eq!(body(&long, false), format!("{said}\n\n{said}\n\n{said}"));
    long.audio = Duration::from_millis(44_900);
    assert_eq!(body(&long, true), body(&long, false));
}

#[test]
fn the_text_so_far_is_shown_from_its_end() {
    let state = StatusText::Starting;
    let live = |text: &str, most| Texts::default().live(Locale::En, &state, text, most);
    assert_eq!(live("one two three", 100), "⚙️ Starting...\n\none two three");
    assert_eq!(live("one two three", 9), "⚙️ Starting...\n\n… three");
    let long = "слово 🎧 ".repeat(2000);
    let shown = live(long.trim(), usize::MAX);
    let length = shown.encode_utf16().count();
    assert!((4000..=4096).contains(&length) && shown.ends_with("🎧"), "{length}");
    assert!(shown.starts_with("⚙️ Starting...\n\n… "), "{}", &shown[..60]);
    assert_eq!(live("words", 0), "⚙️ Starting...\n\n… ", "no room for a word");
}

#[test]
fn a_stopped_text_says_where_it_ends_in_both_styles() {
    for has_heading in [true, false] {
        let transcript = Transcript { audio: Duration::from_secs(3725), ..transcript("words", Confidence::High) };
        let layout = AnswerLayout { has_heading, stopped_at: Some(Duration::from_millis(92_900)), ..layout(1) };
        let Answer::Messages(messages) = Texts::default().answer(Locale::En, &transcript, layout) else {
            panic!("a file")
        };
        assert_eq!(messages[0].text, "⏹️ Stopped at 1:32 of 1:02:05\n\n0:00 words");
    }
}

#[test]
fn the_time_of_the_recording_is_shown_in_the_reader_s_zone_in_the_first_message() {
    // Characters of two units before it, and a name that looks like a time.
    let name = PersonName::new("🎧 2026-11-24 05:42 UTC").unwrap();
    let texts = Texts::default().headed_by_source(Locale::Ru, Some(&name), Timestamp(1_795_498_920_999));
    let time = texts.sent_at().unwrap();
    assert_eq!(
        time,
        LocalTime {
            offset: "👤 🎧 2026-11-24 05:42 UTC · ".encode_utf16().count(),
            length: 20,
            unix_time: 1_795_498_920
        }
    );
    let long = transcript(&"слово ".repeat(1000), Confidence::High);
    let Answer::Messages(parts) = texts.answer(Locale::Ru, &long, layout(4)) else { panic!("it is short enough") };
    assert_eq!(parts.iter().map(|part| part.time).collect::<Vec<_>>(), [Some(time), None]);
    let units: Vec<u16> = parts[0].text.encode_utf16().collect();
    let shown = String::from_utf16(&units[time.offset..time.offset + time.length]).unwrap();
    assert_eq!(shown, Timestamp(1_795_498_920_999).date_and_minute());

    let Answer::Messages(silent) = texts.answer(Locale::Ru, &transcript(" ", Confidence::High), layout(1)) else {
        panic!("it is short")
    };
    assert_eq!(silent[0].time, Some(time));
    for refused in [Timestamp(0), Timestamp(-1), Timestamp(i64::MAX)] {
        assert_eq!(Texts::default().headed_by_source(Locale::Ru, None, refused).sent_at(), None);
    }
    assert_eq!(Texts::default().sent_at(), None);
}

/// What each message underlines.
fn underlined(messages: &Answer) -> Vec<Vec<String>> {
    let Answer::Messages(messages) = messages else { panic!("no messages") };
    let words = |message: &AnswerText| {
        let units: Vec<u16> = message.text.encode_utf16().collect();
        let word = |part: &TextPart| String::from_utf16(&units[part.offset..part.offset + part.length]).unwrap();
        message.doubted.iter().map(word).collect()
    };
    messages.iter().map(words).collect()
}

#[test]
fn doubted_words_are_found_in_each_message_behind_headings_times_and_emoji() {
    let words = format!("{}🙂 сомнительно, {}", "слово ".repeat(20), "и еще слова дальше ".repeat(300));
    let mut long = transcript(&words, Confidence::High);
    long.audio = Duration::from_secs(60);
    let (first, last) = (words.find("сомнительно").unwrap(), words.rfind("дальше").unwrap());
    let doubt = |at: usize, word: &str| Doubt { at: at..at + word.len(), logprob: -2.0 };
    long.segments[0].doubts = vec![doubt(first, "сомнительно"), doubt(last, "дальше")];
    let answer = |layout| Texts::default().answer(Locale::Ru, &long, layout);
    assert_eq!(underlined(&answer(layout(4))), [vec!["сомнительно".to_owned()], vec!["дальше".to_owned()]]);
    let bare = AnswerLayout { has_heading: false, has_times: false, ..layout(4) };
    assert_eq!(underlined(&answer(bare)), [vec!["сомнительно".to_owned()], vec!["дальше".to_owned()]]);
    let Answer::File { preview } = answer(layout(1)) else { panic!("no file") };
    assert_eq!(underlined(&Answer::Messages(vec![preview])), [vec!["сомнительно".to_owned()]]);
}
