//! The last line of defence for the token and for passwords: log lines are cleaned on their way out.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

use stenobot_domain::secrets::{self, HIDDEN_MARK, TOKEN_MARK};
use tracing_subscriber::fmt::MakeWriter;

/// Shorter secrets are not looked for: they would be found in half of all lines.
const MIN_SECRET: usize = 4;

/// Knows the token in every form in which it could be printed, and other secrets. Other tokens are hidden by their form.
/// Its `Debug` shows none.
#[derive(Clone, Default)]
pub struct Redactor(Arc<[(Vec<u8>, &'static str)]>);

impl Redactor {
    /// Hides a token of the form `<bot id>:<secret>`, its secret half alone, and both percent-encoded. The default
    /// redactor knows no secret and hides what has the form of a token.
    pub fn new(token: &str) -> Self {
        let secret = token.split_once(':').map_or(token, |(_, secret)| secret);
        let mut forms: Vec<Vec<u8>> = Vec::new();
        for text in [token, secret] {
            for reserved in [&[][..], &[':'], &[':', '-', '_']] {
                let upper = encode(text, reserved);
                for form in [upper.clone(), upper.replace("%3A", "%3a").replace("%2D", "%2d").replace("%5F", "%5f")] {
                    if !form.is_empty() && !forms.contains(&form.as_bytes().to_vec()) {
                        forms.push(form.into_bytes());
                    }
                }
            }
        }
        Self::of(forms.into_iter().map(|form| (form, TOKEN_MARK)).collect())
    }

    /// Hides these secrets too, each exactly as it stands here, if it has at least four bytes.
    #[must_use]
    pub fn hiding<'a>(&self, secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let secrets = secrets.into_iter().filter(|secret| secret.len() >= MIN_SECRET);
        let more = secrets.map(|secret| (secret.as_bytes().to_vec(), HIDDEN_MARK));
        Self::of(self.0.iter().cloned().chain(more).collect())
    }

    fn of(mut forms: Vec<(Vec<u8>, &'static str)>) -> Self {
        // The whole token first, or its first half would stay.
        forms.sort_by_key(|(form, _)| std::cmp::Reverse(form.len()));
        Self(forms.into())
    }

    /// The bytes without the token and the other secrets.
    pub fn clean<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let mut clean = Cow::Borrowed(bytes);
        for (form, mark) in self.0.iter() {
            let mut from = 0;
            while let Some(at) = clean[from..].windows(form.len()).position(|window| window == form) {
                let at = from + at;
                clean.to_mut().splice(at..at + form.len(), mark.bytes());
                from = at + mark.len();
            }
        }
        let hidden = match secrets::hide_tokens(&clean) {
            Cow::Owned(hidden) => Some(hidden),
            Cow::Borrowed(_) => None,
        };
        hidden.map_or(clean, Cow::Owned)
    }

    /// A writer for tracing-subscriber's `with_writer` that cleans each line before `inner` sees it.
    pub fn wrap<M>(&self, inner: M) -> Redacting<M> {
        Redacting { inner, redactor: self.clone() }
    }
}

fn encode(text: &str, reserved: &[char]) -> String {
    let encoded = text.chars().map(|character| {
        if reserved.contains(&character) { format!("%{:02X}", u32::from(character)) } else { character.to_string() }
    });
    encoded.collect()
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor").finish_non_exhaustive()
    }
}

/// Makes [`RedactingWriter`]s.
#[derive(Debug, Clone)]
pub struct Redacting<M> {
    inner: M,
    redactor: Redactor,
}

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for Redacting<M> {
    type Writer = RedactingWriter<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        RedactingWriter { inner: self.inner.make_writer(), redactor: self.redactor.clone(), line: Vec::new() }
    }

    fn make_writer_for(&'a self, meta: &tracing::Metadata<'_>) -> Self::Writer {
        RedactingWriter { inner: self.inner.make_writer_for(meta), redactor: self.redactor.clone(), line: Vec::new() }
    }
}

