//! What the bot's messages mean to the person who reads them. The only place that knows the bot's texts, and it
//! knows them by the sign they begin with, the same in every language.

use std::borrow::Cow;
use std::collections::HashSet;
use std::time::Duration;

use bytes::Bytes;
use stenobot_domain::{ChatId, MessageId};

use super::server::{Author, Content, Message, Press, State};

/// What one text of the bot says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// The file is being fetched.
    Received,
    /// It cannot be taken yet, and need not be sent again.
    Delayed,
    /// It waits.
    Queued {
        /// Place in the queue, when the text tells it.
        position: Option<u32>,
    },
    /// Transcription has begun.
    Started,
    /// It goes on.
    Progress {
        /// 0 to 99, when the text tells it.
        percent: Option<u32>,
    },
    /// It is over.
    Final(Verdict),
    /// Words without a sign: a further part of a long text.
    Part(String),
}

/// How a request ended for the person who made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// With its text.
    Answered(String),
    /// Nobody speaks in it.
    NoSpeech,
    /// Not accepted, with the reason. Without the request's number, which [`request_number`] gives.
    Rejected(String),
    /// Accepted and not answered, with the apology. Without the request's number.
    Failed(String),
    /// Stopped by the person.
    Cancelled,
}

/// Reads a text of the bot.
pub fn read(text: &str) -> Said {
    let text = text.trim();
    let after = |sign: &str| text.strip_prefix(sign).map(|rest| rest.trim_start_matches('\u{fe0f}').trim());
    let after_any = |signs: &[&str]| signs.iter().find_map(|sign| after(sign));
    if after("📥").is_some() {
        Said::Received
    } else if after("⏳").is_some() {
        Said::Delayed
    } else if let Some(rest) = after("📋") {
        Said::Queued { position: first_number(first_line(rest)) }
    } else if after("⚙").is_some() {
        Said::Started
    } else if let Some(rest) = after("🔄") {
        Said::Progress { percent: percent(first_line(rest)) }
    } else if let Some(rest) = after("✅") {
        // Below the heading there may be a line of warning; what was said comes after an empty line.
        let spoken = rest.split_once("\n\n").map_or("", |(_, spoken)| spoken.trim());
        Said::Final(Verdict::Answered(spoken.to_owned()))
    } else if after("🤷").is_some() {
        Said::Final(Verdict::NoSpeech)
    } else if let Some(rest) = after_any(&["⚠", "🎙", "🔒", "🛠", "🗑"]) {
        Said::Final(Verdict::Rejected(split_number(rest).0.to_owned()))
    } else if let Some(rest) = after("❌") {
        Said::Final(Verdict::Failed(split_number(rest).0.to_owned()))
    } else if after_any(&["🛑", "⏹", "🚫"]).is_some() {
        Said::Final(Verdict::Cancelled)
    } else {
        Said::Part(text.to_owned())
    }
}

/// The number of the request with which a refusal or an apology ends.
pub fn request_number(text: &str) -> Option<i64> {
    split_number(text).1
}

/// The sentences of a refusal or an apology, and the number in the last line: one that ends with digits and has no others.
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

/// The number at the percent sign: before it, or after it as in Turkish.
fn percent(line: &str) -> Option<u32> {
    let (before, after) = line.split_once('%')?;
    let before = before.trim_end();
    let digits = before.rsplit(|c: char| !c.is_ascii_digit()).next().filter(|digits| !digits.is_empty());
    let digits = digits.or_else(|| after.split(|c: char| !c.is_ascii_digit()).next())?;
    digits.parse().ok()
}

/// A file that came with an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// As the bot named it.
    pub name: String,
    /// Its content.
    pub bytes: Bytes,
    /// In which message of the bot.
    pub message: MessageId,
}

/// One final answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// How it ended. A text that came in several messages is whole here; of one that came as a file, this is what the
    /// message shows.
    pub verdict: Verdict,
    /// Files that came with it, oldest first.
    pub documents: Vec<Document>,
    /// When the person could read it, from the server's start.
    pub at: Duration,
    /// In which message of the bot.
    pub message: MessageId,
}

impl Answer {
    /// Everything that was said: the plain text file when there is one, else the text of the messages; `None` when
    /// the verdict is no text.
    pub fn spoken(&self) -> Option<Cow<'_, str>> {
        let Verdict::Answered(text) = &self.verdict else { return None };
        let file = self.documents.iter().find(|document| document.name.ends_with(".txt"));
        Some(file.map_or(Cow::Borrowed(text.as_str()), |file| String::from_utf8_lossy(&file.bytes)))
    }
}

/// What the bot said to one request, in all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trail {
    /// When the person sent it, from the server's start.
    pub sent: Duration,
    /// When the bot first got it.
    pub offered: Option<Duration>,
    /// When the bot said that transcription began.
    pub started: Option<Duration>,
    /// What stands there last; `None` while the bot is silent.
    pub latest: Option<Said>,
    /// Final answers that still stand, and those that an edit replaced by another. More than [`Trail::asked`] are too
    /// many.
    pub answers: Vec<Answer>,
    /// How many final answers were asked for: one, and one more by each button pressed under a message that held an
    /// answer already.
    pub asked: usize,
    /// A final answer was there, and what stands there now is none.
    pub overwritten: bool,
}

impl Trail {
    /// The one final answer; `None` while there is none, or when it was overwritten by something that is none.
    pub fn answer(&self) -> Option<&Answer> {
        if self.overwritten { None } else { self.answers.last() }
    }

