//! Texts with counts of messages or users.

use super::*;

#[test]
fn the_preview_of_a_long_broadcast_fits_into_one_message() {
    let texts = Texts::default();
    let preview = |text: &str| {
        texts.command_reply(Locale::Ru, &CommandReply::BroadcastPreview { people: 5, text: text.to_owned() })
    };
    assert_eq!(preview("Завтра"), "📣 Предпросмотр. Получат 5 человек:\n\nЗавтра");
    let long = preview(&"слово ".repeat(680));
    assert!(long.encode_utf16().count() <= 4096 && long.ends_with("слово …"), "{long}");
}

#[test]
fn a_refusal_that_answers_others_has_their_number() {
    let shown = |locale, others| Texts::default().numbered_for(locale, &StatusText::QueueFull, RequestId(7), others);
    assert_eq!(shown(Locale::En, 0), Texts::default().numbered(Locale::En, &StatusText::QueueFull, RequestId(7)));
    assert!(shown(Locale::En, 1).ends_with("\n1 more message was not accepted.\nRequest 7"));
    assert!(shown(Locale::En, 2).ends_with("\n2 more messages were not accepted.\nRequest 7"));
    for (others, words) in [(1, "1 сообщение"), (3, "3 сообщения"), (5, "5 сообщений"), (21, "21 сообщение")]
    {
        assert!(shown(Locale::Ru, others).contains(&format!("\nНе принято еще {words}.\n")), "{others}");
    }
    for locale in Locale::ALL {
        assert_eq!(shown(*locale, 12).lines().count(), 3, "{locale:?}");
        assert!(shown(*locale, 12).lines().nth(1).is_some_and(|line| line.contains("12")), "{locale:?}");
    }
}