/// Holds what is written back until the end of the line, so that a token in two pieces is seen whole.
#[derive(Debug)]
pub struct RedactingWriter<W: Write> {
    inner: W,
    redactor: Redactor,
    line: Vec<u8>,
}

impl<W: Write> RedactingWriter<W> {
    fn pass(&mut self, end: usize) -> io::Result<()> {
        let lines: Vec<u8> = self.line.drain(..end).collect();
        self.inner.write_all(&self.redactor.clean(&lines))
    }
}

impl<W: Write> Write for RedactingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.extend_from_slice(bytes);
        if let Some(last) = self.line.iter().rposition(|byte| *byte == b'\n') {
            self.pass(last + 1)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        // The rest of an unfinished line waits for its end.
        self.inner.flush()
    }
}

impl<W: Write> Drop for RedactingWriter<W> {
    fn drop(&mut self) {
        if !self.line.is_empty() {
            // A log that cannot be written has no place left to say so.
            self.pass(self.line.len()).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "123456789:AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc";
    const SECRET: &str = "AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc";

    fn clean(text: &str) -> String {
        String::from_utf8(Redactor::new(TOKEN).clean(text.as_bytes()).into_owned()).unwrap()
    }

    #[test]
    fn every_form_of_the_token_is_hidden() {
        for (line, wanted) in [
            (format!("GET /bot{TOKEN}/getMe"), "GET /bot<token>/getMe"),
            (format!("{TOKEN}{TOKEN}"), "<token><token>"),
            (format!("secret {SECRET}."), "secret <token>."),
            (format!("bot{}", TOKEN.replace(':', "%3A")), "bot<token>"),
            (format!("bot{}", TOKEN.replace(':', "%3a")), "bot<token>"),
            (SECRET.replace('_', "%5F").replace('-', "%2D"), "<token>"),
            (TOKEN.replace(':', "%3a").replace('_', "%5f").replace('-', "%2d"), "<token>"),
            ("nothing to hide, 123456789".to_owned(), "nothing to hide, 123456789"),
        ] {
            assert_eq!(clean(&line), wanted);
        }
    }

    #[test]
    fn without_a_token_only_its_form_is_hidden() {
        assert_eq!(Redactor::default().clean(b"some line"), &b"some line"[..]);
        assert_eq!(Redactor::default().clean(TOKEN.as_bytes()), &b"<token>"[..]);
        assert_eq!(Redactor::new("").clean(b"some line"), &b"some line"[..]);
        assert_eq!(Redactor::new("token").clean(b"a token"), &b"a <token>"[..]);
        assert!(!format!("{:?}", Redactor::new(TOKEN)).contains(SECRET));
    }

    #[test]
    fn other_secrets_are_hidden_beside_the_token() {
        let redactor = Redactor::new(TOKEN).hiding(["p@ss wörd", "p%40ss", "abc"]);
        let line = format!("{TOKEN} p@ss wörd http://me:p%40ss@h abc");
        let clean = String::from_utf8(redactor.clean(line.as_bytes()).into_owned()).unwrap();
        assert_eq!(clean, "<token> <hidden> http://me:<hidden>@h abc");
    }

    #[test]
    fn a_token_in_two_pieces_is_hidden_too() {
        let mut written = Vec::new();
        {
            let mut writer = RedactingWriter { inner: &mut written, redactor: Redactor::new(TOKEN), line: Vec::new() };
            writer.write_all(&TOKEN.as_bytes()[..15]).unwrap();
            writer.flush().unwrap();
            writer.write_all(&TOKEN.as_bytes()[15..]).unwrap();
            writer.write_all(b"\nand ").unwrap();
            writer.write_all(SECRET.as_bytes()).unwrap();
        }
        assert_eq!(String::from_utf8(written).unwrap(), "<token>\nand <token>");
    }
}
