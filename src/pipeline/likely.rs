//! Languages that a sender is likely to speak: the prior of language detection.

use stenobot_domain::{LikelyLanguage, SpeechLanguage, UserId};

use super::worker::Worker;
use crate::settings::Settings;

/// Weight of the language of a user's Telegram, in earlier recordings.
const TELEGRAM_COUNT: u32 = 2;
/// Weight of the language of the bot's texts, in earlier recordings.
const BOT_COUNT: u32 = 1;

/// The languages of a user's earlier recordings, of their Telegram, and of the bot, weighted; nothing where the language is
/// given.
pub(super) async fn likely_languages(
    worker: &Worker,
    settings: &Settings,
    user: UserId,
    telegram: Option<&str>,
    language: &SpeechLanguage,
) -> Vec<LikelyLanguage> {
    match language {
        SpeechLanguage::Code(_) => Vec::new(),
        SpeechLanguage::Auto => {
            let earlier = worker.store.users.recent_languages(user).await.unwrap_or_else(|error| {
                worker.failures.report("read the languages of a user", &error);
                Vec::new()
            });
            weigh(earlier, telegram, settings.default_locale().code())
        }
    }
}

fn weigh(earlier: Vec<(String, u32)>, telegram: Option<&str>, bot: &str) -> Vec<LikelyLanguage> {
    let telegram = telegram.and_then(speech_code).map(|code| (code, TELEGRAM_COUNT));
    LikelyLanguage::weigh(earlier.into_iter().chain(telegram).chain([(bot.to_owned(), BOT_COUNT)]))
}

/// Whisper's code for the language of an IETF tag, as Telegram has it: `pt-br` is `pt`.
fn speech_code(tag: &str) -> Option<String> {
    let primary = tag.split(['-', '_']).next()?.to_ascii_lowercase();
    let code = match primary.as_str() {
        "nb" => "no",
        "iw" => "he",
        "in" => "id",
        "fil" => "tl",
        "jv" => "jw",
        other => other,
    };
    code.parse::<SpeechLanguage>().ok().map(|language| language.to_string()).filter(|code| code != "auto")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weights(earlier: &[(&str, u32)], telegram: Option<&str>) -> Vec<(String, f32)> {
        let earlier = earlier.iter().map(|&(code, count)| (code.to_owned(), count)).collect();
        weigh(earlier, telegram, "ru").into_iter().map(|likely| (likely.code, likely.weight)).collect()
    }

    #[test]
    fn earlier_recordings_outweigh_the_language_of_telegram() {
        assert_eq!(weights(&[], None), [("ru".to_owned(), 0.5)]);
        assert_eq!(weights(&[], Some("en-GB")), [("en".to_owned(), 0.5), ("ru".to_owned(), 0.25)]);
        let known = weights(&[("uk", 11), ("en", 3)], Some("en"));
        assert_eq!(known.iter().map(|(code, _)| code.as_str()).collect::<Vec<_>>(), ["uk", "en", "ru"]);
        assert!(known[0].1 > 0.6 && known[1].1 < 0.3, "{known:?}");
    }

    #[test]
    fn tags_of_telegram_are_codes_of_the_model() {
        for (tag, code) in [("pt-br", "pt"), ("RU", "ru"), ("nb", "no"), ("zh-hans", "zh"), ("fil", "tl")] {
            assert_eq!(speech_code(tag).as_deref(), Some(code));
        }
        for tag in ["", "auto", "-", "x1", "klingon"] {
            assert_eq!(speech_code(tag), None, "{tag}");
        }
    }
}
