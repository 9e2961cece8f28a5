//! The meaning of the bot's messages, recognised by the emoji with which each begins, which is the same in every
//! language; a transcript without a heading begins with none. No other module depends on the bot's texts.

use std::borrow::Cow;
use std::collections::HashSet;
use std::time::Duration;

use bytes::Bytes;
use stenobot_domain::{ChatId, MessageId};

use super::server::{Author, Content, Message, Press, State};

/// The meaning of one text of the bot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BotText {
    /// The file is being fetched.
    Received,
    /// It is accepted and processed later; no need to send it again.
    Delayed,
    /// It waits in the queue.
    Queued {
        /// Position in the queue, if the text has one.
        position: Option<u32>,
    },
    /// Transcription has begun.
    Started,
    /// Transcription is under way.
    Progress {
        /// 0 to 99, if the text has one.
        percent: Option<u32>,
    },
    /// The request has ended.
    Final(RequestOutcome),
    /// A text without an emoji: a transcript without a heading, or a further part of a long one.
    Part(String),
}

/// Stands in a message until its text is there.
const PLACEHOLDER: &str = "…";

/// How a request ended for its sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestOutcome {
    /// With its transcript.
    Answered(String),
    /// Without speech.
    NoSpeech,
    /// Not accepted; the reason without the request's number, for which see [`request_number`].
    Rejected(String),
    /// Accepted and failed; the apology without the request's number.
    Failed(String),
    /// Cancelled by its sender.
    Cancelled,
}

/// Reads a text of the bot.
pub fn read(text: &str) -> BotText {
    let text = text.trim();
    let after = |sign: &str| text.strip_prefix(sign).map(|rest| rest.trim_start_matches('\u{fe0f}').trim());
    let after_any = |signs: &[&str]| signs.iter().find_map(|sign| after(sign));
    if after("📥").is_some() {
        BotText::Received
    } else if after("⏳").is_some() {
        BotText::Delayed
    } else if let Some(rest) = after("📋") {
        BotText::Queued { position: first_number(first_line(rest)) }
    } else if after("⚙").is_some() {
        BotText::Started
    } else if let Some(rest) = after("🔄") {
        BotText::Progress { percent: percent(first_line(rest)) }
    } else if let Some(rest) = after_any(&["✅", "⏹"]) {
        // Heading, at times a warning, an empty line, the transcript.
        let spoken = rest.split_once("\n\n").map_or("", |(_, spoken)| spoken.trim());
        BotText::Final(RequestOutcome::Answered(spoken.to_owned()))
    } else if let Some((_, spoken)) = after_any(&["⚠", "🌐"]).and_then(|rest| rest.split_once("\n\n")) {
        // Remarks without the heading that says it is done, an empty line, the transcript.
        BotText::Final(RequestOutcome::Answered(spoken.trim().to_owned()))
    } else if after("🤷").is_some() {
        BotText::Final(RequestOutcome::NoSpeech)
    } else if let Some(rest) = after_any(&["⚠", "🎙", "🔒", "🛠", "🗑"]) {
        BotText::Final(RequestOutcome::Rejected(split_number(rest).0.to_owned()))
    } else if let Some(rest) = after("❌") {
        BotText::Final(RequestOutcome::Failed(split_number(rest).0.to_owned()))
    } else if after_any(&["🛑", "🚫"]).is_some() {
        BotText::Final(RequestOutcome::Cancelled)
    } else {
        BotText::Part(text.to_owned())
    }
}

/// The request number in the last line of a refusal or an apology.
pub fn request_number(text: &str) -> Option<i64> {
    split_number(text).1
}

/// Splits off the request number: a last line that ends with digits and has no other digits.
fn split_number(text: &str) -> (&str, Option<i64>) {
    let Some((sentences, line)) = text.trim_end().rsplit_once('\n') else { return (text, None) };
    let label = line.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = line[label.len()..].parse().ok();
    if number.is_none() || label.is_empty() || label.contains(|c: char| c.is_ascii_digit()) {
        return (text, None);
    }
    (sentences.trim_end(), number)
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn first_number(text: &str) -> Option<u32> {
    text.split(|c: char| !c.is_ascii_digit()).find(|digits| !digits.is_empty())?.parse().ok()
}

/// The number before the percent sign, or after it as in Turkish.
fn percent(line: &str) -> Option<u32> {
    let (before, after) = line.split_once('%')?;
    let before = before.trim_end();
    let digits = before.rsplit(|c: char| !c.is_ascii_digit()).next().filter(|digits| !digits.is_empty());
    let digits = digits.or_else(|| after.split(|c: char| !c.is_ascii_digit()).next())?;
    digits.parse().ok()
}

/// A file that the bot sent with an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// File name as given by the bot.
    pub name: String,
    /// The whole file.
    pub bytes: Bytes,
    /// The message of the bot that carries it.
    pub message: MessageId,
}

