use super::own::messages;
use super::*;

const RU: &str = include_str!("../../../locales/ru/main.ftl");
const EN: &str = include_str!("../../../locales/en/main.ftl");

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn ru(text: Text) -> String {
    Texts::default().render(Locale::Ru, &text)
}

fn en(text: Text) -> String {
    Texts::default().render(Locale::En, &text)
}

fn progress(fraction: f64, elapsed: u64, remaining: Option<u64>) -> Text {
    let (elapsed, remaining) = (seconds(elapsed), remaining.map(seconds));
    Text::Progress { percent: Percent::running(fraction), elapsed, remaining }
}

#[test]
fn both_locales_hold_the_same_messages_with_the_same_variables() {
    let russian = messages(RU);
    assert_eq!(russian, messages(EN));
    assert!(russian.len() > 20 && russian["progress-remaining"].len() == 2);
}

#[test]
fn no_message_is_unused() {
    let source = include_str!("../texts.rs");
    for name in messages(RU).keys() {
        assert!(source.contains(&format!("(\"{name}\"")), "{name} is in the locale files but never said");
    }
}

fn one_of_each() -> Vec<Text> {
    vec![
        Text::Downloading,
        Text::Queued { position: 3, wait: None },
        Text::Queued { position: 3, wait: Some(seconds(40)) },
        Text::Starting,
        progress(0.2, 8, Some(12)),
        progress(0.0, 8, None),
        Text::Done { text: Spoken("words".into()) },
        Text::TooLong { limit: seconds(120), actual: Some(seconds(130)) },
        Text::TooLong { limit: seconds(120), actual: None },
        Text::TooBig { limit: 20 << 20 },
        Text::TooBig { limit: 1024 },
        Text::QueueFull,
        Text::UserLimit { retry: seconds(5) },
        Text::UserLimit { retry: seconds(90) },
        Text::Failed,
        Text::NoAudio,
        Text::Damaged,
        Text::DownloadFailed,
        Text::NoSpeech,
        Text::TimedOut,
        Text::Unsupported,
        Text::Greeting { duration: seconds(120), size: 20 << 20 },
        progress(0.5, 4000, Some(4000)),
    ]
}

#[test]
fn every_text_renders_in_both_locales_without_leftovers() {
    for text in one_of_each() {
        let (russian, english) = (ru(text.clone()), en(text.clone()));
        for rendered in [&russian, &english] {
            let clean = !rendered.contains(['{', '}', '$', '\u{2068}', '\u{2069}']);
            assert!(
                clean && !rendered.contains("Unknown localization") && !rendered.is_empty(),
                "{text:?}: {rendered}"
            );
        }
        assert_ne!(russian, english, "{text:?}");
        let cyrillic = |text: &str| text.chars().any(|c| ('а'..='я').contains(&c));
        assert!(cyrillic(&russian) && !cyrillic(&english), "{text:?}");
    }
}

#[test]
fn the_russian_texts_are_the_plan_s() {
    for (text, wanted) in [
        (Text::Downloading, "📥 Загружаю файл..."),
        (Text::Queued { position: 2, wait: None }, "📋 В очереди: позиция 2"),
        (
            Text::Queued { position: 2, wait: Some(seconds(36)) },
            "📋 В очереди: позиция 2\n⏱️ Примерное время ожидания: ~36с",
        ),
        (Text::Starting, "⚙️ Начинаю обработку..."),
        (progress(0.2, 8, Some(12)), "🔄 Обработка [████░░░░░░░░░░░░░░░░] 20%\n⏱️ Прошло: 8с | Осталось: ~12с"),
        (progress(1.0, 83, Some(60)), "🔄 Обработка [███████████████████░] 99%\n⏱️ Прошло: 1м 23с | Осталось: ~1м 0с"),
        (progress(0.0, 3, None), "🔄 Обработка [░░░░░░░░░░░░░░░░░░░░] 0%\n⏱️ Прошло: 3с"),
        (Text::Done { text: Spoken("Привет, мир.".into()) }, "✅ Готово!\n\nПривет, мир."),
        (
            Text::TooLong { limit: seconds(120), actual: Some(seconds(130)) },
            "⚠️ Максимальная длительность: 120с (2 мин)\nВаш файл: 130с (2 мин)",
        ),
        (
            Text::TooLong { limit: seconds(30), actual: Some(Duration::from_millis(30_200)) },
            "⚠️ Максимальная длительность: 30с\nВаш файл: 31с",
        ),
        (Text::TooLong { limit: seconds(30), actual: None }, "⚠️ Максимальная длительность: 30с\nВаш файл длиннее."),
        (Text::TooBig { limit: 20 << 20 }, "⚠️ Файл слишком большой. Максимальный размер: 20 МБ"),
        (Text::QueueFull, "⚠️ Очередь переполнена. Пожалуйста, попробуйте через несколько минут."),
        (Text::Failed, "❌ Произошла ошибка при обработке. Пожалуйста, попробуйте еще раз."),
        (Text::NoAudio, "❌ Видео не содержит аудиодорожки."),
    ] {
        assert_eq!(ru(text), wanted);
    }
    assert_eq!(
        en(progress(0.2, 83, Some(3700))),
        "🔄 Transcribing [████░░░░░░░░░░░░░░░░] 20%\n⏱️ Elapsed: 1m 23s | Remaining: ~1h 1m"
    );
}

