//! Messages of the operator that replace built-in ones.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fluent_syntax::ast::{CallArguments, Entry, Expression, InlineExpression, Pattern, PatternElement};
use fluent_templates::FluentBundle;
use fluent_templates::fluent_bundle::{FluentArgs, FluentResource};

use super::{Arguments, Locale};

/// Largest locale file in bytes; the built-in ones are smaller than 16 KiB.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Deepest nesting of braces and parentheses in one message. Fluent's parser recurses at least once for each of them
/// without a bound of its own; the built-in texts nest two deep.
const MAX_NESTING: usize = 32;

/// Defines the messages and their variables; tests compare the other locales with it.
const REFERENCE: &str = include_str!("../../../../locales/en/main.ftl");

/// Why the operator's messages cannot be used.
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
    /// An unknown message.
    #[error("texts_dir: {file} has `{message}`, which the bot never says")]
    UnknownMessage {
        /// Its name below the folder.
        file: String,
        /// Its identifier.
        message: String,
    },
    /// A variable that the message does not have.
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

/// Messages that replace the built-in ones, by locale.
#[derive(Clone, Default)]
pub(super) struct TextOverrides(Arc<Vec<(Locale, Bundle)>>);

impl TextOverrides {
    /// Reads `main.ftl` of each language that `folder` has; other files in it are ignored.
    pub(super) fn read(folder: &Path) -> Result<Self, OverridesError> {
        let known = messages(&built_in(REFERENCE));
        let mut bundles = Vec::new();
        for locale in Locale::ALL.iter().copied() {
            let file = format!("{}/main.ftl", locale.code());
            let text = match read_bounded(&folder.join(&file)) {
                Ok(Some(text)) => text,
                Ok(None) => continue,
                Err(reason) => return Err(OverridesError::Unreadable { file, reason }),
            };
            let resource = match parse(text) {
                Ok(resource) => resource,
                Err(reason) => return Err(OverridesError::Unreadable { file, reason }),
            };
            for (message, variables) in messages(&resource) {
                let Some(given) = known.get(&message) else {
                    return Err(OverridesError::UnknownMessage { file, message });
                };
                if let Some(variable) = variables.difference(given).next() {
                    return Err(OverridesError::UnknownVariable { file, variable: variable.clone(), message });
                }
            }
            bundles.push((
                locale,
                bundle(locale, resource).map_err(|reason| OverridesError::Unreadable { file, reason })?,
            ));
        }
        if bundles.is_empty() {
            return Err(OverridesError::Empty(folder.to_path_buf()));
        }
        Ok(Self(Arc::new(bundles)))
    }

    /// `None` where the operator has not replaced the message in this locale.
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

fn parse(text: String) -> Result<FluentResource, String> {
    if let Some(line) = too_deep(&text) {
        return Err(format!("line {line} nests more than {MAX_NESTING} braces and parentheses"));
    }
    FluentResource::try_new(text).map_err(|(resource, errors)| {
        let Some(error) = errors.first() else { return "it is not Fluent".to_owned() };
        let before = resource.source().get(..error.pos.start).unwrap_or_default();
        format!("line {}: {error}", before.matches('\n').count() + 1)
    })
}

fn bundle(locale: Locale, resource: FluentResource) -> Result<Bundle, String> {
    let mut bundle = Bundle::new_concurrent(vec![locale.identifier()]);
    bundle.set_use_isolating(false);
    bundle.add_resource(resource).map_err(|errors| errors.first().map_or_else(String::new, ToString::to_string))?;
    Ok(bundle)
}

/// The line at which a message nests more braces and parentheses than allowed. Counted before the parser sees the text, whose
/// recursion has no bound; quotes and plain text are counted too, so that the result is never too low.
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

/// A built-in file; what a test would find wrong in it is left out.
pub(super) fn built_in(text: &str) -> FluentResource {
    FluentResource::try_new(text.to_owned()).unwrap_or_else(|(resource, _)| resource)
}

/// The messages of a locale file, with the variables that each uses.
pub(super) fn messages(file: &FluentResource) -> BTreeMap<String, BTreeSet<String>> {
    let mut messages = BTreeMap::new();
    for entry in file.entries() {
        let Entry::Message(message) = entry else { continue };
        let mut variables = BTreeSet::new();
        for pattern in message.value.iter().chain(message.attributes.iter().map(|attribute| &attribute.value)) {
            collect_in_pattern(pattern, &mut variables);
        }
        messages.insert(message.id.name.to_owned(), variables);
    }
    messages
}

fn collect_in_pattern(pattern: &Pattern<&str>, variables: &mut BTreeSet<String>) {
    for element in &pattern.elements {
        match element {
            PatternElement::TextElement { .. } => {}
            PatternElement::Placeable { expression } => collect_in_expression(expression, variables),
        }
    }
}

fn collect_in_expression(expression: &Expression<&str>, variables: &mut BTreeSet<String>) {
    match expression {
        Expression::Inline(inline) => collect_in_inline(inline, variables),
        Expression::Select { selector, variants } => {
            collect_in_inline(selector, variables);
            for variant in variants {
                collect_in_pattern(&variant.value, variables);
            }
        }
    }
}

fn collect_in_inline(inline: &InlineExpression<&str>, variables: &mut BTreeSet<String>) {
    match inline {
        InlineExpression::VariableReference { id } => {
            variables.insert(id.name.to_owned());
        }
        InlineExpression::Placeable { expression } => collect_in_expression(expression, variables),
        InlineExpression::FunctionReference { arguments, .. } => collect_in_arguments(arguments, variables),
        InlineExpression::TermReference { arguments, .. } => {
            arguments.iter().for_each(|arguments| collect_in_arguments(arguments, variables));
        }
        InlineExpression::StringLiteral { .. }
        | InlineExpression::NumberLiteral { .. }
        | InlineExpression::MessageReference { .. } => {}
    }
}

fn collect_in_arguments(arguments: &CallArguments<&str>, variables: &mut BTreeSet<String>) {
    let named = arguments.named.iter().map(|argument| &argument.value);
    for argument in arguments.positional.iter().chain(named) {
        collect_in_inline(argument, variables);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{QueuePosition, StatusText, Texts};

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
        assert_eq!(
            texts.render(Locale::Ru, &StatusText::Queued { position: QueuePosition::Exact(3), wait: None }),
            "Вы 3-й."
        );
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
    fn unknown_messages_and_variables_are_refused() {
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
    fn other_files_than_main_ftl_are_ignored() {
        let place = folder("queue-full = Занято.\n");
        std::fs::write(place.path().join("ru/other.ftl"), "{".repeat(100_000)).unwrap();
        std::fs::create_dir(place.path().join("not a language")).unwrap();
        let texts = Texts::with_overrides(place.path()).unwrap();
        assert_eq!(texts.render(Locale::Ru, &StatusText::QueueFull), "Занято.");
    }
}