/// One final answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// A transcript that came in several messages is joined here; of one that came as a file, this is the message's
    /// text.
    pub outcome: RequestOutcome,
    /// Files sent with it, oldest first.
    pub documents: Vec<Document>,
    /// When it was complete, from the server's start.
    pub at: Duration,
    /// The message of the bot that carries it.
    pub message: MessageId,
}

impl Answer {
    /// The whole transcript: the plain text file if there is one, else the text of the messages; `None` for any other
    /// outcome.
    pub fn spoken(&self) -> Option<Cow<'_, str>> {
        let RequestOutcome::Answered(text) = &self.outcome else { return None };
        let file = self.documents.iter().find(|document| document.name.ends_with(".txt"));
        Some(file.map_or(Cow::Borrowed(text.as_str()), |file| String::from_utf8_lossy(&file.bytes)))
    }
}

/// All that the bot wrote about one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trail {
    /// When it was sent, from the server's start.
    pub sent: Duration,
    /// When a poll first carried it to the bot.
    pub delivered: Option<Duration>,
    /// When the bot reported the start of transcription.
    pub started: Option<Duration>,
    /// The latest status; `None` before the first message.
    pub latest: Option<BotText>,
    /// Final answers, including those that an edit replaced by another. More than [`Trail::asked`] are duplicates.
    pub answers: Vec<Answer>,
    /// Final answers due: one, and one more for each button pressed under a message that held an answer already.
    pub asked: usize,
    /// A final answer was edited into something that is none.
    pub overwritten: bool,
}

impl Trail {
    /// The last final answer; `None` before there is one, and when it was overwritten by something that is none.
    pub fn answer(&self) -> Option<&Answer> {
        if self.overwritten { None } else { self.answers.last() }
    }

    /// Whether the sender has no final answer.
    pub fn is_lost(&self) -> bool {
        self.answer().is_none()
    }

    /// Whether there are more final answers than are due.
    pub fn is_duplicated(&self) -> bool {
        self.answers.len() > self.asked
    }
}

/// Collects what the bot wrote about the recording `request`, without messages that it has deleted.
pub fn trail(state: &State, chat: ChatId, request: MessageId) -> Trail {
    let mut trail = Trail {
        sent: state.message(chat, request).map_or(Duration::ZERO, |message| message.sent),
        delivered: state.first_delivery(chat, request),
        started: None,
        latest: None,
        answers: Vec::new(),
        asked: 1,
        overwritten: false,
    };
    let mut standing = false;
    for message in belonging(state, chat, request) {
        // The file that takes the place of a status message is an answer, whatever its caption says.
        let became_file = message.edits.last().filter(|_| message.content.text().is_none()).map(|edit| edit.at);
        let texts = if became_file.is_some() { message.texts() } else { message.texts_or_caption() };
        let mut shown: Vec<(Duration, BotText)> = texts.into_iter().map(|(at, text)| (at, read(text))).collect();
        let is_answered = shown.iter().any(|(_, said)| matches!(said, BotText::Final(_)));
        shown.extend(
            became_file
                .filter(|_| !is_answered)
                .map(|at| (at, BotText::Final(RequestOutcome::Answered(String::new())))),
        );
        for (index, (at, said)) in shown.iter().enumerate() {
            match said {
                BotText::Received | BotText::Delayed | BotText::Queued { .. } => {}
                BotText::Started | BotText::Progress { .. } => trail.started = trail.started.or(Some(*at)),
                BotText::Final(outcome) => {
                    let documents = Vec::new();
                    trail.answers.push(Answer { outcome: outcome.clone(), documents, at: *at, message: message.id });
                }
                // The caption of a file is no part of the transcript.
                BotText::Part(_) if message.content.text().is_none() => {}
                // Earlier versions of the message were placeholders.
                BotText::Part(text) if index + 1 == shown.len() => {
                    let is_bare = trail.answers.is_empty() && message.reply_to == Some(request);
                    if is_bare && text != PLACEHOLDER {
                        let (outcome, documents) = (RequestOutcome::Answered(text.clone()), Vec::new());
                        trail.answers.push(Answer { outcome, documents, at: *at, message: message.id });
                        standing = true;
                    } else {
                        add_part(&mut trail, text, *at);
                    }
                }
                BotText::Part(_) => {}
            }
        }
        if let Content::Document { file_name, bytes, .. } = &message.content
            && let Some(answer) = trail.answers.last_mut()
        {
            let document = Document { name: file_name.clone(), bytes: bytes.clone(), message: message.id };
            answer.documents.push(document);
            answer.at = message.sent.max(answer.at);
        }
        if let Some((_, last)) = shown.last() {
            standing |= matches!(last, BotText::Final(_));
            if !matches!(last, BotText::Part(_)) {
                trail.latest = Some(last.clone());
            }
        }
    }
    if let Some(first) = trail.answers.first() {
        let under: HashSet<MessageId> = belonging(state, chat, request).map(|message| message.id).collect();
        let again = |press: &&Press| press.chat == chat && press.at >= first.at && under.contains(&press.message);
        trail.asked += state.presses.values().filter(again).count();
    }
    trail.overwritten = !trail.answers.is_empty() && !standing;
    trail
}

