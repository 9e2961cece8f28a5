//! JSON text taken apart without being built, for what serde cannot read: bytes that are no UTF-8, escapes of half a
//! character, numbers out of range, nesting without end. All of it runs in one pass and constant memory.

/// The number of an update in text that cannot be taken apart. Within a string its name would have escaped quotes.
pub(crate) fn update_id(text: &[u8]) -> Option<i64> {
    const NAME: &[u8] = b"\"update_id\"";
    let after = text.windows(NAME.len()).position(|part| part == NAME)? + NAME.len();
    let at = spaces(text, after);
    (text.get(at) == Some(&b':')).then(|| number(&text[spaces(text, at + 1)..])).flatten()
}

/// The whole number with which a text begins, from 0 to one below the largest: its successor must be a number too.
pub(super) fn number(text: &[u8]) -> Option<i64> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let ends = text.get(digits).is_none_or(|next| matches!(next, b',' | b'}' | b']') || next.is_ascii_whitespace());
    let number = std::str::from_utf8(&text[..digits]).ok()?.parse().ok()?;
    (ends && number < i64::MAX).then_some(number)
}

/// The elements of an array, at most `most`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Elements<'a> {
    /// Those whose ends are found, in order.
    pub(crate) whole: Vec<&'a [u8]>,
    /// What follows them where the array ends early or is no array any more.
    pub(crate) broken: Option<&'a [u8]>,
}

/// Takes apart the array with which a text begins; anything else is broken from its beginning.
pub(crate) fn elements(text: &[u8], most: usize) -> Elements<'_> {
    let mut whole = Vec::new();
    if text.first() != Some(&b'[') {
        return Elements { whole, broken: Some(text) };
    }
    let mut at = spaces(text, 1);
    while whole.len() < most && text.get(at) != Some(&b']') {
        let Some(end) = value_end(text, at) else {
            return Elements { whole, broken: Some(&text[at.min(text.len())..]) };
        };
        whole.push(&text[at..end]);
        at = spaces(text, end);
        match text.get(at) {
            Some(b',') => at = spaces(text, at + 1),
            Some(b']') => break,
            Some(_) | None => return Elements { whole, broken: Some(&text[at.min(text.len())..]) },
        }
    }
    Elements { whole, broken: None }
}

/// The first value under each of the names in an object; `None` where the text is no object from its beginning to an end.
pub(crate) fn members<'a, const N: usize>(text: &'a [u8], names: [&str; N]) -> Option<[Option<&'a [u8]>; N]> {
    let mut found = [None; N];
    let mut at = spaces(text, 0);
    if text.get(at) != Some(&b'{') {
        return None;
    }
    at = spaces(text, at + 1);
    while text.get(at) != Some(&b'}') {
        if text.get(at) != Some(&b'"') {
            return None;
        }
        let end = string_end(text, at)?;
        let name = &text[at + 1..end - 1];
        at = spaces(text, end);
        if text.get(at) != Some(&b':') {
            return None;
        }
        at = spaces(text, at + 1);
        let end = value_end(text, at)?;
        if let Some(index) = names.iter().position(|known| known.as_bytes() == name) {
            found[index] = found[index].or(Some(&text[at..end]));
        }
        at = spaces(text, end);
        match text.get(at) {
            Some(b',') => at = spaces(text, at + 1),
            Some(b'}') => {}
            Some(_) | None => return None,
        }
    }
    Some(found)
}

/// Where the value that begins at `at` ends; `None` where the text ends before.
fn value_end(text: &[u8], mut at: usize) -> Option<usize> {
    match text.get(at)? {
        b'"' => string_end(text, at),
        b'{' | b'[' => {
            let mut depth = 0_usize;
            loop {
                match text.get(at)? {
                    b'"' => {
                        at = string_end(text, at)?;
                        continue;
                    }
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => depth -= 1,
                    _ => {}
                }
                at += 1;
                if depth == 0 {
                    return Some(at);
                }
            }
        }
        _ => {
            let ends = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b':' | b'"') || byte.is_ascii_whitespace();
            Some(at + text[at..].iter().position(ends)?)
        }
    }
}

