mod answers;
mod counts;
mod samples;

use fluent_syntax::ast::{Entry, Expression, PatternElement, VariantKey};

use samples::{one_of_each, one_reply_of_each};

use super::overrides::{built_in, messages};
use super::*;

const RU: &str = include_str!("../../../../locales/ru/main.ftl");
const EN: &str = include_str!("../../../../locales/en/main.ftl");

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn ru(text: StatusText) -> String {
    Texts::default().render(Locale::Ru, &text)
}

fn en(text: StatusText) -> String {
    Texts::default().render(Locale::En, &text)
}

fn progress(fraction: f64, elapsed: u64, remaining: Option<u64>) -> StatusText {
    let (elapsed, remaining) = (seconds(elapsed), remaining.map(seconds));
    StatusText::Progress { percent: Percent::running(fraction), elapsed, remaining }
}

/// Every locale with its file.
fn files() -> Vec<(Locale, String)> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../locales");
    let file = |locale: &Locale| std::fs::read_to_string(folder.join(locale.code()).join("main.ftl")).unwrap();
    Locale::ALL.iter().map(|locale| (*locale, file(locale))).collect()
}

#[test]
fn every_locale_holds_the_same_messages_with_the_same_variables() {
    let english = messages(&built_in(EN));
    assert!(english.len() > 90 && english["progress-remaining"].len() == 2);
    for (locale, file) in files() {
        assert_eq!(messages(&built_in(&file)), english, "{locale:?}");
    }
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../locales");
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), Locale::ALL.len(), "a folder without a locale");
}

#[test]
fn every_count_has_the_plural_forms_of_its_language() {
    let forms = |locale: Locale| match locale {
        Locale::Ru | Locale::Uk => &["[one]", "[few]", "[many]", "*[other]"][..],
        Locale::Es | Locale::Pt => &["[one]", "[many]", "*[other]"],
        Locale::En | Locale::Kk | Locale::De | Locale::Tr => &["[one]", "*[other]"],
    };
    for (locale, file) in files() {
        let mut selections = 0;
        let file = built_in(&file);
        let messages = file.entries().filter_map(|entry| match entry {
            Entry::Message(message) => message.value.as_ref(),
            _ => None,
        });
        for element in messages.flat_map(|pattern| &pattern.elements) {
            let PatternElement::Placeable { expression: Expression::Select { variants, .. } } = element else {
                continue;
            };
            let keys = variants.iter().map(|variant| match (&variant.key, variant.default) {
                (VariantKey::Identifier { name }, false) => format!("[{name}]"),
                (VariantKey::Identifier { name }, true) => format!("*[{name}]"),
                (VariantKey::NumberLiteral { value }, _) => format!("[{value}]"),
            });
            assert_eq!(keys.collect::<Vec<_>>(), forms(locale), "{locale:?}");
            selections += 1;
        }
        assert!(selections > 0, "{locale:?}");
    }
}

#[test]
fn every_message_is_used() {
    let source = [
        include_str!("../texts.rs"),
        include_str!("answer.rs"),
        include_str!("replies.rs"),
        include_str!("replies/mydata.rs"),
        include_str!("user_list.rs"),
    ];
    let source = source.concat();
    // Those of commands are named by the commands of the bot.
    for name in messages(&built_in(RU)).keys().filter(|name| !name.starts_with("command-")) {
        assert!(source.contains(&format!("\"{name}\"")), "{name} is in the locale files but unused");
    }
}

/// Everything that can be said in one language.
fn everything(locale: Locale) -> Vec<String> {
    let texts = Texts::default();
    let mut said: Vec<String> = one_of_each().iter().map(|text| texts.render(locale, text)).collect();
    said.extend(one_reply_of_each().iter().map(|talk| texts.command_reply(locale, talk)));
    for toast in [
        CallbackAnswer::NotYours,
        CallbackAnswer::AdminsOnly,
        CallbackAnswer::AdminsOnlyHere,
        CallbackAnswer::Failed,
        CallbackAnswer::PrivateOnly,
        CallbackAnswer::Over,
        CallbackAnswer::AudioGone,
        CallbackAnswer::Cancelling,
        CallbackAnswer::NoTextYet,
        CallbackAnswer::Rerunning,
        CallbackAnswer::NoRoom,
    ] {
        let toast = texts.callback_answer(locale, toast);
        assert!(toast.encode_utf16().count() <= 200, "{toast}");
        said.push(toast);
    }
    for label in [
        Label::Cancel,
        Label::Stop,
        Label::Refresh,
        Label::Copy,
        Label::OtherLanguage,
        Label::Back,
        Label::Automatic,
        Label::File("SRT"),
        Label::Erase,
    ] {
        let label = texts.label(locale, label);
        assert!(label.chars().count() <= 30, "no button is that wide: {label}");
        said.push(label);
    }
    said
}

