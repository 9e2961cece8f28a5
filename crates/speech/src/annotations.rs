//! Text without speech behind it: annotations of sounds, and the credits of the subtitles that Whisper learnt from.

use super::inventions::{self, Certainty, fits};

/// `text`, a whole segment, without the annotations and credits at its edges; empty when there is nothing else, or when it is a
/// known invention.
pub(super) fn spoken_text<'a>(text: &'a str, language: &str, certainty: Certainty) -> &'a str {
    let mut text = text.trim();
    loop {
        let before = text;
        text = without_credit(without_sounds(text)).trim();
        if text == before {
            break;
        }
    }
    let words = words(text);
    let words: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
    let is_spoken = !words.is_empty()
        && !is_sound_in_capitals(text)
        && !inventions::is_invented(&words, language, text.chars().count(), certainty);
    if is_spoken { text } else { "" }
}

// === Annotations ===

const BRACKETS: [(char, char); 8] =
    [('[', ']'), ('(', ')'), ('{', '}'), ('<', '>'), ('（', '）'), ('【', '】'), ('*', '*'), ('♪', '♪')];

/// Most words of an annotation among other words.
const MAX_WORDS: usize = 5;

/// Beginnings of words that name sounds, in small letters.
#[rustfmt::skip]
const SOUNDS: &[&str] = &[
    // Any language
    "music", "musik", "musiq", "músic", "muzyk", "müzik", "музык", "музик", "blank_audio", "blank", "audio", "jingle",
    // English
    "applau", "laugh", "chuckl", "giggl", "sigh", "cough", "sneez", "snor", "breath", "inhal", "exhal", "gasp", "groan",
    "sob", "scream", "cheer", "clap", "silen", "noise", "static", "beep", "ringing", "rings", "bark", "meow", "chirp",
    "cricket", "thunder", "knock", "footstep", "siren", "buzz", "click", "throat", "inaudible", "unintelligible",
    "indistinct", "foreign", "humming", "singing", "whistl", "typing", "sound", "crosstalk",
    // Russian and Ukrainian
    "смех", "смее", "аплод", "вздох", "вздых", "кашел", "кашл", "шум", "тишин", "плач", "крич", "крики", "звонок", "звук",
    "звуч", "стук", "гудк", "гудок", "сигнал", "поет", "поёт", "пение", "храп", "чиха", "шепот", "шёпот", "лает",
    "птиц", "взрыв", "неразборчив", "нрзб", "щелч", "щёлк", "свист", "дыхан", "выдох", "вдох", "выстрел", "молчан", "сміх",
    "сміє", "оплеск", "зітх", "тиша",
    // German, French, Spanish, Portuguese, Italian, Polish, Turkish
    "lach", "gelächter", "seufz", "hust", "stille", "geräusch", "rausch", "rire", "soupir", "toux", "bruit", "risas",
    "ríe", "suspir", "ruido", "risos", "aplaus", "risat", "śmiech", "oklask", "gülme", "alkış",
];

/// Leaves out bracketed annotations at the edges: all of them when there is nothing else, otherwise those of sounds.
fn without_sounds(text: &str) -> &str {
    let mut rest = text;
    while let Some((_, behind)) = leading(rest) {
        rest = behind;
    }
    if !rest.chars().any(char::is_alphanumeric) {
        return "";
    }
    if let Some((inner, behind)) = leading(text)
        && is_sound(inner)
    {
        return behind;
    }
    if let Some((before, inner)) = trailing(text)
        && is_sound(inner)
    {
        return before;
    }
    text
}

/// The annotation that the text begins with, and what follows it.
fn leading(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start_matches(|c: char| c.is_whitespace() || "-–—>.,!…".contains(c));
    BRACKETS.iter().find_map(|&(open, close)| text.strip_prefix(open)?.split_once(close))
}

/// Whether the whole text names a sound in capitals, as subtitles do without brackets.
fn is_sound_in_capitals(text: &str) -> bool {
    text.chars().any(char::is_uppercase) && !text.chars().any(char::is_lowercase) && is_sound(text)
}

/// What precedes the annotation that the text ends with, and the annotation.
fn trailing(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_end_matches(|c: char| c.is_whitespace() || ".,!…".contains(c));
    BRACKETS.iter().find_map(|&(open, close)| text.strip_suffix(close)?.rsplit_once(open))
}

