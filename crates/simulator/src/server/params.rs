//! The parameters of a call, however they were sent: query, form, JSON or multipart.

use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use bytes::Bytes;
use serde_json::{Map, Value};
use stenobot_domain::{ChatId, MessageId};

use super::refusal::Refusal;

/// Parameters by name. Forms carry numbers and objects as text, so the readers take both.
#[derive(Debug, Default)]
pub(super) struct Params {
    values: Map<String, Value>,
    files: Vec<Upload>,
}

/// A file of a multipart body.
#[derive(Debug)]
pub(super) struct Upload {
    pub(super) field: String,
    pub(super) file_name: String,
    pub(super) bytes: Bytes,
}

impl Params {
    pub(super) fn read(query: Option<&str>, headers: &HeaderMap, body: &Bytes) -> Result<Self, Refusal> {
        let mut params = Self::default();
        params.take_form(query.unwrap_or_default());
        if body.is_empty() {
            return Ok(params);
        }
        let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        match kind.split(';').next().unwrap_or_default().trim() {
            "application/json" => match serde_json::from_slice(body) {
                Ok(Value::Object(values)) => params.values.extend(values),
                _ => return Err(Refusal::UNREADABLE),
            },
            "application/x-www-form-urlencoded" => {
                params.take_form(std::str::from_utf8(body).map_err(|_| Refusal::UNREADABLE)?);
            }
            "multipart/form-data" => {
                let boundary = attribute(kind, "boundary").ok_or(Refusal::UNREADABLE)?;
                params.take_multipart(&boundary, body)?;
            }
            _ => return Err(Refusal::UNREADABLE),
        }
        Ok(params)
    }

    fn take_form(&mut self, form: &str) {
        let pairs = reqwest::Url::parse("http://localhost/").map(|mut url| {
            url.set_query(Some(form));
            url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect::<Vec<_>>()
        });
        self.values.extend(pairs.unwrap_or_default().into_iter().map(|(name, value)| (name, Value::String(value))));
    }

    fn take_multipart(&mut self, boundary: &str, body: &Bytes) -> Result<(), Refusal> {
        let delimiter = format!("--{boundary}");
        let mut rest = body.clone();
        let start = find(&rest, delimiter.as_bytes()).ok_or(Refusal::UNREADABLE)?;
        rest = rest.slice(start + delimiter.len()..);
        let end_mark = format!("\r\n{delimiter}");
        while !rest.starts_with(b"--") {
            let end = find(&rest, end_mark.as_bytes()).ok_or(Refusal::UNREADABLE)?;
            let head = find(&rest[..end], b"\r\n\r\n").ok_or(Refusal::UNREADABLE)?;
            let headers = std::str::from_utf8(&rest[..head]).map_err(|_| Refusal::UNREADABLE)?;
            let content = rest.slice(head + 4..end);
            let disposition = headers
                .lines()
                .find(|line| line.to_ascii_lowercase().starts_with("content-disposition:"))
                .ok_or(Refusal::UNREADABLE)?;
            let field = attribute(disposition, "name").ok_or(Refusal::UNREADABLE)?;
            match attribute(disposition, "filename") {
                Some(file_name) => self.files.push(Upload { field, file_name, bytes: content }),
                None => {
                    let text = std::str::from_utf8(&content).map_err(|_| Refusal::UNREADABLE)?;
                    self.values.insert(field, Value::String(text.to_owned()));
                }
            }
            rest = rest.slice(end + end_mark.len()..);
        }
        Ok(())
    }

    /// The value as JSON; text that is JSON is read as such.
    pub(super) fn json(&self, name: &str) -> Option<Value> {
        match self.values.get(name)? {
            Value::String(text) => Some(serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone()))),
            other => Some(other.clone()),
        }
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name)?.as_str()
    }

    pub(super) fn integer(&self, name: &str) -> Option<i64> {
        match self.values.get(name)? {
            Value::String(text) => text.trim().parse().ok(),
            other => other.as_i64(),
        }
    }

    pub(super) fn chat(&self) -> Option<ChatId> {
        self.integer("chat_id").map(ChatId)
    }

    pub(super) fn message(&self, name: &str) -> Option<MessageId> {
        self.integer(name).and_then(|id| i32::try_from(id).ok()).map(MessageId)
    }

    /// The file that was uploaded as `field`, directly or by `attach://NAME`.
    pub(super) fn upload(&self, field: &str) -> Option<&Upload> {
        let attached = self.text(field).and_then(|value| value.strip_prefix("attach://")).unwrap_or(field);
        self.files.iter().find(|file| file.field == attached)
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// `name="value"` or `name=value` in a header's value. Within quotes a semicolon ends nothing, and a backslash takes the
/// sign after it as it is.
fn attribute(header: &str, name: &str) -> Option<String> {
    let mut parts = vec![String::new()];
    let (mut quoted, mut escaped) = (false, false);
    for sign in header.chars() {
        let part = parts.last_mut()?;
        match sign {
            _ if escaped => {
                part.push(sign);
                escaped = false;
            }
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ';' if !quoted => parts.push(String::new()),
            sign => part.push(sign),
        }
    }
    parts.iter().skip(1).find_map(|part| {
        let (key, value) = part.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: &str, body: &str) -> Result<Params, Refusal> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, kind.parse().unwrap());
        Params::read(Some("chat_id=5&text=a+b%21"), &headers, &Bytes::from(body.to_owned()))
    }

    #[test]
    fn all_four_ways_carry_the_same() {
        let query = read("application/json", "").unwrap();
        assert_eq!((query.chat(), query.text("text")), (Some(ChatId(5)), Some("a b!")));

        let json = read("application/json; charset=utf-8", r#"{"chat_id": 7, "reply_markup": {"a": 1}}"#).unwrap();
        assert_eq!(json.chat(), Some(ChatId(7)));
        assert_eq!(json.json("reply_markup").unwrap()["a"], 1);

        let form = read("application/x-www-form-urlencoded", "chat_id=9&reply_markup=%7B%22a%22%3A1%7D").unwrap();
        assert_eq!(form.chat(), Some(ChatId(9)));
        assert_eq!(form.json("reply_markup").unwrap()["a"], 1);

        let body = "--X\r\nContent-Disposition: form-data; name=\"chat_id\"\r\n\r\n-11\r\n--X\r\nContent-Disposition: \
                    form-data; name=\"f\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\nline\r\n\r\nend\r\n--X--\r\n";
        let multipart = read("multipart/form-data; boundary=X", body).unwrap();
        assert_eq!(multipart.chat(), Some(ChatId(-11)));
        let file = multipart.upload("f").unwrap();
        assert_eq!((file.file_name.as_str(), &file.bytes[..]), ("a.txt", &b"line\r\n\r\nend"[..]));
    }

    #[test]
    fn names_may_hold_any_sign() {
        let header = r#"form-data; name="document"; filename="a \"b\"; c=\\d.txt""#;
        assert_eq!(attribute(header, "filename").as_deref(), Some(r#"a "b"; c=\d.txt"#));
        assert_eq!(attribute(header, "name").as_deref(), Some("document"));
        assert_eq!(attribute("multipart/form-data; boundary=X", "boundary").as_deref(), Some("X"));
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        assert!(read("application/json", "[1").is_err());
        assert!(read("multipart/form-data; boundary=X", "--X\r\nno end").is_err());
        assert!(read("image/png", "x").is_err());
    }
}
