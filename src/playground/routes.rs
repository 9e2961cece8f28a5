//! Routes: the page's files, its events, and the actions of users.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use stenobot_domain::MessageId;
use stenobot_simulator::server::{Attachment, CallbackAnswer, Content, Media};
use stenobot_telegram::Locale;

use super::feed::feed;
use super::guard::guard;
use super::{NAMES, Shared, UserNumber};

const PAGE: &str = include_str!("page/index.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

/// Maximum request body in bytes except for uploads: more than Telegram's 4096 characters can have.
const MAX_TEXT: usize = 32 * 1024;
/// Maximum wait for the bot's answer to a button press.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

/// A refusal with a sentence for the user.
type Refused = (StatusCode, &'static str);
type Done = Result<StatusCode, Refused>;

/// All routes, below `/{key}/`.
pub(super) fn router(key: &str, shared: Arc<Shared>) -> Router {
    let at = |path: &str| format!("/{key}/{path}");
    let limit = usize::try_from(shared.file_limit).unwrap_or(usize::MAX);
    let uploads = Router::new()
        .route(&at("people/{number}/{language}/voice/{seconds}"), post(voice))
        .route(&at("people/{number}/{language}/file/{seconds}/{name}"), post(file))
        .layer(DefaultBodyLimit::max(limit));
    Router::new()
        .route(&at(""), get(async || ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], PAGE)))
        .route(&at("page.css"), get(async || ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE)))
        .route(&at("page.js"), get(async || ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], SCRIPT)))
        .route(&at("offer"), get(offer))
        .route(&at("people/{number}/{language}/chat"), get(chat))
        .route(&at("people/{number}/files/{message}"), get(download))
        .route(&at("people/{number}/{language}/text"), post(text))
        .route(&at("people/{number}/{language}/press"), post(press))
        .route(&at("people/{number}/{language}/delete"), post(delete))
        .route(&at("people/{number}/{language}/sample"), post(sample))
        .layer(DefaultBodyLimit::max(MAX_TEXT))
        .merge(uploads)
        .fallback(async || StatusCode::NOT_FOUND)
        .layer(middleware::from_fn_with_state(shared.clone(), guard))
        .with_state(shared)
}

/// Constant data of the page.
#[derive(Serialize)]
struct Offered<'a> {
    /// Names of the users; the first is number 1.
    people: [&'a str; NAMES.len()],
    /// Number of the user who writes to the first one's own account.
    partner: usize,
    /// Number of the user who writes in a group.
    group: usize,
    /// Maximum upload in bytes.
    file_bytes: u64,
    samples: Vec<Sample<'a>>,
}

#[derive(Serialize)]
struct Sample<'a> {
    name: &'a str,
    language: &'a str,
    seconds: f64,
    text: &'a str,
}

async fn offer(State(shared): State<Arc<Shared>>) -> Response {
    let voices = shared.voices.iter().flat_map(|voices| voices.iter());
    let samples = voices.map(|voice| Sample {
        name: &voice.name,
        language: &voice.language,
        seconds: voice.duration.as_secs_f64(),
        text: &voice.text,
    });
    Json(Offered {
        people: NAMES,
        partner: UserNumber::PARTNER.0,
        group: UserNumber::GROUP_OWNER.0,
        file_bytes: shared.file_limit,
        samples: samples.collect(),
    })
    .into_response()
}

async fn chat(State(shared): State<Arc<Shared>>, Path((number, language)): Path<(UserNumber, Locale)>) -> Response {
    let Ok(permit) = shared.event_streams.clone().try_acquire_owned() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "Too many pages are open: close some.").into_response();
    };
    match number {
        UserNumber::PARTNER => {
            shared.connection(language);
        }
        UserNumber::GROUP_OWNER => drop(shared.user(number, language)),
        _ => {}
    }
    Sse::new(feed(shared, number, language, permit)).keep_alive(KeepAlive::default()).into_response()
}