#[test]
fn everything_renders_in_every_locale_without_leftovers() {
    let all: Vec<Vec<String>> = Locale::ALL.iter().map(|locale| everything(*locale)).collect();
    for (locale, said) in Locale::ALL.iter().zip(&all) {
        for text in said {
            let clean = !text.contains(['{', '}', '$', '\u{2068}', '\u{2069}']);
            assert!(clean && !text.contains("Unknown localization") && !text.is_empty(), "{locale:?}: {text}");
        }
    }
    for (one, locale) in all.iter().zip(Locale::ALL) {
        for (other, another) in all.iter().zip(Locale::ALL).filter(|(_, another)| *another != locale) {
            let same = one.iter().zip(other).filter(|(one, other)| one == other).count();
            assert!(same <= 4, "{same} texts are the same in {locale:?} and {another:?}");
        }
    }
}

#[test]
fn a_text_has_the_same_emoji_in_every_locale() {
    let sign = |text: &str| text.chars().next();
    let russian = everything(Locale::Ru);
    for locale in Locale::ALL {
        for (one, other) in russian.iter().zip(everything(*locale)).take(one_of_each().len()) {
            assert_eq!(sign(one), sign(&other), "{locale:?}: {other}");
        }
    }
}

#[test]
fn russian_texts_are_exact() {
    for (text, wanted) in [
        (StatusText::Downloading, "📥 Загружаю файл..."),
        (StatusText::Queued { position: QueuePosition::Exact(2), wait: None }, "📋 В очереди: позиция 2"),
        (
            StatusText::Queued { position: QueuePosition::About(1500), wait: None },
            "📋 В очереди: позиция примерно 1500",
        ),
        (
            StatusText::Queued { position: QueuePosition::Exact(2), wait: Some(seconds(36)) },
            "📋 В очереди: позиция 2\n⏱️ Примерное время ожидания: ~36с",
        ),
        (StatusText::Starting, "⚙️ Начинаю обработку..."),
        (progress(0.2, 8, Some(12)), "🔄 Обработка [████░░░░░░░░░░░░░░░░] 20%\n⏱️ Прошло: 8с | Осталось: ~12с"),
        (progress(1.0, 83, Some(60)), "🔄 Обработка [███████████████████░] 99%\n⏱️ Прошло: 1м 23с | Осталось: ~1м"),
        (progress(0.0, 3, None), "🔄 Обработка [░░░░░░░░░░░░░░░░░░░░] 0%\n⏱️ Прошло: 3с"),
        (StatusText::Done { text: Spoken("Привет, мир.".into()) }, "✅ Готово!\n\nПривет, мир."),
        (
            StatusText::TooLong { limit: seconds(120), actual: Some(seconds(130)) },
            "⚠️ Максимальная длительность: 120с (2 мин)\nВаш файл: 130с (2 мин)",
        ),
        (
            StatusText::TooLong { limit: seconds(30), actual: Some(Duration::from_millis(30_200)) },
            "⚠️ Максимальная длительность: 30с\nВаш файл: 31с",
        ),
        (
            StatusText::TooLong { limit: seconds(30), actual: None },
            "⚠️ Максимальная длительность: 30с\nВаш файл длиннее.",
        ),
        (StatusText::TooBig { limit: 20 << 20 }, "⚠️ Файл слишком большой. Максимальный размер: 20 МБ"),
        (StatusText::QueueFull, "⚠️ Очередь переполнена. Пожалуйста, попробуйте через несколько минут."),
        (StatusText::Failed, "❌ Произошла ошибка при обработке. Пожалуйста, попробуйте еще раз."),
        (StatusText::NoAudio, "❌ Видео не содержит аудиодорожки."),
    ] {
        assert_eq!(ru(text), wanted);
    }
    assert_eq!(
        en(progress(0.2, 83, Some(3700))),
        "🔄 Transcribing [████░░░░░░░░░░░░░░░░] 20%\n⏱️ Elapsed: 1m 23s | Remaining: ~1h 1m"
    );
}

#[test]
fn plurals_follow_their_numbers() {
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
        let text = StatusText::UserLimit { retry: seconds(retry) };
        assert!(ru(text.clone()).ends_with(&format!(" через {russian}")), "{retry}: {}", ru(text));
        assert!(en(text.clone()).ends_with(&format!(" in {english}")), "{retry}: {}", en(text));
    }
}

#[test]
fn counts_of_statistics_need_no_plural() {
    let stats = Stats {
        waiting: 1,
        limit: 50,
        requests: 1,
        answered: 1,
        stopped: 1,
        no_speech: 1,
        failed: 1,
        rejected: 1,
        people: 1,
        audio: seconds(3600),
        median_wait: Some(seconds(60)),
        real_time_factor: None,
    };
    let counts = |locale: Locale| match locale {
        Locale::En => "Messages: 1, people: 1",
        Locale::Ru => "сообщений — 1, людей — 1",
        Locale::Uk => "повідомлень — 1, людей — 1",
        Locale::De => "Nachrichten 1, Personen 1",
        Locale::Es => "mensajes 1, personas 1",
        Locale::Pt => "mensagens 1, pessoas 1",
        // No plural follows a number.
        Locale::Tr => "1 mesaj, 1 kişi",
        Locale::Kk => "хабарлама — 1, адам — 1",
    };
    for (locale, wanted) in Locale::ALL.iter().map(|locale| (*locale, counts(*locale))) {
        let text = Texts::default().command_reply(locale, &CommandReply::Stats(stats.clone()));
        assert!(text.contains(wanted), "{locale:?}: {text}");
    }
}

