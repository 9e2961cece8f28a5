//! The parameters of a call, sent as query, form, JSON or multipart.

use std::convert::Infallible;

use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use bytes::Bytes;
use futures::stream;
use multer::Multipart;
use serde_json::{Map, Value};
use stenobot_domain::{ChatId, MessageId};

use super::refusal::Refusal;

/// Parameters by name. Forms send numbers and objects as text, so the accessors accept both.
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
    pub(super) async fn read(query: Option<&str>, headers: &HeaderMap, body: &Bytes) -> Result<Self, Refusal> {
        let mut params = Self::default();
        params.add_form(query.unwrap_or_default());
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
                params.add_form(std::str::from_utf8(body).map_err(|_| Refusal::UNREADABLE)?);
            }
            "multipart/form-data" => {
                params.add_multipart(kind, body.clone()).await?;
            }
            _ => return Err(Refusal::UNREADABLE),
        }
        Ok(params)
    }

    fn add_form(&mut self, form: &str) {
        let pairs = reqwest::Url::parse("http://localhost/").map(|mut url| {
            url.set_query(Some(form));
            url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect::<Vec<_>>()
        });
        self.values.extend(pairs.unwrap_or_default().into_iter().map(|(name, value)| (name, Value::String(value))));
    }

    async fn add_multipart(&mut self, content_type: &str, body: Bytes) -> Result<(), Refusal> {
        let boundary = multer::parse_boundary(content_type).map_err(|_| Refusal::UNREADABLE)?;
        let mut parts = Multipart::new(stream::iter([Ok::<_, Infallible>(body)]), boundary);
        while let Some(part) = parts.next_field().await.map_err(|_| Refusal::UNREADABLE)? {
            let field = part.name().ok_or(Refusal::UNREADABLE)?.to_owned();
            // multer finds the end of a quoted name, and leaves its escapes in.
            let file_name = part.file_name().map(|name| name.replace("\\\"", "\"").replace("\\\\", "\\"));
            let content = part.bytes().await.map_err(|_| Refusal::UNREADABLE)?;
            match file_name {
                Some(file_name) => self.files.push(Upload { field, file_name, bytes: content }),
                None => {
                    let text = std::str::from_utf8(&content).map_err(|_| Refusal::UNREADABLE)?;
                    self.values.insert(field, Value::String(text.to_owned()));
                }
            }
        }
        Ok(())
    }

    /// The value as JSON; a text that is valid JSON is parsed.
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

    /// The file uploaded as `field`, directly or by `attach://NAME`.
    pub(super) fn upload(&self, field: &str) -> Option<&Upload> {
        let attached = self.text(field).and_then(|value| value.strip_prefix("attach://")).unwrap_or(field);
        self.attached(attached)
    }

    /// The file that `attach://NAME` means.
    pub(super) fn attached(&self, name: &str) -> Option<&Upload> {
        self.files.iter().find(|file| file.field == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(kind: &str, body: &str) -> Result<Params, Refusal> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, kind.parse().unwrap());
        Params::read(Some("chat_id=5&text=a+b%21"), &headers, &Bytes::from(body.to_owned())).await
    }

    #[tokio::test]
    async fn all_encodings_carry_the_same_parameters() {
        let query = read("application/json", "").await.unwrap();
        assert_eq!((query.chat(), query.text("text")), (Some(ChatId(5)), Some("a b!")));

        let json =
            read("application/json; charset=utf-8", r#"{"chat_id": 7, "reply_markup": {"a": 1}}"#).await.unwrap();
        assert_eq!(json.chat(), Some(ChatId(7)));
        assert_eq!(json.json("reply_markup").unwrap()["a"], 1);

        let form = read("application/x-www-form-urlencoded", "chat_id=9&reply_markup=%7B%22a%22%3A1%7D").await.unwrap();
        assert_eq!(form.chat(), Some(ChatId(9)));
        assert_eq!(form.json("reply_markup").unwrap()["a"], 1);

        let body = "--X\r\nContent-Disposition: form-data; name=\"chat_id\"\r\n\r\n-11\r\n--X\r\nContent-Disposition: \
                    form-data; name=\"f\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\nline\r\n\r\nend\r\n--X--\r\n";
        let multipart = read("multipart/form-data; boundary=X", body).await.unwrap();
        assert_eq!(multipart.chat(), Some(ChatId(-11)));
        let file = multipart.upload("f").unwrap();
        assert_eq!((file.file_name.as_str(), &file.bytes[..]), ("a.txt", &b"line\r\n\r\nend"[..]));
    }

    #[tokio::test]
    async fn names_may_hold_any_sign() {
        let body = "--X\r\nContent-Disposition: form-data; name=\"document\"; filename=\"a \\\"b\\\"; c=\\\\d.txt\"\r\n\r\n\
                    text\r\n--X--\r\n";
        let params = read("multipart/form-data; boundary=X", body).await.unwrap();
        assert_eq!(params.upload("document").unwrap().file_name, r#"a "b"; c=\d.txt"#);
    }

    #[tokio::test]
    async fn unreadable_bodies_are_refused() {
        assert!(read("application/json", "[1").await.is_err());
        assert!(read("multipart/form-data; boundary=X", "--X\r\nno end").await.is_err());
        assert!(read("image/png", "x").await.is_err());
    }
}