fn is_sound(inner: &str) -> bool {
    let inner = inner.to_lowercase();
    let mut words = inner.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty());
    words.clone().count() <= MAX_WORDS && words.any(|word| SOUNDS.iter().any(|sound| word.starts_with(sound)))
}

// === Credits ===

/// Sentences that do not occur in messages. Words in small letters; `_` is an initial, `@` any word, `9` a number.
#[rustfmt::skip]
const CREDITS: &[&str] = &[
    "редактор субтитров _ @", "редактор субтитров _ @ корректор _ @", "корректор а егорова", "корректор а кулакова",
    "субтитры @ dimatorzok", "субтитры и @ dimatorzok", "субтитры подогнал симон",
    "субтитры подготовлены сообществом amara org", "субтитры сделаны сообществом amara org",
    "субтитри зроблені спільнотою amara org",
    "subtitles by the amara org community", "subtitles by dimatorzok", "subtitles by steamteamextra",
    "transcription by castingwords", "transcribed by https otter ai", "subs by www zeoranger co uk",
    "untertitel der amara org community", "untertitel von stephanie geiges", "untertitel im auftrag des zdf",
    "untertitel im auftrag des zdf 9", "untertitel im auftrag des zdf für funk 9", "untertitelung des zdf 9",
    "untertitelung im auftrag des zdf", "untertitelung im auftrag des zdf 9", "untertitelung des zdf für funk 9",
    "untertitelung aufgrund der amara org community", "copyright wdr 9", "swr 9",
    "sous titres réalisés par la communauté d amara org", "sous titres réalisés para la communauté d amara org",
    "sous titres par la communauté d amara org", "sous titrage st 9", "sous titrage société radio canada",
    "subtítulos realizados por la comunidad de amara org", "subtítulos por la comunidad de amara org",
    "legendas pela comunidade amara org", "legendas pela comunidade de amara org",
    "sottotitoli creati dalla comunità amara org", "sottotitoli e revisione a cura di qtss",
    "sottotitoli a cura di qtss", "napisy stworzone przez społeczność amara org",
    "ondertitels ingediend door de amara org gemeenschap", "ondertiteld door de amara org gemeenschap",
    "ondertiteling tv gelderland 9", "altyazı m k", "字幕由amara org社区提供", "字幕由 amara org 社区提供",
    "mbc 뉴스 이덕영입니다",
];

/// Leaves out a credit that the text ends with and that is a sentence of its own.
fn without_credit(text: &str) -> &str {
    let words = words(text);
    for pattern in CREDITS {
        let pattern: Vec<&str> = pattern.split(' ').collect();
        let Some(first) = words.len().checked_sub(pattern.len()) else { continue };
        let alike = words[first..].iter().zip(&pattern).all(|(word, pattern)| fits(&word.text, pattern));
        if !alike {
            continue;
        }
        let Some(last_before) = first.checked_sub(1).map(|last| words[last].end) else { return "" };
        // The sentence before keeps its full stop.
        let between = &text[last_before..words[first].start];
        if let Some(stop) = between.rfind(['.', '!', '?', '…', '»', '"', ')', ']', '♪']) {
            let stop = last_before + stop;
            return &text[..stop + text[stop..].chars().next().map_or(0, char::len_utf8)];
        }
    }
    text
}

/// A word in small letters with its place in bytes.
struct Word {
    start: usize,
    end: usize,
    text: String,
}

