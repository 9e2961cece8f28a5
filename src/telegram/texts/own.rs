//! Texts of the operator's own, which take the place of the bot's.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fluent_templates::ArcLoader;

use super::{Arguments, Locale};

/// Tells which messages there are, and what each is given; a test holds the other locales to it.
const REFERENCE: &str = include_str!("../../../locales/en/main.ftl");

/// Why the operator's own texts cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OwnTextsError {
    /// No such folder, or none of the languages in it.
    #[error("texts_dir = {0} holds no locale file: put one there such as ru/main.ftl")]
    Empty(PathBuf),
    /// A file that is not Fluent, or not readable.
    #[error("texts_dir: {file} cannot be read: {reason}")]
    Unreadable {
        /// Its name below the folder.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// A message that the bot never says.
    #[error("texts_dir: {file} has `{message}`, which the bot never says")]
    UnknownMessage {
        /// Its name below the folder.
        file: String,
        /// Its identifier.
        message: String,
    },
    /// A variable that the message is not given.
    #[error("texts_dir: {file} uses `${variable}` in `{message}`, which has no such variable")]
    UnknownVariable {
        /// Its name below the folder.
        file: String,
        /// Its identifier.
        message: String,
        /// The variable.
        variable: String,
    },
}

/// Messages that outrank the built-in ones.
#[derive(Clone, Default)]
pub(super) struct OwnTexts(Option<Arc<ArcLoader>>);

impl OwnTexts {
    pub(super) fn read(folder: &Path) -> Result<Self, OwnTextsError> {
        let known = messages(REFERENCE);
        let mut any = false;
        for locale in Locale::ALL {
            let file = format!("{}/main.ftl", locale.code());
            let text = match std::fs::read_to_string(folder.join(&file)) {
                Ok(text) => text,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(OwnTextsError::Unreadable { file, reason: error.kind().to_string() }),
            };
            any = true;
            for (message, variables) in messages(&text) {
                let Some(given) = known.get(&message) else {
                    return Err(OwnTextsError::UnknownMessage { file, message });
                };
                if let Some(variable) = variables.difference(given).next() {
                    return Err(OwnTextsError::UnknownVariable { file, variable: variable.clone(), message });
                }
            }
        }
        if !any {
            return Err(OwnTextsError::Empty(folder.to_path_buf()));
        }
        let loader = ArcLoader::builder(folder, Locale::En.identifier())
            .customize(|bundle| bundle.set_use_isolating(false))
            .build()
            .map_err(|error| OwnTextsError::Unreadable {
                file: "a locale file".into(),
                reason: error.to_string().replace('\n', " "),
            })?;
        Ok(Self(Some(Arc::new(loader))))
    }

    /// `None` where the operator has not written the message in this language.
    pub(super) fn lookup(&self, locale: Locale, id: &str, arguments: &Arguments) -> Option<String> {
        self.0.as_ref()?.lookup_single_language(&locale.identifier(), id, Some(arguments)).ok()
    }
}

impl fmt::Debug for OwnTexts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OwnTexts").field(&self.0.is_some()).finish()
    }
}

/// The messages of a locale file, with the variables that each uses.
pub(super) fn messages(file: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut messages = BTreeMap::new();
    let mut current: Option<String> = None;
    for line in file.lines().filter(|line| !line.starts_with('#')) {
        if let Some((name, _)) = line.split_once('=').filter(|_| line.starts_with(|c: char| c.is_ascii_alphabetic())) {
            current = Some(name.trim().to_owned());
            messages.insert(name.trim().to_owned(), BTreeSet::new());
        }
        if let Some(variables) = current.as_ref().and_then(|name| messages.get_mut(name)) {
            let words = line.split('$').skip(1);
            variables.extend(words.map(|word| word.chars().take_while(|c| c.is_alphanumeric()).collect::<String>()));
        }
    }
    messages
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telegram::{Text, Texts};

    fn folder(russian: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("ru")).unwrap();
        std::fs::write(folder.path().join("ru/main.ftl"), russian).unwrap();
        folder
    }

    #[test]
    fn one_message_is_replaced_in_one_language() {
        let texts = Texts::with_own(folder("queue-full = Занято.\nqueued = Вы { $position }-й.\n").path()).unwrap();
        assert_eq!(texts.render(Locale::Ru, &Text::QueueFull), "Занято.");
        assert_eq!(texts.render(Locale::Ru, &Text::Queued { position: 3, wait: None }), "Вы 3-й.");
        assert_eq!(texts.render(Locale::Ru, &Text::Starting), Texts::default().render(Locale::Ru, &Text::Starting));
        assert_eq!(texts.render(Locale::En, &Text::QueueFull), Texts::default().render(Locale::En, &Text::QueueFull));
    }

    #[test]
    fn what_would_never_be_said_is_refused() {
        let refusal = |russian: &str| Texts::with_own(folder(russian).path()).unwrap_err().to_string();
        assert_eq!(refusal("hello = Привет\n"), "texts_dir: ru/main.ftl has `hello`, which the bot never says");
        let sentence = "texts_dir: ru/main.ftl uses `$place` in `queued`, which has no such variable";
        assert_eq!(refusal("queued = { $place }\n"), sentence);
        assert!(refusal("queued = { $position\n").contains("cannot be read"));
        let nowhere = Texts::with_own(Path::new("/nowhere")).unwrap_err().to_string();
        assert!(nowhere.contains("holds no locale file"), "{nowhere}");
    }
}
