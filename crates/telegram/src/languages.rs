//! Spoken languages offered for recordings, with their native names. Unrelated to the locales of the bot's own texts.

/// Whisper's codes and names, the most used first.
pub const LANGUAGES: &[(&str, &str)] = &[
    ("ru", "Русский"),
    ("en", "English"),
    ("uk", "Українська"),
    ("kk", "Қазақша"),
    ("es", "Español"),
    ("de", "Deutsch"),
    ("pt", "Português"),
    ("tr", "Türkçe"),
    ("be", "Беларуская"),
    ("uz", "Oʻzbekcha"),
    ("az", "Azərbaycanca"),
    ("hy", "Հայերեն"),
    ("ka", "ქართული"),
    ("fr", "Français"),
    ("it", "Italiano"),
    ("pl", "Polski"),
    ("nl", "Nederlands"),
    ("cs", "Čeština"),
    ("ro", "Română"),
    ("bg", "Български"),
    ("sr", "Srpski"),
    ("el", "Ελληνικά"),
    ("he", "עברית"),
    ("ar", "العربية"),
    ("fa", "فارسی"),
    ("hi", "हिन्दी"),
    ("id", "Bahasa Indonesia"),
    ("vi", "Tiếng Việt"),
    ("zh", "中文"),
    ("ja", "日本語"),
    ("ko", "한국어"),
    ("fi", "Suomi"),
];

/// The name of a language that is in the list.
pub fn language_name(code: &str) -> Option<&'static str> {
    LANGUAGES.iter().find(|(known, _)| *known == code).map(|(_, name)| *name)
}
