//! Texts of the operator's own, which take the place of the bot's.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fluent_templates::FluentBundle;
use fluent_templates::fluent_bundle::{FluentArgs, FluentResource};

use super::{Arguments, Locale};

/// Largest locale file in bytes; the built-in ones have less than 16 KiB.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Deepest nesting of braces and parentheses in one message. Fluent's parser recurses once or more for each of them and
/// sets no bound of its own; the built-in texts nest two deep.
const MAX_NESTING: usize = 32;

/// Tells which messages there are, and what each is given; a test holds the other locales to it.
const REFERENCE: &str = include_str!("../../../../locales/en/main.ftl");

/// Why the operator's own texts cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OverridesError {
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

type Bundle = FluentBundle<FluentResource>;

/// Messages that outrank the built-in ones, by language.
#[derive(Clone, Default)]
pub(super) struct TextOverrides(Arc<Vec<(Locale, Bundle)>>);

impl TextOverrides {
    /// Reads `main.ftl` of each language that `folder` has; other files in it are left alone.
    pub(super) fn read(folder: &Path) -> Result<Self, OverridesError> {
        let known = messages(REFERENCE);
        let mut bundles = Vec::new();
        for locale in Locale::ALL.iter().copied() {
            let file = format!("{}/main.ftl", locale.code());
            let text = match read_bounded(&folder.join(&file)) {
                Ok(Some(text)) => text,
                Ok(None) => continue,
                Err(reason) => return Err(OverridesError::Unreadable { file, reason }),
            };
            for (message, variables) in messages(&text) {
                let Some(given) = known.get(&message) else {
                    return Err(OverridesError::UnknownMessage { file, message });
                };
                if let Some(variable) = variables.difference(given).next() {
                    return Err(OverridesError::UnknownVariable { file, variable: variable.clone(), message });
                }
            }
            bundles.push((locale, parse(locale, text).map_err(|reason| OverridesError::Unreadable { file, reason })?));
        }
        if bundles.is_empty() {
            return Err(OverridesError::Empty(folder.to_path_buf()));
        }
        Ok(Self(Arc::new(bundles)))
    }

    /// `None` where the operator has not written the message in this language.
    pub(super) fn lookup(&self, locale: Locale, id: &str, arguments: &Arguments) -> Option<String> {
        let (_, bundle) = self.0.iter().find(|(of, _)| *of == locale)?;
        let pattern = bundle.get_message(id)?.value()?;
        let arguments: FluentArgs<'_> = arguments.iter().map(|(name, value)| (name.as_ref(), value.clone())).collect();
        let mut errors = Vec::new();
        let text = bundle.format_pattern(pattern, Some(&arguments), &mut errors).into_owned();
        errors.is_empty().then_some(text)
    }
}

/// The text of a locale file; `None` if there is none. Only regular files are read, and no more than
/// [`MAX_FILE_BYTES`] of them.
fn read_bounded(path: &Path) -> Result<Option<String>, String> {
    let read = || -> std::io::Result<Result<String, String>> {
        // Without waiting for a writer, should it be a FIFO.
        let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
        let file = File::options().read(true).custom_flags(flags).open(path)?;
        if !file.metadata()?.is_file() {
            return Ok(Err("it is no regular file".to_owned()));
        }
        let mut text = String::new();
        file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text)?;
        Ok(match text.len() as u64 > MAX_FILE_BYTES {
            true => Err(format!("it has more than {MAX_FILE_BYTES} bytes")),
            false => Ok(text),
        })
    };
    match read() {
        Ok(text) => text.map(Some),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.kind().to_string()),
    }
}

fn parse(locale: Locale, text: String) -> Result<Bundle, String> {
    if let Some(line) = too_deep(&text) {
        return Err(format!("line {line} nests more than {MAX_NESTING} braces and parentheses"));
    }
    let resource = FluentResource::try_new(text).map_err(|(resource, errors)| {
        let Some(error) = errors.first() else { return "it is not Fluent".to_owned() };
        let before = resource.source().get(..error.pos.start).unwrap_or_default();
        format!("line {}: {error}", before.matches('\n').count() + 1)
    })?;
    let mut bundle = Bundle::new_concurrent(vec![locale.identifier()]);
    bundle.set_use_isolating(false);
    bundle.add_resource(resource).map_err(|errors| errors.first().map_or_else(String::new, ToString::to_string))?;
    Ok(bundle)
}

