//! One line of the log for each event: control characters are escaped, so that a quoted answer of a server can neither begin
//! a line of its own nor control the terminal.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};

use tracing_subscriber::fmt::MakeWriter;

/// The end of what tracing-subscriber writes for an event.
const END: u8 = b'\n';
/// Begins a change of colour, as the formatter writes it on a terminal.
const COLOUR: &str = "\u{1b}[";

/// Escapes control characters as `\n`, `\t`, `\r` or `\u001b`, as in JSON, and with them the characters that change the
/// direction of a line or end it.
pub(crate) fn escape_controls(text: &str) -> Cow<'_, str> {
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len() + 16);
    text.chars().for_each(|character| escape(character, &mut clean));
    Cow::Owned(clean)
}

fn steers(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn escape(character: char, to: &mut String) {
    match character {
        '\n' => to.push_str("\\n"),
        '\r' => to.push_str("\\r"),
        '\t' => to.push_str("\\t"),
        // Writing to a string does not fail.
        other if steers(other) => drop(write!(to, "\\u{:04x}", u32::from(other))),
        other => to.push(other),
    }
}

#[derive(Debug, Clone)]
pub(crate) struct OneLine<M> {
    inner: M,
}

impl<M> OneLine<M> {
    /// Escapes before `inner` sees the line.
    pub(crate) fn of(inner: M) -> Self {
        Self { inner }
    }
}

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for OneLine<M> {
    type Writer = OneLineWriter<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        OneLineWriter { inner: self.inner.make_writer(), event: Vec::new() }
    }

    fn make_writer_for(&'a self, meta: &tracing::Metadata<'_>) -> Self::Writer {
        OneLineWriter { inner: self.inner.make_writer_for(meta), event: Vec::new() }
    }
}

/// Collects one event and writes it when dropped.
#[derive(Debug)]
pub(crate) struct OneLineWriter<W: Write> {
    inner: W,
    event: Vec<u8>,
}

impl<W: Write> Write for OneLineWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.event.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<W: Write> Drop for OneLineWriter<W> {
    fn drop(&mut self) {
        if self.event.is_empty() {
            return;
        }
        let event = self.event.strip_suffix(&[END]).unwrap_or(&self.event);
        let mut line = escape_around_colours(&String::from_utf8_lossy(event)).into_bytes();
        line.push(END);
        // There is nowhere left to report that the log cannot be written.
        self.inner.write_all(&line).ok();
    }
}

/// Escapes all but the formatter's own changes of colour. An escape character that an event quotes was replaced by the
/// formatter before.
fn escape_around_colours(event: &str) -> String {
    let mut clean = String::with_capacity(event.len());
    let mut rest = event;
    while let Some(at) = rest.find(COLOUR) {
        let (before, sequence) = rest.split_at(at);
        clean.push_str(&escape_controls(before));
        let parameters = &sequence[COLOUR.len()..];
        let length = parameters.find(|c: char| !c.is_ascii_digit() && c != ';').unwrap_or(parameters.len());
        let end = match parameters[length..].starts_with('m') {
            true => COLOUR.len() + length + 1,
            false => 1,
        };
        match end {
            1 => escape('\u{1b}', &mut clean),
            _ => clean.push_str(&sequence[..end]),
        }
        rest = &sequence[end..];
    }
    clean.push_str(&escape_controls(rest));
    clean
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Output of the pretty log for an error with this text.
    fn logged(ansi: bool, error: &str) -> String {
        let written = Written::default();
        let maker = {
            let written = written.clone();
            move || written.clone()
        };
        let log = tracing_subscriber::fmt().with_ansi(ansi).without_time().with_writer(OneLine::of(maker)).finish();
        tracing::subscriber::with_default(log, || tracing::error!(%error, field = error, "a {error}"));
        let bytes = written.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn an_event_stays_one_line_whatever_it_quotes() {
        for character in ["\n", "\r", "\r\n", "\u{1b}[2J", "\u{8}", "\u{7f}", "\u{9b}31m", "\u{2028}", "\u{202e}", "\0"]
        {
            for ansi in [false, true] {
                let text = logged(ansi, &format!("before{character}2026-01-01 INFO all is well"));
                let line = text.strip_suffix('\n').unwrap();
                let plain = line.replace("\u{1b}[", "");
                assert!(!plain.contains(steers), "{plain:?}");
                assert!(ansi || plain == line, "{line:?}");
                assert!(line.contains("all is well"));
            }
        }
        assert_eq!(logged(false, "как обычно").matches("как обычно").count(), 3);
    }
}
