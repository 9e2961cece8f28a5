//! Locales of the bot's own texts. A new one is its folder in `locales/` and one line here; tests name what is missing.

use std::str::FromStr;

use fluent_templates::{LanguageIdentifier, langid};

/// Declares the locales: their codes, and their names in themselves.
macro_rules! locales {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $name:literal;)*) => {
        /// A language of the bot's own texts.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Locale { $($(#[$doc])* $variant,)* }

        impl Locale {
            /// Every locale.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

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
    /// Russian.
    Ru = "ru", "Русский";
    /// English.
    En = "en", "English";
    /// Ukrainian.
    Uk = "uk", "Українська";
    /// Kazakh.
    Kk = "kk", "Қазақша";
    /// Spanish.
    Es = "es", "Español";
    /// German.
    De = "de", "Deutsch";
    /// Portuguese.
    Pt = "pt", "Português";
    /// Turkish.
    Tr = "tr", "Türkçe";
}

/// A code that names no locale.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no language of the bot: give ru, en, uk, kk, es, de, pt or tr")]
pub struct UnknownLocale(String);

impl FromStr for Locale {
    type Err = UnknownLocale;

    /// From a language code with or without a region: `ru`, `ru-RU`, `en_GB`.
    fn from_str(code: &str) -> Result<Self, UnknownLocale> {
        let language = code.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
        let found = Self::ALL.iter().find(|locale| locale.code() == language);
        found.copied().ok_or_else(|| UnknownLocale(code.to_owned()))
    }
}

impl Locale {
    /// The locale of a user whose Telegram client is set to `language_code`; `default` if there is none for it.
    pub fn of(language_code: Option<&str>, default: Self) -> Self {
        language_code.and_then(|code| code.parse().ok()).unwrap_or(default)
    }
}
