//! Answers: headings, parts, previews.

use stenobot_domain::{Confidence, Segment};

use super::*;

/// A transcript of these words.
fn transcript(words: &str, confidence: Confidence) -> Transcript {
    let mean_logprob = match confidence {
        Confidence::High => -0.1,
        Confidence::Low => -0.9,
    };
    let (start, end) = (Duration::ZERO, Duration::from_secs(1));
    Transcript {
        segments: vec![Segment { start, end, text: Spoken(words.into()), mean_logprob, no_speech: 0.0 }],
        language: "ru".to_owned(),
        language_probability: None,
        audio: end,
        processing: end,
        retried_windows: 0,
        missed_speech: Duration::ZERO,
        is_sender_independent: true,
    }
}

fn answer(words: &str, confidence: Confidence, most: usize) -> Answer {
    Texts::default().answer(Locale::Ru, &transcript(words, confidence), None, NonZeroUsize::new(most).unwrap())
}

#[test]
fn an_answer_and_its_heading_fit_into_messages() {
    let words = "Раз, два, три. ".repeat(1000);
    let Answer::Messages(parts) = answer(&words, Confidence::High, 4) else { panic!("four are allowed") };
    assert_eq!(parts.len(), 4);
    assert!(parts.iter().all(|part| part.encode_utf16().count() <= MESSAGE_UNITS));
    assert!(parts[0].starts_with("✅ Готово!\n\nРаз"));
    assert!(parts[1..].iter().all(|part| part.starts_with("Раз")));
    let only = |text: &str| Answer::Messages(vec![text.to_owned()]);
    assert_eq!(answer("Привет", Confidence::High, 1), only("✅ Готово!\n\nПривет"));
    assert_eq!(answer(" ", Confidence::High, 1), only(&ru(StatusText::NoSpeech)));
}

#[test]
fn a_text_of_too_many_messages_becomes_a_preview_and_a_file() {
    let Answer::File { preview } = answer(&"Раз, два, три. ".repeat(1000), Confidence::High, 3) else {
        panic!("three are too few")
    };
    assert!(preview.starts_with("✅ Готово!\n\nРаз, два") && preview.ends_with("…\n\n📄 Полный текст в файле."));
    assert!(preview.encode_utf16().count() < 700);
}

#[test]
fn a_text_of_low_confidence_is_marked() {
    let wanted = "✅ Готово!\n⚠️ Слышно плохо: в тексте могут быть ошибки.\n\nПривет";
    assert_eq!(answer("Привет", Confidence::Low, 1), Answer::Messages(vec![wanted.to_owned()]));
}

#[test]
fn a_text_with_missed_speech_is_marked() {
    let missed_speech = Duration::from_secs(2);
    let incomplete = Transcript { missed_speech, ..transcript("Привет", Confidence::High) };
    let heading = "✅ Готово!\n⚠️ Часть речи распознать не удалось: в тексте ее нет.";
    let one = NonZeroUsize::MIN;
    let answer = Texts::default().answer(Locale::Ru, &incomplete, None, one);
    assert_eq!(answer, Answer::Messages(vec![heading.to_owned() + "\n\nПривет"]));
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