    /// The person has nothing in their hands.
    pub fn is_lost(&self) -> bool {
        self.answer().is_none()
    }

    /// The person was answered more often than they asked.
    pub fn is_duplicated(&self) -> bool {
        self.answers.len() > self.asked
    }
}

/// Reads what the bot said to the recording `request`. Messages that the bot has deleted do not count.
pub fn trail(state: &State, chat: ChatId, request: MessageId) -> Trail {
    let mut trail = Trail {
        sent: state.message(chat, request).map_or(Duration::ZERO, |message| message.sent),
        offered: state.offered(chat, request),
        started: None,
        latest: None,
        answers: Vec::new(),
        asked: 1,
        overwritten: false,
    };
    let mut standing = false;
    for message in belonging(state, chat, request) {
        let shown: Vec<(Duration, Said)> = message.words().into_iter().map(|(at, text)| (at, read(text))).collect();
        for (index, (at, said)) in shown.iter().enumerate() {
            match said {
                Said::Received | Said::Delayed | Said::Queued { .. } => {}
                Said::Started | Said::Progress { .. } => trail.started = trail.started.or(Some(*at)),
                Said::Final(verdict) => {
                    let documents = Vec::new();
                    trail.answers.push(Answer { verdict: verdict.clone(), documents, at: *at, message: message.id });
                }
                // What stands below a file says what it is; it is no part of the text.
                Said::Part(_) if message.content.text().is_none() => {}
                // What stood there before was a placeholder.
                Said::Part(text) if index + 1 == shown.len() => add_part(&mut trail, text, *at),
                Said::Part(_) => {}
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
            standing |= matches!(last, Said::Final(_));
            if !matches!(last, Said::Part(_)) {
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

/// A further part belongs to the text before it; the answer is there when its last part is.
fn add_part(trail: &mut Trail, text: &str, at: Duration) {
    if let Some(Answer { verdict: Verdict::Answered(spoken), at: answered, .. }) = trail.answers.last_mut() {
        if !spoken.is_empty() {
            spoken.push(' ');
        }
        spoken.push_str(text);
        *answered = at.max(*answered);
    }
}

/// The bot's replies to `request`, and what it wrote without a reply while `request` was the newest in the chat.
fn belonging(state: &State, chat: ChatId, request: MessageId) -> impl Iterator<Item = &Message> {
    let messages = state.chats.get(&chat).into_iter().flat_map(|chat| chat.messages.values());
    let mut newest = None;
    messages.filter(move |message| {
        match message.author {
            Author::Bot => {}
            Author::Person(_) | Author::Anonymous | Author::Channel(_) | Author::LinkedChannel(_) => {
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
            assert_eq!(read(text), Said::Final(Verdict::Failed(sentence.into())), "{text}");
            assert_eq!(request_number(text), number, "{text}");
        }
    }

    #[test]
    fn texts_are_known_by_their_sign_in_every_language() {
        for (text, wanted) in [
            ("📥 Загружаю файл...", Said::Received),
            ("📋 В очереди: позиция 7\n⏱️ Примерное время ожидания: ~30с", Said::Queued { position: Some(7) }),
            ("📋 In the queue: position 12", Said::Queued { position: Some(12) }),
            ("⚙️ Начинаю обработку...", Said::Started),
            ("🔄 Обработка [████░░░░░░░░░░░░░░░░] 20%\n⏱️ Прошло: 8с", Said::Progress { percent: Some(20) }),
            ("✅ Готово!\n\nПривет. Как дела?", Said::Final(Verdict::Answered("Привет. Как дела?".into()))),
            ("📋 Черга: місце 4 з 9\n⏱️ ~30 с", Said::Queued { position: Some(4) }),
            ("📋 Кезекте\n⏱️ ~30 с", Said::Queued { position: None }),
            ("🔄 İşleniyor [████░░] %40\n⏱️ 8 sn", Said::Progress { percent: Some(40) }),
            ("🔄 Procesando [████░░] 40 %", Said::Progress { percent: Some(40) }),
            ("🔄 In Arbeit\n⏱️ 100% sicher", Said::Progress { percent: None }),
            ("✅ Fertig!\n⚠️ Leise Aufnahme.\n\nHallo.", Said::Final(Verdict::Answered("Hallo.".into()))),
            ("✅ ¡Listo!", Said::Final(Verdict::Answered(String::new()))),
            ("🔒 Sem acesso.", Said::Final(Verdict::Rejected("Sem acesso.".into()))),
            ("🛠️ Bakım.", Said::Final(Verdict::Rejected("Bakım.".into()))),
            ("🗑️ The recording is gone.", Said::Final(Verdict::Rejected("The recording is gone.".into()))),
            ("🚫 Cancelado.", Said::Final(Verdict::Cancelled)),
            ("✅ Done!\n\nHello", Said::Final(Verdict::Answered("Hello".into()))),
            ("🤷 Речь не распознана.", Said::Final(Verdict::NoSpeech)),
            ("⚠️ Очередь переполнена.", Said::Final(Verdict::Rejected("Очередь переполнена.".into()))),
            ("🎙️ Send me a voice message.", Said::Final(Verdict::Rejected("Send me a voice message.".into()))),
            ("❌ Something went wrong.", Said::Final(Verdict::Failed("Something went wrong.".into()))),
            ("🛑 Stopped.", Said::Final(Verdict::Cancelled)),
            ("⏳ Your message is safe.", Said::Delayed),
            ("and the rest.", Said::Part("and the rest.".into())),
        ] {
            assert_eq!(read(text), wanted, "{text}");
        }
    }
}
