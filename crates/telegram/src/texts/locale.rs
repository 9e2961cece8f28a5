//! Locales of the bot's own texts. A new one is its folder in `locales/` and one line here; the compiler and tests name what
//! else it needs.

use std::str::FromStr;

use fluent_templates::{LanguageIdentifier, langid};
use serde::Deserialize;

/// `a, b or c` of literals.
macro_rules! alternatives {
    ($last:literal) => { $last };
    ($first:literal, $last:literal) => { concat!($first, " or ", $last) };
    ($first:literal, $($rest:literal),+) => { concat!($first, ", ", alternatives!($($rest),+)) };
}

/// Declares the locales: variant, language code (also the name of the folder), native name.
macro_rules! locales {
    ($($variant:ident = $code:literal, $name:literal;)*) => {
        /// A language of the bot's own texts.
        #[expect(missing_docs, reason = "the variants are language codes")]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
        pub enum Locale { $(#[serde(rename = $code)] $variant,)* }

        impl Locale {
            /// Every locale.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];
            /// All codes, for sentences and documents.
            pub const CODES: &str = alternatives!($($code),*);

            /// ISO 639-1 code and name of the folder of texts.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// Native name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            pub(super) fn identifier(self) -> LanguageIdentifier {
                match self { $(Self::$variant => langid!($code),)* }
            }
        }
    };
}

locales! {
    Ru = "ru", "Русский";
    En = "en", "English";
    Uk = "uk", "Українська";
    Kk = "kk", "Қазақша";
    Es = "es", "Español";
    De = "de", "Deutsch";
    Pt = "pt", "Português";
    Tr = "tr", "Türkçe";
}

/// A code that names no locale.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no language of the bot: give {codes}", codes = Locale::CODES)]
pub struct UnknownLocale(String);

impl FromStr for Locale {
    type Err = UnknownLocale;

    /// From a language code with or without a region: `ru`, `ru-RU`, `en_GB`.
    fn from_str(code: &str) -> Result<Self, UnknownLocale> {
        let language = code.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
        Self::from_code(&language).ok_or_else(|| UnknownLocale(code.to_owned()))
    }
}

impl Locale {
    /// The locale with exactly this code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|locale| locale.code() == code)
    }

    /// The locale of a user whose Telegram client is set to `language_code`; `default` if there is none for it.
    pub fn of(language_code: Option<&str>, default: Self) -> Self {
        language_code.and_then(|code| code.parse().ok()).unwrap_or(default)
    }
}
