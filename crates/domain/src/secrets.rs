//! Secrets by their form, wherever they were put: a bot token, or user name and password in an address.

use std::borrow::Cow;
use std::ops::Range;

/// Replaces a token in a text.
pub const TOKEN_MARK: &str = "<token>";
/// What stands in a text where another secret was.
pub const HIDDEN_MARK: &str = "<hidden>";

/// Fewest digits of a bot's id. Fewer would find the `sha256:` of a digest.
const MIN_ID: usize = 5;
/// Fewest characters after the colon of a token; today Telegram gives 35.
const MIN_SECRET: usize = 20;

/// Where the first token is: digits, a colon, and letters, digits, `-` and `_`, also percent-encoded, once or several
/// times over.
pub fn find_token(bytes: &[u8]) -> Option<Range<usize>> {
    let mut from = 0;
    while let Some(colon) = find_colon(bytes, from) {
        let digits = bytes[..colon.start].iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        let (mut end, mut length) = (colon.end, 0);
        while let Some(next) = secret_character(bytes, end) {
            (end, length) = (next, length + 1);
        }
        if digits >= MIN_ID && length >= MIN_SECRET {
            return Some(colon.start - digits..end);
        }
        from = colon.end;
    }
    None
}

/// The bytes with [`TOKEN_MARK`] in place of each token.
pub fn hide_tokens(bytes: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = find_token(bytes) else { return Cow::Borrowed(bytes) };
    let (mut clean, mut rest, mut found) = (Vec::with_capacity(bytes.len()), bytes, Some(first));
    while let Some(token) = found {
        clean.extend_from_slice(&rest[..token.start]);
        clean.extend_from_slice(TOKEN_MARK.as_bytes());
        rest = &rest[token.end..];
        found = find_token(rest);
    }
    clean.extend_from_slice(rest);
    Cow::Owned(clean)
}

/// The text without tokens, and without user names and passwords in addresses.
pub fn hide(text: &str) -> String {
    let text = String::from_utf8_lossy(&hide_tokens(text.as_bytes())).into_owned();
    let mut clean = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find("://") {
        let (before, address) = rest.split_at(at + "://".len());
        let end = address.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`')).unwrap_or(address.len());
        clean.push_str(before);
        rest = address;
        if let Some(credentials) = address[..end].rfind('@') {
            clean.push_str(HIDDEN_MARK);
            rest = &address[credentials..];
        }
    }
    clean.push_str(rest);
    clean
}

/// The next colon, plain or percent-encoded.
fn find_colon(bytes: &[u8], from: usize) -> Option<Range<usize>> {
    (from..bytes.len()).find_map(|at| match bytes[at] {
        b':' => Some(at..at + 1),
        b'%' => encoded(bytes, at, &["3A"]).map(|end| at..end),
        _ => None,
    })
}

/// Where the character of a token's second part ends that is at `at`.
fn secret_character(bytes: &[u8], at: usize) -> Option<usize> {
    match bytes.get(at)? {
        b'%' => encoded(bytes, at, &["2D", "5F"]),
        byte if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') => Some(at + 1),
        _ => None,
    }
}

/// Where one of these percent-encoded bytes ends that begins at `at`; `%25` stands for a `%` that was encoded itself.
fn encoded(bytes: &[u8], at: usize, codes: &[&str]) -> Option<usize> {
    let mut digits = at + 1;
    while bytes.get(digits..digits + 2) == Some(b"25") {
        digits += 2;
    }
    let code = bytes.get(digits..digits + 2)?;
    codes.iter().any(|wanted| code.eq_ignore_ascii_case(wanted.as_bytes())).then_some(digits + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "123456789:AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc";

    #[test]
    fn tokens_are_found_by_their_form() {
        for (text, wanted) in [
            (TOKEN.to_owned(), "<token>"),
            (format!("https://api.telegram.org/bot{TOKEN}/getMe"), "https://api.telegram.org/bot<token>/getMe"),
            (format!("{TOKEN} {TOKEN}"), "<token> <token>"),
            (TOKEN.replace(':', "%3a").replace('-', "%2D"), "<token>"),
            (TOKEN.replace(':', "%253A").replace('_', "%25255f"), "<token>"),
            ("a sha256:c577b9a86e7e048a0b7eada054f4dd79".to_owned(), "a sha256:c577b9a86e7e048a0b7eada054f4dd79"),
            (
                "http://127.0.0.1:8081/file 12:30:45 100000:short".to_owned(),
                "http://127.0.0.1:8081/file 12:30:45 100000:short",
            ),
        ] {
            assert_eq!(String::from_utf8_lossy(&hide_tokens(text.as_bytes())), wanted);
        }
    }

    #[test]
    fn passwords_in_addresses_are_hidden() {
        for (text, wanted) in [
            ("ftp://me:pass@host is wrong", "ftp://<hidden>@host is wrong"),
            ("\"http://me:pa/ss@w@host/\" and http://other/", "\"http://<hidden>@host/\" and http://other/"),
            ("me@example.org", "me@example.org"),
        ] {
            assert_eq!(hide(text), wanted);
        }
        assert_eq!(hide(&format!("http://x/bot{TOKEN}")), "http://x/bot<token>");
    }
}