fn words(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut start = None;
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        match (c.is_alphanumeric(), start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                let word = text[from..at].to_lowercase().replace('ё', "е");
                words.push(Word { start: from, end: at, text: word });
                start = None;
            }
            (true, Some(_)) | (false, None) => {}
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    const SURE: Certainty = Certainty { mean_logprob: -0.2, no_speech: 0.05, speech: None };
    const UNSURE: Certainty = Certainty { mean_logprob: -0.6, no_speech: 0.7, speech: None };

    fn spoken_text(text: &str, certainty: Certainty) -> &str {
        super::spoken_text(text, "ru", certainty)
    }

    #[test]
    fn annotations_are_no_speech_in_any_language() {
        for text in [
            "[Music]",
            " [BLANK_AUDIO]",
            "(crickets chirping)",
            "*music*",
            "*грустная музыка*",
            "♪ la la ♪",
            "♪♪",
            "...",
            "[музыка].",
            "[Musik] [Applaus]",
            "(xyzzy plugh)",
            "[говорит]",
            "- [Music]",
            "（音楽）",
            "<noise>",
            "ТЕЛЕФОННЫЙ ЗВОНОК",
            "СПОКОЙНАЯ МУЗЫКА.",
        ] {
            assert_eq!(spoken_text(text, SURE), "", "{text}");
        }
    }

    #[test]
    fn sounds_at_the_edges_go_and_the_words_between_stay() {
        for (text, words) in [
            ("[музыка] Привет, это я.", "Привет, это я."),
            ("Перезвони мне. (смеется)", "Перезвони мне."),
            ("*вздыхает* Ну ладно. [Music] [Applause]", "Ну ладно."),
            ("(laughs) I know!", "I know!"),
        ] {
            assert_eq!(spoken_text(text, SURE), words);
        }
    }

    #[test]
    fn credits_are_no_speech() {
        for text in [
            "Редактор субтитров А.Семкин Корректор А.Егорова",
            "Редактор субтитров И. Бойкова",
            "Субтитры сделал DimaTorzok.",
            "Субтитры создавал DimaTorzok",
            "Subtitles by the Amara.org community",
            "Untertitel der Amara.org-Community",
            "Untertitel im Auftrag des ZDF für funk, 2017",
            "Untertitelung des ZDF, 2020",
            "Sous-titres réalisés para la communauté d'Amara.org",
            "Subtítulos realizados por la comunidad de Amara.org",
            "Legendas pela comunidade Amara.org",
            "Altyazı M.K.",
        ] {
            assert_eq!(spoken_text(text, SURE), "", "{text}");
        }
    }

    #[test]
    fn a_credit_behind_speech_goes_alone() {
        for (text, words) in [
            ("Увидимся завтра. Редактор субтитров А.Семкин Корректор А.Егорова", "Увидимся завтра."),
            ("See you tomorrow! Subtitles by the Amara.org community", "See you tomorrow!"),
            ("Пока! Субтитры сделал DimaTorzok [музыка]", "Пока!"),
        ] {
            assert_eq!(spoken_text(text, SURE), words);
        }
    }

    #[test]
    fn a_sentence_that_people_also_say_is_left_out_only_when_the_model_is_not_certain() {
        for text in
            ["Спасибо за просмотр!", "Продолжение следует...", "Thanks for watching!", "Thank you for watching.", "you"]
        {
            assert_eq!(spoken_text(text, SURE), text, "{text}");
            assert_eq!(spoken_text(text, UNSURE), "", "{text}");
            assert_eq!(spoken_text(text, Certainty { mean_logprob: -1.1, ..SURE }), "", "{text}");
        }
    }

    #[test]
    fn ordinary_speech_is_never_cut() {
        for text in [
            "I said (quietly) no",
            "(a) and (b)",
            "[Anna] hello",
            "Да.",
            "Редактор субтитров опять всё перепутал.",
            "Субтитры сделал Дима.",
            "Скажи, кто у нас редактор субтитров?",
            "Корректор А. Петрова звонила тебе утром.",
            "Это музыка, которую я написал.",
            "Я слышал (и не раз) эту музыку (кажется, две тысячи пятого года, не помню чью)",
            "Субтитры можно взять на Amara.org",
            "Untertitel im Auftrag des ZDF sind oft besser.",
            "Спасибо за просмотр документов, я всё поправлю.",
            "Thanks for watching the kids tonight.",
            "I will see you",
            "Ok. Bye.",
            "Номер пять (звони с девяти)",
            "Скидка 20 * 2",
            "Это мне звонок?",
            "МУЗЫКА МОЕГО ДЕТСТВА ЖИВЕТ В ЭТОЙ КОМНАТЕ",
            "ДА.",
        ] {
            assert_eq!(spoken_text(text, SURE), text);
            assert_eq!(spoken_text(text, UNSURE), text);
        }
    }
}
