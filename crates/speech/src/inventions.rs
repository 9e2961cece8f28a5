//! Sentences that speech models are known to make up over noise and silence, and that people say too.
//!
//! One is left out only when it is a whole segment and the model or the detector doubts it: see [`Certainty`]. What does not
//! occur in messages at all is in `annotations`.

use std::time::Duration;

/// How certain a segment is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Certainty {
    /// Of the segment.
    pub(super) mean_logprob: f32,
    /// Of the window it comes from.
    pub(super) no_speech: f32,
    /// Speech that the detector found within the segment; `None` without a detector.
    pub(super) speech: Option<Duration>,
}

impl Certainty {
    /// Whether a sentence is more likely made up than spoken.
    fn is_low(self, characters: usize) -> bool {
        const MIN_LOGPROB: f32 = -0.8;
        const MAX_NO_SPEECH: f32 = 0.5;
        /// A second of detected speech. Of 310 segments with speech one has 34, in which a person speaks as fast as they can, and
        /// all others have 26 at most.
        const MAX_CHARACTERS: f32 = 40.0;
        let is_too_fast = self.speech.is_some_and(|speech| characters as f32 > MAX_CHARACTERS * speech.as_secs_f32());
        self.mean_logprob < MIN_LOGPROB || self.no_speech > MAX_NO_SPEECH || is_too_fast
    }
}

/// By language, in small letters and without punctuation; `_` is an initial, `@` any word.
#[rustfmt::skip]
const INVENTIONS: &[(&str, &[&str])] = &[
    ("en", &[
        "thanks for watching", "thank you for watching", "thank you so much for watching", "thank you very much for watching",
        "thanks for listening", "thank you for listening", "please subscribe", "please subscribe to my channel",
        "please like and subscribe", "don t forget to subscribe", "see you in the next video", "i ll see you in the next video",
        "to be continued", "you", "bye",
    ]),
    ("ru", &[
        "продолжение следует", "спасибо за просмотр", "спасибо за просмотр и до новых встреч", "спасибо за внимание",
        "подписывайтесь на канал", "подписывайтесь на мой канал", "подпишись на канал", "не забудьте подписаться на канал",
        "ставьте лайки и подписывайтесь на канал", "до новых встреч", "корректор _ @",
    ]),
    ("uk", &[
        "дякую за перегляд", "дякую за увагу", "дякуємо за перегляд", "дякуємо за увагу", "продовження буде",
        "підписуйтесь на канал", "підпишіться на канал",
    ]),
    ("be", &["дзякуй за прагляд", "дзякуй за ўвагу", "працяг будзе"]),
    ("kk", &["көргендеріңізге рахмет", "назарларыңызға рахмет", "жалғасы бар"]),
    ("de", &[
        "vielen dank fürs zuschauen", "danke fürs zuschauen", "vielen dank für s zuschauen", "vielen dank fürs zuhören",
        "bis zum nächsten mal",
    ]),
    ("fr", &[
        "merci d avoir regardé cette vidéo", "merci d avoir regardé", "merci d avoir regardé la vidéo",
        "abonnez vous",
    ]),
    ("es", &[
        "gracias por ver el video", "gracias por ver el vídeo", "gracias por ver", "muchas gracias por ver el video",
        "suscríbete al canal",
    ]),
    ("pt", &["obrigado por assistir", "obrigada por assistir", "inscreva se no canal", "até o próximo vídeo"]),
    ("it", &["grazie per aver guardato il video", "grazie per la visione"]),
    ("pl", &["dziękuję za oglądanie", "dziękuję za uwagę"]),
    ("nl", &["bedankt voor het kijken"]),
    ("tr", &[
        "izlediğiniz için teşekkür ederim", "izlediğiniz için teşekkürler", "abone olmayı unutmayın",
        "bir sonraki videoda görüşmek üzere",
    ]),
    ("ja", &["ご視聴ありがとうございました", "チャンネル登録をお願いいたします"]),
    ("ko", &["시청해주셔서 감사합니다", "구독과 좋아요 부탁드립니다"]),
    ("zh", &["谢谢观看", "謝謝觀看", "请不吝点赞 订阅 转发 打赏支持明镜与点点栏目"]),
];

/// Whether `words` are all of such a sentence, and the segment they come from is not certain. Compared with those of the
/// segment's language, and with the English ones, which models make up in any.
pub(super) fn is_invented(words: &[&str], language: &str, characters: usize, certainty: Certainty) -> bool {
    let is_all = |pattern: &&str| {
        let mut patterns = pattern.split(' ');
        words.iter().all(|word| patterns.next().is_some_and(|pattern| fits(word, pattern))) && patterns.next().is_none()
    };
    let lists = INVENTIONS.iter().filter(|(code, _)| *code == language || *code == "en");
    certainty.is_low(characters) && lists.flat_map(|(_, sentences)| *sentences).any(is_all)
}

/// Whether a word in small letters is what a pattern says: `_` an initial, `@` any word, `9` a number, else itself.
pub(super) fn fits(word: &str, pattern: &str) -> bool {
    match pattern {
        "_" => word.chars().count() == 1,
        "@" => true,
        "9" => word.bytes().all(|byte| byte.is_ascii_digit()),
        exact => word == exact,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SURE: Certainty = Certainty { mean_logprob: -0.2, no_speech: 0.05, speech: Some(Duration::from_secs(3)) };
    const DOUBTFUL: [Certainty; 3] = [
        Certainty { mean_logprob: -1.1, ..SURE },
        Certainty { no_speech: 0.7, ..SURE },
        Certainty { speech: Some(Duration::from_millis(300)), ..SURE },
    ];

    fn is_left_out(text: &str, language: &str, certainty: Certainty) -> bool {
        let words: Vec<&str> = text.split(' ').collect();
        is_invented(&words, language, text.chars().count(), certainty)
    }

    #[test]
    fn a_known_sentence_is_left_out_when_model_or_detector_doubts_and_only_then() {
        for certainty in DOUBTFUL {
            assert!(is_left_out("продолжение следует", "ru", certainty), "{certainty:?}");
            assert!(is_left_out("thanks for watching", "en", certainty), "{certainty:?}");
            assert!(is_left_out("корректор а петрова", "ru", certainty), "{certainty:?}");
        }
        for certainty in [SURE, Certainty { speech: None, ..SURE }] {
            assert!(!is_left_out("продолжение следует", "ru", certainty), "{certainty:?}");
        }
    }

    #[test]
    fn more_or_fewer_words_or_another_language_are_no_known_sentence() {
        for certainty in DOUBTFUL {
            for (text, language) in [
                ("продолжение следует завтра", "ru"),
                ("продолжение", "ru"),
                ("thanks for watching the kids", "en"),
                ("дякую за увагу", "ru"),
                ("bis zum nächsten mal", "nl"),
            ] {
                assert!(!is_left_out(text, language, certainty), "{text} {certainty:?}");
            }
            assert!(is_left_out("thanks for watching", "ru", certainty));
        }
    }

    #[test]
    fn sentences_are_written_as_they_are_compared() {
        for (language, sentences) in INVENTIONS {
            assert!(!sentences.is_empty(), "{language}");
            for sentence in *sentences {
                let plain = sentence.chars().all(|c| c.is_alphanumeric() || " _@".contains(c));
                assert!(plain && sentence.to_lowercase() == **sentence && !sentence.contains('ё'), "{sentence}");
                assert!(!sentence.split(' ').any(str::is_empty), "{sentence}");
            }
        }
    }
}