/// The line at which a message opens more braces and parentheses than may stand within each other. Counted without regard
/// to quotes and plain text, which the parser tells apart in more ways than one: too many rather than too few.
fn too_deep(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (number, line) in (1..).zip(text.lines()) {
        if line.starts_with('#') {
            continue;
        }
        // A message or a term begins. Within braces this is an error, with which the parser leaves all of them.
        let name = line.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        if name.len() < line.len() && name.trim_start_matches(' ').starts_with('=') {
            depth = 0;
        }
        for c in line.chars() {
            match c {
                '{' => depth += 1,
                '(' if depth > 0 => depth += 1,
                '}' | ')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth > MAX_NESTING {
                return Some(number);
            }
        }
    }
    None
}

impl fmt::Debug for TextOverrides {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(locale, _)| locale)).finish()
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
    use crate::{StatusText, Texts};

    fn folder(russian: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("ru")).unwrap();
        std::fs::write(folder.path().join("ru/main.ftl"), russian).unwrap();
        folder
    }

    #[test]
    fn one_message_is_replaced_in_one_language() {
        let texts =
            Texts::with_overrides(folder("queue-full = Занято.\nqueued = Вы { $position }-й.\n").path()).unwrap();
        assert_eq!(texts.render(Locale::Ru, &StatusText::QueueFull), "Занято.");
        assert_eq!(texts.render(Locale::Ru, &StatusText::Queued { position: 3, wait: None }), "Вы 3-й.");
        assert_eq!(
            texts.render(Locale::Ru, &StatusText::Starting),
            Texts::default().render(Locale::Ru, &StatusText::Starting)
        );
        assert_eq!(
            texts.render(Locale::En, &StatusText::QueueFull),
            Texts::default().render(Locale::En, &StatusText::QueueFull)
        );
    }

    #[test]
    fn what_would_never_be_said_is_refused() {
        let refusal = |russian: &str| Texts::with_overrides(folder(russian).path()).unwrap_err().to_string();
        assert_eq!(refusal("hello = Привет\n"), "texts_dir: ru/main.ftl has `hello`, which the bot never says");
        let sentence = "texts_dir: ru/main.ftl uses `$place` in `queued`, which has no such variable";
        assert_eq!(refusal("queued = { $place }\n"), sentence);
        let unfinished = refusal("queue-full = Занято.\nqueued = { $position\n");
        assert!(unfinished.starts_with("texts_dir: ru/main.ftl cannot be read: line "), "{unfinished}");
        let nowhere = Texts::with_overrides(Path::new("/nowhere")).unwrap_err().to_string();
        assert!(nowhere.contains("holds no locale file"), "{nowhere}");
    }

    /// Fluent's parser would overflow the stack of a thread over most of these, which ends the whole process.
    #[test]
    fn deep_nesting_and_odd_files_are_refused_before_they_are_parsed() {
        let refusal = |russian: &str| Texts::with_overrides(folder(russian).path()).unwrap_err().to_string();
        let deep = |open: &str, times: usize| format!("queue-full = {}\n", open.repeat(times));
        for text in [
            deep("{", 100_000),
            deep("{ ", 100_000),
            deep("{\n    ", 100_000),
            deep("{ F(", 50_000),
            deep("{\nF(", 50_000),
            deep("{\nF(\n", 50_000),
            format!("queue-full = {{ {}", "F(".repeat(100_000)),
            format!("queued = {{ $position ->\n    *[one] \"quoted {}\n", "{".repeat(100_000)),
            format!("queued = {{ $position ->\n}}  *[one] x\n    }} {}\n", "{".repeat(100_000)),
            format!("-term = {}\n", "{".repeat(100_000)),
            format!("queue-full =\n    .attribute = {}\n", "{".repeat(100_000)),
        ] {
            let refused = refusal(&text);
            assert!(refused.contains("nests more than 32 braces and parentheses"), "{refused}");
        }
        let large = refusal(&"# a comment\n".repeat(100_000));
        assert_eq!(large, "texts_dir: ru/main.ftl cannot be read: it has more than 1048576 bytes");

        let place = folder("");
        let file = place.path().join("ru/main.ftl");
        std::fs::remove_file(&file).unwrap();
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &file, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let fifo = Texts::with_overrides(place.path()).unwrap_err().to_string();
        assert_eq!(fifo, "texts_dir: ru/main.ftl cannot be read: it is no regular file");
    }

    #[test]
    fn files_beside_main_ftl_are_left_alone() {
        let place = folder("queue-full = Занято.\n");
        std::fs::write(place.path().join("ru/other.ftl"), "{".repeat(100_000)).unwrap();
        std::fs::create_dir(place.path().join("not a language")).unwrap();
        let texts = Texts::with_overrides(place.path()).unwrap();
        assert_eq!(texts.render(Locale::Ru, &StatusText::QueueFull), "Занято.");
    }
}