/// Appends a further part to the transcript before it; the answer is complete with its last part.
fn add_part(trail: &mut Trail, text: &str, at: Duration) {
    if let Some(Answer { outcome: RequestOutcome::Answered(spoken), at: answered, .. }) = trail.answers.last_mut() {
        if !spoken.is_empty() {
            spoken.push(' ');
        }
        spoken.push_str(text);
        *answered = at.max(*answered);
    }
}

/// The bot's replies to `request`, and its messages that reply to nothing while `request` is the chat's newest.
fn belonging(state: &State, chat: ChatId, request: MessageId) -> impl Iterator<Item = &Message> {
    let messages = state.chats.get(&chat).into_iter().flat_map(|chat| chat.messages.values());
    let mut newest = None;
    messages.filter(move |message| {
        match message.author {
            Author::Bot => {}
            Author::User(_) | Author::Anonymous | Author::Channel(_) | Author::LinkedChannel(_) => {
                newest = Some(message.id);
                return false;
            }
        }
        message.deleted.is_none() && message.reply_to.or(newest) == Some(request)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_s_number_is_no_part_of_the_sentence() {
        for (text, sentence, number) in [
            ("❌ Something went wrong.\nRequest 7", "Something went wrong.", Some(7)),
            ("❌ Произошла ошибка.\nЗапрос № 1234", "Произошла ошибка.", Some(1234)),
            (
                "❌ Limit: 120s (2 min)\nYour file: 130s (2 min)\nRequest 12",
                "Limit: 120s (2 min)\nYour file: 130s (2 min)",
                Some(12),
            ),
            ("❌ Limit: 30s\nYour file: 31s", "Limit: 30s\nYour file: 31s", None),
            ("❌ See the list\n3 of 4", "See the list\n3 of 4", None),
            ("❌ Error 7", "Error 7", None),
            ("❌ Error\n7", "Error\n7", None),
        ] {
            assert_eq!(read(text), BotText::Final(RequestOutcome::Failed(sentence.into())), "{text}");
            assert_eq!(request_number(text), number, "{text}");
        }
    }

    #[test]
    fn texts_are_known_by_their_sign_in_every_language() {
        for (text, wanted) in [
            ("📥 Загружаю файл...", BotText::Received),
            ("📋 В очереди: позиция 7\n⏱️ Примерное время ожидания: ~30с", BotText::Queued { position: Some(7) }),
            ("📋 In the queue: position 12", BotText::Queued { position: Some(12) }),
            ("⚙️ Начинаю обработку...", BotText::Started),
            ("🔄 Обработка [████░░░░░░░░░░░░░░░░] 20%\n⏱️ Прошло: 8с", BotText::Progress { percent: Some(20) }),
            ("✅ Готово!\n\nПривет. Как дела?", BotText::Final(RequestOutcome::Answered("Привет. Как дела?".into()))),
            ("📋 Черга: місце 4 з 9\n⏱️ ~30 с", BotText::Queued { position: Some(4) }),
            ("📋 Кезекте\n⏱️ ~30 с", BotText::Queued { position: None }),
            ("🔄 İşleniyor [████░░] %40\n⏱️ 8 sn", BotText::Progress { percent: Some(40) }),
            ("🔄 Procesando [████░░] 40 %", BotText::Progress { percent: Some(40) }),
            ("🔄 In Arbeit\n⏱️ 100% sicher", BotText::Progress { percent: None }),
            ("✅ Fertig!\n⚠️ Leise Aufnahme.\n\nHallo.", BotText::Final(RequestOutcome::Answered("Hallo.".into()))),
            ("✅ ¡Listo!", BotText::Final(RequestOutcome::Answered(String::new()))),
            ("🔒 Sem acesso.", BotText::Final(RequestOutcome::Rejected("Sem acesso.".into()))),
            ("🛠️ Bakım.", BotText::Final(RequestOutcome::Rejected("Bakım.".into()))),
            ("🗑️ The recording is gone.", BotText::Final(RequestOutcome::Rejected("The recording is gone.".into()))),
            ("🚫 Cancelado.", BotText::Final(RequestOutcome::Cancelled)),
            ("✅ Done!\n\nHello", BotText::Final(RequestOutcome::Answered("Hello".into()))),
            ("🤷 Речь не распознана.", BotText::Final(RequestOutcome::NoSpeech)),
            ("⚠️ Очередь переполнена.", BotText::Final(RequestOutcome::Rejected("Очередь переполнена.".into()))),
            (
                "🎙️ Send me a voice message.",
                BotText::Final(RequestOutcome::Rejected("Send me a voice message.".into())),
            ),
            ("❌ Something went wrong.", BotText::Final(RequestOutcome::Failed("Something went wrong.".into()))),
            ("🛑 Stopped.", BotText::Final(RequestOutcome::Cancelled)),
            ("⏳ Your message is safe.", BotText::Delayed),
            ("and the rest.", BotText::Part("and the rest.".into())),
        ] {
            assert_eq!(read(text), wanted, "{text}");
        }
    }
}