#[test]
fn numbers_govern_their_nouns() {
    for (retry, russian, english) in [
        (0, "1 секунду.", "1 second."),
        (1, "1 секунду.", "1 second."),
        (2, "2 секунды.", "2 seconds."),
        (4, "4 секунды.", "4 seconds."),
        (5, "5 секунд.", "5 seconds."),
        (11, "11 секунд.", "11 seconds."),
        (12, "12 секунд.", "12 seconds."),
        (21, "21 секунду.", "21 seconds."),
        (22, "22 секунды.", "22 seconds."),
        (59, "59 секунд.", "59 seconds."),
        (60, "1 минуту.", "1 minute."),
        (61, "2 минуты.", "2 minutes."),
        (300, "5 минут.", "5 minutes."),
        (1260, "21 минуту.", "21 minutes."),
    ] {
        let text = Text::UserLimit { retry: seconds(retry) };
        assert!(ru(text.clone()).ends_with(&format!(" через {russian}")), "{retry}: {}", ru(text));
        assert!(en(text.clone()).ends_with(&format!(" in {english}")), "{retry}: {}", en(text));
    }
}

#[test]
fn people_are_spoken_to_in_their_language_or_the_default() {
    for (code, default, wanted) in [
        (Some("ru"), Locale::En, Locale::Ru),
        (Some("ru-RU"), Locale::En, Locale::Ru),
        (Some("RU"), Locale::En, Locale::Ru),
        (Some("en-GB"), Locale::Ru, Locale::En),
        (Some("en_US"), Locale::Ru, Locale::En),
        (Some("de"), Locale::Ru, Locale::Ru),
        (Some("run"), Locale::En, Locale::En),
        (Some(""), Locale::En, Locale::En),
        (None, Locale::Ru, Locale::Ru),
    ] {
        assert_eq!(Locale::of(code, default), wanted, "{code:?}");
    }
    assert_eq!("xx".parse::<Locale>().unwrap_err().to_string(), "`xx` is no language of the bot: give `ru` or `en`");
}

#[test]
fn an_answer_is_cut_into_messages_that_fit_heading_included() {
    let words = Spoken("Раз, два, три. ".repeat(1000));
    let parts = Texts::default().answer(Locale::Ru, &words);
    assert_eq!(parts.len(), 4);
    assert!(parts.iter().all(|part| part.encode_utf16().count() <= MESSAGE_UNITS));
    assert!(parts[0].starts_with("✅ Готово!\n\nРаз"));
    assert!(parts[1..].iter().all(|part| part.starts_with("Раз")));
    assert_eq!(Texts::default().answer(Locale::Ru, &Spoken("Привет".into())), ["✅ Готово!\n\nПривет"]);
    assert_eq!(Texts::default().answer(Locale::Ru, &Spoken(" ".into())), [ru(Text::NoSpeech)]);
}

#[test]
fn words_do_not_show_in_debug() {
    assert!(!format!("{:?}", Text::Done { text: Spoken("a secret".into()) }).contains("secret"));
}