/// Where the string that begins at `at` ends.
fn string_end(text: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        match text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

fn spaces(text: &[u8], at: usize) -> usize {
    at + text.get(at..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_whitespace()).count()
}

/// The same text with U+FFFD in place of what strings of JSON cannot hold.
pub(super) fn repaired(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let mut repaired = String::with_capacity(text.len());
    let (mut rest, mut in_string) = (&*text, false);
    while let Some(next) = rest.chars().next() {
        let (kept, length) = match (in_string, next) {
            (true, '\\') => match escape(rest) {
                Escape::Whole(length) => (&rest[..length], length),
                Escape::Flawed(length) => (REPLACEMENT, length),
            },
            (true, control) if control < ' ' => (REPLACEMENT, 1),
            (_, '"') => {
                in_string = !in_string;
                ("\"", 1)
            }
            (_, other) => (&rest[..other.len_utf8()], other.len_utf8()),
        };
        repaired.push_str(kept);
        rest = &rest[length..];
    }
    repaired
}

const REPLACEMENT: &str = "\u{fffd}";

/// An escape by its length in bytes.
enum Escape {
    Whole(usize),
    Flawed(usize),
}

/// The escape with which a text begins.
fn escape(text: &str) -> Escape {
    let unit = |text: &str| {
        let digits =
            text.strip_prefix("\\u")?.get(..4).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
        u16::from_str_radix(digits, 16).ok()
    };
    let mut chars = text[1..].chars();
    match (chars.next(), unit(text)) {
        (Some('u'), Some(0xD800..0xDC00)) => match unit(&text[6..]) {
            Some(0xDC00..0xE000) => Escape::Whole(12),
            Some(_) | None => Escape::Flawed(6),
        },
        (Some('u'), Some(0xDC00..0xE000)) => Escape::Flawed(6),
        (Some('u'), Some(_)) => Escape::Whole(6),
        (Some('"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't'), _) => Escape::Whole(2),
        (Some(other), _) => Escape::Flawed(1 + other.len_utf8()),
        (None, _) => Escape::Flawed(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_is_split_up_to_its_first_error() {
        let of = |text: &'static str| {
            let Elements { whole, broken } = elements(text.as_bytes(), 4);
            let text = |part: &'static [u8]| std::str::from_utf8(part).unwrap();
            (whole.into_iter().map(text).collect::<Vec<_>>(), broken.map(text))
        };
        assert_eq!(of("[]"), (vec![], None));
        assert_eq!(
            of(r#"[ {"a":"]}\""} , 5, [[1],{}],"x" ]"#),
            (vec![r#"{"a":"]}\""}"#, "5", "[[1],{}]", "\"x\""], None)
        );
        assert_eq!(of("[1,2,3,4,5]"), (vec!["1", "2", "3", "4"], None));
        assert_eq!(of(r#"[{"a":1},{"b":"#), (vec![r#"{"a":1}"#], Some(r#"{"b":"#)));
        assert_eq!(of(r#"[{"a":1}{"b":2}]"#), (vec![r#"{"a":1}"#], Some(r#"{"b":2}]"#)));
        assert_eq!(of("[,]"), (vec![""], None));
        assert_eq!(of("["), (vec![], Some("")));
        assert_eq!(of(r#"{"a":[1]}"#), (vec![], Some(r#"{"a":[1]}"#)));
        assert_eq!(of(r#"["\"#), (vec![], Some(r#""\"#)));
    }

    #[test]
    fn members_of_an_object_are_found_at_its_own_level() {
        let of = |text: &'static str| members(text.as_bytes(), ["a", "b"]);
        let nested = r#" {"x":{"a":1},"b" : [ "}" ],"a":-1e999,"a":2} "#;
        assert_eq!(of(nested), Some([Some(b"-1e999".as_slice()), Some(br#"[ "}" ]"#.as_slice())]));
        assert_eq!(of("{}"), Some([None, None]));
        for text in ["", "[]", "5", "{", r#"{"a"}"#, r#"{"a":1"#, r#"{"a":1 "b":2}"#, r#"{a:1}"#, r#"{"a":1,"#] {
            assert_eq!(of(text), None, "{text}");
        }
    }

    #[test]
    fn an_update_id_is_found_in_broken_json() {
        for (text, id) in [
            (r#"{"update_id": 5,"message":"#, Some(5)),
            (r#"{"update_id":4294967296}"#, Some(1 << 32)),
            (r#"{"text":"\"update_id\":7","update_id" :8,"#, Some(8)),
            (r#"{"update_id":9223372036854775807}"#, None),
            (r#"{"update_id":99999999999999999999}"#, None),
            (r#"{"update_id":-5}"#, None),
            (r#"{"update_id":5.5}"#, None),
            (r#"{"update_id":"5"}"#, None),
            (r#"{"update_id""#, None),
            ("", None),
        ] {
            assert_eq!(update_id(text.as_bytes()), id, "{text}");
        }
    }

    #[test]
    fn invalid_characters_are_replaced_and_nothing_else_changes() {
        let whole = r#"{"a":"\ud83d\ude00 \u00e9 \"\\\/\n ж😀","b":[1e999,null]}"#;
        assert_eq!(repaired(whole.as_bytes()), whole);
        for (flawed, mended) in [
            (br#"{"a":"x\ud800y"}"#.as_slice(), "{\"a\":\"x\u{fffd}y\"}"),
            (br#"{"a":"\udc00"}"#, "{\"a\":\"\u{fffd}\"}"),
            (br#"{"a":"\ud800\ud83d\ude00"}"#, "{\"a\":\"\u{fffd}\\ud83d\\ude00\"}"),
            (br#"{"a":"\ud800\u0041"}"#, "{\"a\":\"\u{fffd}\\u0041\"}"),
            (br#"{"a":"\u12"}"#, "{\"a\":\"\u{fffd}12\"}"),
            (br#"{"a":"\x"}"#, "{\"a\":\"\u{fffd}\"}"),
            ("{\"a\":\"\\ж\"}".as_bytes(), "{\"a\":\"\u{fffd}\"}"),
            (b"{\"a\":\"\xff\xc3\"}", "{\"a\":\"\u{fffd}\u{fffd}\"}"),
            (b"{\n\"a\":\"\n\x01\"}", "{\n\"a\":\"\u{fffd}\u{fffd}\"}"),
            (br#"{"a":"\"#, "{\"a\":\"\u{fffd}"),
        ] {
            assert_eq!(repaired(flawed), mended);
        }
    }
}
