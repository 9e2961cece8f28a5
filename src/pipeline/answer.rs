//! The parts of which an answer consists.

use std::sync::Arc;

use stenobot_domain::{AnswerForm, Origin, SpeechLanguage, subtitles};
use stenobot_store::ChatSettings;
use stenobot_telegram::{Answer, AnswerLayout, AnswerText, Continuation, Document, Keyboard, OutgoingMessage, body};

use super::deliver::Deliverer;
use super::file_names::file_stem;
use super::status::others_read;
use crate::config::AnswerStyle;
use crate::request::{Request, Transcribed};

/// A part of an answer.
#[derive(Debug, Clone)]
pub(super) enum Part {
    Message(OutgoingMessage),
    // Shared, since every retry needs it.
    File(Arc<Document>),
}

impl Deliverer {
    /// The parts of a request's answer. The first takes the place of the status message.
    pub(super) fn answer_parts(
        &self,
        request: &Request<Transcribed>,
        chat: &ChatSettings,
        continuation: Continuation,
    ) -> Vec<Part> {
        let transcript = &request.stage().transcript;
        let texts = self.settings.texts_of(request.locale(), request.origin());
        let locale = self.settings.locale(request.locale());
        let language = chosen_language(request);
        let spoken = transcript.text();
        let has_text = !spoken.0.trim().is_empty();
        let stem = || {
            let recorded = self.file_names.get(request.id());
            recorded.unwrap_or_else(|| file_stem(None, request.source(), request.received_at()))
        };
        let file = |extension, media_type, text: String, caption| {
            let name = format!("{}.{extension}", stem());
            Part::File(Arc::new(Document { name, media_type, caption, bytes: text.into_bytes() }))
        };
        let text_file = |caption| file("txt", "text/plain", body(transcript, chat.times) + "\n", caption);
        let stopped_at = request.stage().stopped_at;
        let caption = || match stopped_at {
            Some(at) => Some(texts.stopped_heading(locale, transcript, language, at)),
            None => texts.caption(locale, transcript, language),
        };
        let requested_file = match request.form() {
            AnswerForm::Message => None,
            AnswerForm::Txt => Some(text_file(caption())),
            AnswerForm::Srt => Some(file("srt", "application/x-subrip", subtitles::srt(transcript), caption())),
            AnswerForm::Vtt => Some(file("vtt", "text/vtt", subtitles::vtt(transcript), caption())),
        };
        if let Some(file) = requested_file.filter(|_| has_text) {
            return vec![file];
        }
        let mut keyboard = match request.origin() {
            Origin::Chat | Origin::Business(_) => {
                self.settings.answer_buttons(request.locale(), request.id(), has_text)
            }
            // Further texts would have no place there.
            Origin::Guest(_) => Keyboard::default(),
        };
        keyboard.0.extend(self.settings.copy_button(request.locale(), spoken.0.trim()).map(|copy| vec![copy]));
        let config = self.settings.config();
        let layout = AnswerLayout {
            language,
            most: config.limits.answer_messages,
            has_heading: config.telegram.answer_style == AnswerStyle::Marked,
            has_times: chat.times,
            is_folded: others_read(request),
            stopped_at,
            continuation,
        };
        let message = |AnswerText { text, folded, doubted, time }, keyboard| {
            Part::Message(OutgoingMessage { text, folded, time, underlined: doubted, keyboard })
        };
        match texts.answer(locale, transcript, layout) {
            // The buttons are under the message that the store knows.
            Answer::Messages(messages) => {
                let keyboards = std::iter::once(keyboard).chain(std::iter::repeat_with(Keyboard::default));
                messages.into_iter().zip(keyboards).map(|(text, keyboard)| message(text, keyboard)).collect()
            }
            Answer::File { preview } => vec![message(preview, keyboard), text_file(None)],
        }
    }

    /// The message beside a file, where the file could not take its place.
    pub(super) fn heading(&self, request: &Request<Transcribed>) -> OutgoingMessage {
        let locale = self.settings.locale(request.locale());
        let transcript = &request.stage().transcript;
        let texts = self.settings.texts_of(request.locale(), request.origin());
        let text = texts.heading(locale, transcript, chosen_language(request));
        OutgoingMessage { time: texts.sent_at(), ..text.into() }
    }
}

/// The language that was chosen for another text of the same recording: the answer names it.
fn chosen_language(request: &Request<Transcribed>) -> Option<&str> {
    request.parent()?;
    match request.speech_language()? {
        SpeechLanguage::Code(code) => Some(code),
        SpeechLanguage::Auto | SpeechLanguage::Several(_) => Some(&request.stage().transcript.language),
    }
}
