//! Languages that a sender is likely to speak: the prior of language detection, and the candidates that limit it.

use stenobot_domain::{LanguageList, LikelyLanguage, SpeechLanguage, UserId};

use super::worker::Worker;
use crate::settings::Settings;

/// Weight of the language of a user's Telegram, in earlier recordings.
const TELEGRAM_COUNT: u32 = 2;
/// Weight of the language of the bot's texts, and of each language that the operator lists, in earlier recordings.
const BOT_COUNT: u32 = 1;
/// A language of less than one in so many earlier recordings is taken for a wrong detection: it is no candidate.
const MIN_SHARE: u32 = 10;

/// The languages of a user's earlier recordings, of their Telegram, of the operator's list and of the bot, weighted; nothing
/// where the language is given. Several languages that the chat has chosen are weighted as well, and are the only candidates.
pub(super) async fn likely_languages(
    worker: &Worker,
    settings: &Settings,
    user: UserId,
    telegram: Option<&str>,
    language: &SpeechLanguage,
) -> Vec<LikelyLanguage> {
    let chosen = match language {
        SpeechLanguage::Code(_) => return Vec::new(),
        SpeechLanguage::Auto => None,
        SpeechLanguage::Several(list) => Some(list),
    };
    let earlier = worker.store.users.recent_languages(user).await.unwrap_or_else(|error| {
        worker.failures.report("read the languages of a user", &error);
        Vec::new()
    });
    let listed = &settings.config().engine.languages;
    Known { earlier, telegram: telegram.and_then(speech_code), chosen, listed, bot: settings.default_locale().code() }
        .weigh()
}

/// What is known of a sender.
struct Known<'a> {
    /// Languages of the latest recordings, with the number of recordings.
    earlier: Vec<(String, u32)>,
    telegram: Option<String>,
    /// By the chat.
    chosen: Option<&'a LanguageList>,
    /// By the operator.
    listed: &'a LanguageList,
    bot: &'a str,
}

impl Known<'_> {
    fn weigh(self) -> Vec<LikelyLanguage> {
        let Self { earlier, telegram, chosen, listed, bot } = self;
        let all: u32 = earlier.iter().map(|&(_, count)| count).sum();
        let usual: Vec<String> =
            earlier.iter().filter(|&&(_, count)| count * MIN_SHARE >= all).map(|(code, _)| code.clone()).collect();
        let is_candidate = |code: &str| match chosen {
            Some(_) => false,
            None => {
                telegram.as_deref() == Some(code) || listed.contains(code) || usual.iter().any(|usual| usual == code)
            }
        };
        let chosen = chosen.into_iter().flat_map(LanguageList::iter).map(|code| (code.to_owned(), TELEGRAM_COUNT));
        let weak = listed.iter().chain([bot]).map(|code| (code.to_owned(), BOT_COUNT));
        let of_telegram = telegram.clone().map(|code| (code, TELEGRAM_COUNT));
        LikelyLanguage::weigh(earlier.into_iter().chain(of_telegram).chain(chosen).chain(weak), is_candidate)
    }
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

    fn weigh(earlier: &[(&str, u32)], telegram: Option<&str>, chosen: &str, listed: &str) -> Vec<LikelyLanguage> {
        let earlier = earlier.iter().map(|&(code, count)| (code.to_owned(), count)).collect();
        let (chosen, listed): (LanguageList, LanguageList) = (chosen.parse().unwrap(), listed.parse().unwrap());
        let chosen = Some(&chosen).filter(|list| !list.is_empty());
        Known { earlier, telegram: telegram.and_then(speech_code), chosen, listed: &listed, bot: "ru" }.weigh()
    }

    fn weights(earlier: &[(&str, u32)], telegram: Option<&str>) -> Vec<(String, f32)> {
        weigh(earlier, telegram, "", "").into_iter().map(|likely| (likely.code, likely.weight)).collect()
    }

    fn candidates(likely: Vec<LikelyLanguage>) -> Vec<String> {
        let mut codes: Vec<String> =
            likely.into_iter().filter(|likely| likely.is_candidate).map(|likely| likely.code).collect();
        codes.sort_unstable();
        codes
    }

    #[test]
    fn candidates_are_the_languages_of_the_sender_and_of_the_operator_s_list_but_not_the_bot_s() {
        assert_eq!(candidates(weigh(&[], None, "", "")), [""; 0]);
        assert_eq!(candidates(weigh(&[], Some("en-GB"), "", "")), ["en"]);
        assert_eq!(candidates(weigh(&[("uk", 3)], Some("en"), "", "ru,pl")), ["en", "pl", "ru", "uk"]);
        // One of forty is probably a wrong detection.
        assert_eq!(candidates(weigh(&[("uk", 39), ("bg", 1)], None, "", "")), ["uk"]);
        assert_eq!(candidates(weigh(&[("uk", 9), ("bg", 1)], None, "", "")), ["bg", "uk"]);
    }

    #[test]
    fn chosen_languages_leave_no_other_candidates_and_are_weighted() {
        let likely = weigh(&[("en", 2)], Some("en"), "ru,uk", "pl");
        assert_eq!(candidates(likely.clone()), [""; 0]);
        let weight = |code: &str| likely.iter().find(|likely| likely.code == code).map(|likely| likely.weight);
        assert!(weight("uk") > weight("pl"), "{likely:?}");
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