#[test]
fn whole_minutes_and_hours_are_shown_without_zeros() {
    let five_minutes_and_two_hours = |locale: Locale| match locale {
        Locale::En => ("5m", "2h"),
        Locale::Ru => ("5м", "2ч"),
        Locale::Uk => ("5хв", "2год"),
        Locale::De => ("5 min", "2 h"),
        Locale::Es => ("5 min", "2 h"),
        Locale::Pt => ("5 min", "2 h"),
        Locale::Tr => ("5 dk", "2 sa"),
        Locale::Kk => ("5мин", "2сағ"),
    };
    for locale in Locale::ALL.iter().copied() {
        let (minutes, hours) = five_minutes_and_two_hours(locale);
        for (length, wanted) in [(300, minutes), (7200, hours), (7259, hours)] {
            let waiting = Texts::default()
                .render(locale, &StatusText::Queued { position: QueuePosition::Exact(3), wait: Some(seconds(length)) });
            assert!(waiting.ends_with(&format!("~{wanted}")), "{locale:?}: {waiting}");
            let kept = Texts::default().command_reply(
                locale,
                &CommandReply::Privacy { retention: seconds(length), is_owner: false, has_guests: false },
            );
            assert!(kept.contains(&format!(" {wanted} ")), "{locale:?}: {kept}");
        }
    }
    let text = ru(progress(0.5, 60, Some(83)));
    assert!(text.ends_with("⏱️ Прошло: 1м | Осталось: ~1м 23с"), "{text}");
    let text = en(progress(0.5, 3660, Some(3600)));
    assert!(text.ends_with("Elapsed: 1h 1m | Remaining: ~1h"), "{text}");
}

#[test]
fn a_request_s_number_is_the_last_line() {
    for locale in Locale::ALL {
        for text in one_of_each() {
            let plain = Texts::default().render(*locale, &text);
            let numbered = Texts::default().numbered(*locale, &text, RequestId(1_234_567));
            let line = numbered.strip_prefix(&plain).and_then(|rest| rest.strip_prefix('\n')).unwrap();
            assert!(line.ends_with(" 1234567") && !line.contains('\n'), "{locale:?}: {numbered}");
        }
    }
    assert_eq!(
        en(StatusText::NoAudio) + "\nRequest 7",
        Texts::default().numbered(Locale::En, &StatusText::NoAudio, RequestId(7))
    );
    assert_eq!(
        ru(StatusText::Failed) + "\nЗапрос № 7",
        Texts::default().numbered(Locale::Ru, &StatusText::Failed, RequestId(7))
    );
}

#[test]
fn language_detection_in_mydata_differs_from_the_button_s_label() {
    for locale in Locale::ALL {
        let data = one_reply_of_each().into_iter().find(|talk| matches!(talk, CommandReply::MyData(_))).unwrap();
        let shown = Texts::default().command_reply(*locale, &data);
        let label = Texts::default().label(*locale, Label::Automatic);
        assert!(!shown.contains(&label), "{locale:?}: {shown}");
    }
    let data = one_reply_of_each().into_iter().find(|talk| matches!(talk, CommandReply::MyData(_))).unwrap();
    assert!(
        Texts::default()
            .command_reply(Locale::En, &data)
            .contains("Language of the recordings: detected automatically\n")
    );
}

#[test]
fn accounts_are_named_by_id() {
    for (locale, file) in files() {
        let entry = |key: &str| file.split(&format!("\n{key} =")).nth(1).unwrap().split("\n\n").next().unwrap();
        assert!(
            entry("my-data").contains("ID") && entry("ban-how").lines().next().unwrap().contains("ID"),
            "{locale:?}"
        );
    }
    assert!(!RU.contains(['ё', 'Ё']), "the Russian texts are written without ё");
}

#[test]
fn a_locale_follows_the_user_s_language_or_the_default() {
    for (code, default, wanted) in [
        (Some("ru"), Locale::En, Locale::Ru),
        (Some("ru-RU"), Locale::En, Locale::Ru),
        (Some("RU"), Locale::En, Locale::Ru),
        (Some("en-GB"), Locale::Ru, Locale::En),
        (Some("en_US"), Locale::Ru, Locale::En),
        (Some("de"), Locale::Ru, Locale::De),
        (Some("pt-BR"), Locale::Ru, Locale::Pt),
        (Some("ja"), Locale::Ru, Locale::Ru),
        (Some("run"), Locale::En, Locale::En),
        (Some(""), Locale::En, Locale::En),
        (None, Locale::Ru, Locale::Ru),
    ] {
        assert_eq!(Locale::of(code, default), wanted, "{code:?}");
    }
    assert_eq!(
        "xx".parse::<Locale>().unwrap_err().to_string(),
        "`xx` is no language of the bot: give ru, en, uk, kk, es, de, pt or tr"
    );
}

#[test]
fn debug_output_hides_the_text() {
    assert!(!format!("{:?}", StatusText::Done { text: Spoken("a secret".into()) }).contains("secret"));
}
