//! Languages of speech: given, chosen, likely.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Most languages of a [`LanguageList`]: more would limit a detection to next to nothing.
const MAX_LANGUAGES: usize = 8;

/// Language of the speech, as Whisper names it (`ru`, `en`, ...).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum SpeechLanguage {
    /// Detected in each stretch of speech.
    Auto,
    /// A code of two or three lower-case letters.
    Code(String),
    /// Detected among these, two at least, and among all languages only where none of these is plausible.
    Several(LanguageList),
}

/// Why a text is no speech language.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no language code: give `auto` or a code such as `ru`, `en`, `yue`")]
pub struct BadLanguage(String);

impl FromStr for SpeechLanguage {
    type Err = BadLanguage;

    fn from_str(text: &str) -> Result<Self, BadLanguage> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let list: LanguageList = text.parse()?;
        match &*list.0 {
            [] => Err(BadLanguage(text.to_owned())),
            [code] => Ok(Self::Code(code.clone())),
            _ => Ok(Self::Several(list)),
        }
    }
}

impl TryFrom<String> for SpeechLanguage {
    type Error = BadLanguage;

    fn try_from(text: String) -> Result<Self, BadLanguage> {
        text.parse()
    }
}

impl From<SpeechLanguage> for String {
    fn from(language: SpeechLanguage) -> Self {
        language.to_string()
    }
}

impl fmt::Display for SpeechLanguage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Code(code) => f.write_str(code),
            Self::Several(list) => list.fmt(f),
        }
    }
}

/// Codes of up to eight languages, each once and in alphabetical order, so that equal lists are equal texts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Codes", into = "String")]
pub struct LanguageList(Box<[String]>);

/// As a file or the environment gives them: a text with commas or spaces, or a list.
#[derive(Deserialize)]
#[serde(untagged)]
enum Codes {
    Text(String),
    Many(Vec<String>),
}

impl LanguageList {
    /// Whether there is no language in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the language with this code is one of them.
    pub fn contains(&self, code: &str) -> bool {
        self.0.iter().any(|own| own == code)
    }

    /// The codes in alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl FromStr for LanguageList {
    type Err = BadLanguage;

    fn from_str(text: &str) -> Result<Self, BadLanguage> {
        let is_code = |part: &&str| matches!(part.len(), 2 | 3) && part.bytes().all(|byte| byte.is_ascii_lowercase());
        let parts = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|part| !part.is_empty());
        let mut codes: Vec<String> = parts
            .map(|part| Some(part).filter(is_code).map(str::to_owned).ok_or_else(|| BadLanguage(part.to_owned())))
            .collect::<Result<_, _>>()?;
        codes.sort_unstable();
        codes.dedup();
        if codes.len() > MAX_LANGUAGES { Err(BadLanguage(text.to_owned())) } else { Ok(Self(codes.into())) }
    }
}

impl TryFrom<Codes> for LanguageList {
    type Error = BadLanguage;

    fn try_from(codes: Codes) -> Result<Self, BadLanguage> {
        match codes {
            Codes::Text(text) => text.parse(),
            Codes::Many(codes) => codes.join(",").parse(),
        }
    }
}

impl From<LanguageList> for String {
    fn from(list: LanguageList) -> Self {
        list.to_string()
    }
}

impl fmt::Display for LanguageList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(","))
    }
}

/// A language that the sender of a recording is likely to speak, known before it is decoded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LikelyLanguage {
    /// Whisper's code; one that the model does not know has no effect.
    pub code: String,
    /// 0 to 1; of all languages of a recording at most 1 together.
    pub weight: f32,
    /// Whether detection is limited to this language and the others of this kind, as long as they are plausible together.
    pub is_candidate: bool,
}

impl LikelyLanguage {
    /// Weighs languages by how often each was observed. One more observation is left to all other languages. Candidates
    /// are those of which `is_candidate` says so.
    pub fn weigh(observed: impl IntoIterator<Item = (String, u32)>, is_candidate: impl Fn(&str) -> bool) -> Vec<Self> {
        let mut counts: Vec<(String, u32)> = Vec::new();
        for (code, count) in observed {
            match counts.iter_mut().find(|(known, _)| *known == code) {
                Some((_, sum)) => *sum = sum.saturating_add(count),
                None => counts.push((code, count)),
            }
        }
        let all = 1.0 + counts.iter().map(|&(_, count)| count as f32).sum::<f32>();
        let weighed = |(code, count): (String, u32)| {
            let is_candidate = is_candidate(&code);
            Self { code, weight: count as f32 / all, is_candidate }
        };
        counts.into_iter().map(weighed).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn likely_languages_are_weighed_by_how_often_they_were_observed() {
        let observed = [("ru", 2), ("en", 1), ("ru", 4)].map(|(code, count)| (code.to_owned(), count));
        let likely = LikelyLanguage::weigh(observed, |code| code == "ru");
        let weights: Vec<_> = likely.into_iter().map(|l| (l.code, l.weight, l.is_candidate)).collect();
        assert_eq!(weights, [("ru".to_owned(), 0.75, true), ("en".to_owned(), 0.125, false)]);
        assert_eq!(LikelyLanguage::weigh([], |_| true), []);
    }

    #[test]
    fn several_codes_are_a_list_whatever_their_order_and_separators() {
        let several: SpeechLanguage = "uk ru".parse().unwrap();
        for text in ["ru,uk", "ru, uk", " uk  ru ru,"] {
            assert_eq!(text.parse::<SpeechLanguage>().unwrap(), several, "{text}");
        }
        assert_eq!(several.to_string(), "ru,uk");
        assert_eq!("ru,ru".parse::<SpeechLanguage>().unwrap(), SpeechLanguage::Code("ru".to_owned()));
        assert_eq!("auto".parse::<SpeechLanguage>().unwrap(), SpeechLanguage::Auto);
        for text in ["", ",", "auto,ru", "ru;uk", "RU", "russian", "ru en uk de fr it es pt pl"] {
            assert!(text.parse::<SpeechLanguage>().is_err(), "{text}");
        }
    }
}