/// A file of the chat: a document of the bot, or an attachment of the user.
async fn download(State(shared): State<Arc<Shared>>, Path((number, id)): Path<(UserNumber, i32)>) -> Response {
    let found = shared.api.read(|state| match &shared.chat_of(state, number)?.messages.get(&MessageId(id))?.content {
        Content::Document { bytes, .. } => Some(("application/octet-stream".to_owned(), bytes.clone())),
        Content::Attachment(attachment) => Some((attachment.mime_type.clone(), state.bytes(attachment)?)),
        Content::Text(_) | Content::Other(_) => None,
    });
    // No type that a browser would show as a page of this origin. The page gives the file name of the download.
    let kind = |kind: String| match kind.split_once('/') {
        Some(("audio" | "video", _)) => kind,
        _ => "application/octet-stream".to_owned(),
    };
    match found.map(|(claimed, bytes)| (kind(claimed), bytes)) {
        Some((kind, bytes)) => ([(header::CONTENT_TYPE, kind)], bytes).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

#[derive(Deserialize)]
struct Text {
    text: String,
}

async fn text(
    State(shared): State<Arc<Shared>>,
    Path((number, language)): Path<(UserNumber, Locale)>,
    Json(Text { text }): Json<Text>,
) -> Done {
    let text = text.trim();
    if text.is_empty() || text.encode_utf16().count() > 4096 {
        return Err((StatusCode::BAD_REQUEST, "A message has 1 to 4096 letters."));
    }
    match number {
        UserNumber::PARTNER => shared.send_to_owner(language, Content::Text(text.to_owned())),
        number => drop(shared.user(number, language).send_text(text)),
    }
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
struct Press {
    message: MessageId,
    data: String,
}

/// The bot's answer to a button press; empty for none.
#[derive(Serialize)]
struct Answer {
    text: String,
    /// Shown until the user closes it.
    alert: bool,
}

async fn press(
    State(shared): State<Arc<Shared>>,
    Path((number, language)): Path<(UserNumber, Locale)>,
    Json(Press { message, data }): Json<Press>,
) -> Result<Json<Answer>, Refused> {
    let user = shared.user(number, language);
    let query = shared.api.press(number.chat(), user.info(), message, &data);
    let query = query.ok_or((StatusCode::CONFLICT, "This button is gone."))?;
    let answered = shared.api.wait_for(|state| state.presses.get(&query)?.answer.clone());
    // Without an answer the button shows progress until the timeout, as in Telegram.
    match tokio::time::timeout(ANSWER_TIMEOUT, answered).await {
        Ok(CallbackAnswer { text, alert }) => Ok(Json(Answer { text, alert })),
        Err(_) => Ok(Json(Answer { text: String::new(), alert: false })),
    }
}

#[derive(Deserialize)]
struct Chosen {
    name: String,
}

async fn sample(
    State(shared): State<Arc<Shared>>,
    Path((number, language)): Path<(UserNumber, Locale)>,
    Json(Chosen { name }): Json<Chosen>,
) -> Done {
    let voice = shared.voices.as_ref().and_then(|voices| voices.named(&name));
    let voice = voice.ok_or((StatusCode::NOT_FOUND, "There is no such recording."))?;
    send_attachment(&shared, number, language, Attachment::voice(voice.duration), voice.bytes.clone());
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
struct Deleted {
    message: MessageId,
}

/// Deletes a message on the first user's own account.
async fn delete(
    State(shared): State<Arc<Shared>>,
    Path((number, _)): Path<(UserNumber, Locale)>,
    Json(Deleted { message }): Json<Deleted>,
) -> Done {
    if number != UserNumber::PARTNER {
        return Err((StatusCode::BAD_REQUEST, "Only messages to a person's own account are deleted here."));
    }
    shared.delete_for_owner(message);
    Ok(StatusCode::NO_CONTENT)
}

fn send_attachment(shared: &Shared, number: UserNumber, language: Locale, attachment: Attachment, bytes: Bytes) {
    match number {
        UserNumber::PARTNER => shared.send_to_owner(language, shared.api.upload(attachment, bytes, None)),
        number => drop(shared.user(number, language).send_file(attachment, bytes)),
    }
}

async fn voice(
    State(shared): State<Arc<Shared>>,
    Path((number, language, seconds)): Path<(UserNumber, Locale, u64)>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Done {
    let mut attachment = Attachment::voice(Duration::from_secs(seconds));
    attachment.mime_type = mime_type(&headers);
    send(&shared, number, language, attachment, bytes)
}

async fn file(
    State(shared): State<Arc<Shared>>,
    Path((number, language, seconds, name)): Path<(UserNumber, Locale, u64, String)>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Done {
    let kind = mime_type(&headers);
    let length = Duration::from_secs(seconds);
    let attachment = match media(&kind) {
        // As Telegram's apps send a file in the format of voice messages.
        Media::Voice => Attachment::voice(length),
        media => Attachment::file(media, length, &kind, &name),
    };
    send(&shared, number, language, attachment, bytes)
}

fn send(shared: &Shared, number: UserNumber, language: Locale, attachment: Attachment, bytes: Bytes) -> Done {
    if bytes.is_empty() {
        return Err((StatusCode::BAD_REQUEST, "This file is empty."));
    }
    if !shared.reserve(bytes.len() as u64) {
        return Err((StatusCode::INSUFFICIENT_STORAGE, "Too much was sent: start the playground again."));
    }
    send_attachment(shared, number, language, attachment, bytes);
    Ok(StatusCode::NO_CONTENT)
}

/// The type without its parameters.
fn mime_type(headers: &HeaderMap) -> String {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match given.split(';').next().map(str::trim) {
        Some(kind) if !kind.is_empty() => kind.to_ascii_lowercase(),
        _ => "application/octet-stream".to_owned(),
    }
}

fn media(kind: &str) -> Media {
    match kind.split_once('/') {
        Some(("audio", "ogg" | "opus")) => Media::Voice,
        Some(("audio", _)) => Media::Audio,
        Some(("video", _)) => Media::Video,
        _ => Media::Document,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_offers_every_locale() {
        let options = PAGE.split("<select id=\"language\">").nth(1).unwrap().split("</select>").next().unwrap();
        for locale in Locale::ALL {
            let option = format!("<option value=\"{0}\" lang=\"{0}\">{1}</option>", locale.code(), locale.name());
            assert!(options.contains(&option), "page/index.html lacks {option}");
        }
        assert_eq!(options.matches("<option").count(), Locale::ALL.len());
    }

    #[test]
    fn files_are_sent_by_their_type() {
        assert_eq!(media("audio/ogg"), Media::Voice);
        assert_eq!(media("audio/mpeg"), Media::Audio);
        assert_eq!(media("video/mp4"), Media::Video);
        assert_eq!(media("application/pdf"), Media::Document);
        assert_eq!(media(""), Media::Document);
    }

    #[test]
    fn a_type_loses_its_parameters() {
        let headers = |kind| [(header::CONTENT_TYPE, header::HeaderValue::from_static(kind))].into_iter().collect();
        assert_eq!(mime_type(&headers("audio/WebM;codecs=opus")), "audio/webm");
        assert_eq!(mime_type(&HeaderMap::new()), "application/octet-stream");
    }
}
