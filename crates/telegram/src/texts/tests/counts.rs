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

#[test]
fn a_long_list_of_bans_fits_one_message_and_counts_the_others() {
    let entries = |name: &str| -> Vec<BanEntry> {
        let entry = |id| BanEntry { id, name: name.to_owned(), since: "2026-11-24".into() };
        (1_000_000_000_000..1_000_000_000_100).map(entry).collect()
    };
    for locale in Locale::ALL.iter().copied() {
        let list = |name: &str, total| {
            Texts::default().command_reply(locale, &CommandReply::BanList { entries: entries(name), total })
        };
        let all = list("", 100);
        assert_eq!(all.lines().filter(|line| line.starts_with("1000")).count(), 100, "{all}");
        assert!(all.contains("1000000000000 · 2026-11-24\n") && all.ends_with("/unban ID"), "{all}");
        let long = list(&"Имя 🙂 ".repeat(20), 5000);
        let shown = long.lines().filter(|line| line.starts_with("1000")).count();
        assert!((10..100).contains(&shown) && long.encode_utf16().count() <= 4096, "{shown}");
        assert!(long.contains(&format!(" {}", 5000 - shown)) && long.ends_with("/unban ID"), "{long}");
        assert!(list("two\nlines", 100).contains(" · two lines · "));
    }
}
