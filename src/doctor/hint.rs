//! The remedy at the end of a finding's sentence. All sentences have the form "FINDING: REMEDY" or "FINDING; REMEDY", and a
//! remedy begins with an imperative or a command.

/// First words of remedies.
const IMPERATIVES: [&str; 27] = [
    "allow", "bring", "check", "choose", "delete", "do", "free", "get", "give", "import", "let", "look", "lower",
    "make", "move", "name", "put", "raise", "remove", "restore", "run", "set", "start", "stop", "take", "try",
    "upgrade",
];

/// Splits a sentence into finding and remedy; the remedy is `None` where the sentence has none.
pub(super) fn split(sentence: &str) -> (&str, Option<&str>) {
    let ends = sentence.match_indices([':', ';']).map(|(at, _)| at);
    let remedy =
        ends.filter_map(|at| Some((at, sentence[at + 1..].strip_prefix(' ')?))).find(|(_, rest)| is_remedy(rest));
    match remedy {
        Some((at, remedy)) => (&sentence[..at], Some(remedy)),
        None => (sentence, None),
    }
}

fn is_remedy(text: &str) -> bool {
    let word = text.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    text.starts_with('`') || IMPERATIVES.contains(&word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_split_before_their_remedies() {
        for (finding, mark, remedy) in [
            (
                "no token",
                ":",
                "get one from @BotFather on Telegram (https://t.me/BotFather) and set TELEGRAM_BOT_TOKEN",
            ),
            ("the Bot API server cannot be reached: no connection", ";", "check the network and telegram_api_url"),
            ("other users of this machine can read the token in .env", ":", "`chmod 600 .env`"),
            ("off by 90 s from the server's", ":", "set the time, best by NTP (`timedatectl set-ntp true`)"),
            ("only 60 MB are free", ":", "free some space, or it will be full"),
            ("the data folder cannot be used: File exists (os error 17)", ";", "make it writable for this user"),
        ] {
            assert_eq!(split(&format!("{finding}{mark} {remedy}")), (finding, Some(remedy)));
        }
        for whole in ["no webhook is set: they can be polled", "bot 25 MiB + 1 x engine (78 MiB model) = 3 of 4 MiB"] {
            assert_eq!(split(whole), (whole, None));
        }
    }
}
