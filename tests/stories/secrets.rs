//! Secrets that must not be in logs and files: the token, transcripts, paths of this machine.

use std::collections::BTreeSet;
use std::path::Path;

use stenobot_simulator::wer::normalise;

/// Words of transcripts.
#[derive(Default)]
pub(crate) struct Spoken {
    /// Words of which one is enough to recognise a transcript: those in other than Latin letters.
    single: BTreeSet<String>,
    /// Sequences of three words.
    in_a_row: BTreeSet<String>,
}

impl Spoken {
    pub(crate) fn add(&mut self, text: &str) {
        let words = normalise(text);
        let particular =
            |word: &&String| word.chars().count() >= 4 && word.chars().all(|c| c.is_alphabetic() && !c.is_ascii());
        self.single.extend(words.iter().filter(particular).cloned());
        self.in_a_row.extend(words.windows(3).map(|three| three.join(" ")));
    }

    /// The first of these words that `text` contains.
    fn first_in(&self, text: &str) -> Option<String> {
        let words = normalise(text);
        let single = words.iter().find(|word| self.single.contains(*word)).cloned();
        single.or_else(|| words.windows(3).map(|three| three.join(" ")).find(|three| self.in_a_row.contains(three)))
    }
}

/// Panics with the line of a log that contains a secret.
pub(crate) fn check_log(log: &str, token: &str, folder: &Path, spoken: &Spoken) {
    let (_, secret) = token.split_once(':').expect("a token has two parts");
    let home = std::env::var("HOME").unwrap_or_default();
    let mut forbidden = vec![secret.to_owned(), env!("CARGO_MANIFEST_DIR").to_owned(), folder.display().to_string()];
    forbidden.push(std::env::temp_dir().join("").display().to_string());
    forbidden.extend((home.len() > 1).then(|| format!("{}/", home.trim_end_matches('/'))));
    for line in log.lines() {
        if let Some(found) = forbidden.iter().find(|secret| line.contains(*secret)).cloned().or(spoken.first_in(line)) {
            panic!("the log contains {found:?}:\n{line}");
        }
    }
}

/// Panics when a file below `folder` contains the token or a transcript.
pub(crate) fn check_files(folder: &Path, token: &str, spoken: &Spoken) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_symlink() {
            // Models are not written by the bot.
        } else if path.is_dir() {
            check_files(&path, token, spoken);
        } else if let Ok(bytes) = std::fs::read(&path) {
            let text = String::from_utf8_lossy(&bytes);
            // The script in a recording comes from its sender.
            let recording = path.parent().is_some_and(|parent| parent.ends_with("audio"));
            if let Some(found) = spoken.first_in(&text).filter(|_| !recording) {
                panic!("{} holds {found:?}", path.display());
            }
            let (_, secret) = token.split_once(':').expect("a token has two parts");
            assert!(!text.contains(secret), "{} holds the token", path.display());
        }
    }
}

#[test]
fn secrets_in_a_log_are_found() {
    let mut spoken = Spoken::default();
    spoken.add("Возьми зонт и надень куртку");
    spoken.add("The train leaves at seven");
    let caught = |line: &str| {
        let check = || check_log(line, "1:secretsecret", Path::new("/somewhere/private"), &spoken);
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(check)).is_err()
    };
    for line in [
        "GET /bot1:secretsecret/getMe",
        "heard \"надень\"",
        "the train leaves",
        "opened /somewhere/private/data/1.audio",
        concat!(env!("CARGO_MANIFEST_DIR"), "/src/app.rs"),
    ] {
        assert!(caught(line), "{line}");
    }
    assert!(!caught("request=1 transcribed, the train is late"));
}
