//! What a pressed button asks for, as its callback data says it.
//!
//! Callback data is untrusted input: it names an action, never a user. The store decides by the owner of the request whether
//! the user who pressed may do it.

use stenobot_domain::{AnswerForm, RequestId, SpeechLanguage};
use uuid::Uuid;

/// What a button does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Cancels a request.
    Cancel(RequestId),
    /// Ends a request with the text that is there.
    Stop(RequestId),
    /// Shows the state of a request anew.
    Refresh(RequestId),
    /// Transcribes a request's recording again.
    Rerun {
        /// The request.
        of: RequestId,
        /// Other language or file form.
        choice: RerunChoice,
    },
    /// Shows a page of languages in which a request's recording can be transcribed.
    Languages {
        /// The request.
        of: RequestId,
        /// From 0.
        page: u8,
    },
    /// Shows what else can be done with a request's answer.
    Back(RequestId),
    /// Sets the language of a chat's recordings.
    SetLanguage(SpeechLanguage),
    /// Shows a page of languages for the chat.
    ChatLanguages(u8),
    /// Erases the stored data of the user.
    Forget,
    /// Sends the broadcast with this draft id.
    SendDraft(Uuid),
    /// Drops the draft.
    DropDraft(Uuid),
}

/// What differs in a second transcription of a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RerunChoice {
    /// Spoken language.
    Language(SpeechLanguage),
    /// File form of the answer.
    File(AnswerForm),
}

/// Version of the encoding. Buttons under old messages can be pressed for years.
const VERSION: &str = "1";

impl Action {
    /// Callback data, at most 64 bytes (limit of the Bot API).
    pub fn encode(&self) -> String {
        let body = match self {
            Self::Cancel(id) => format!("c:{id}"),
            Self::Stop(id) => format!("k:{id}"),
            Self::Refresh(id) => format!("r:{id}"),
            Self::Rerun { of, choice: RerunChoice::Language(language) } => format!("l:{of}:{language}"),
            Self::Rerun { of, choice: RerunChoice::File(form) } => format!("f:{of}:{form}"),
            Self::Languages { of, page } => format!("p:{of}:{page}"),
            Self::Back(of) => format!("b:{of}"),
            Self::SetLanguage(language) => format!("s:{language}"),
            Self::ChatLanguages(page) => format!("g:{page}"),
            Self::Forget => "x".to_owned(),
            Self::SendDraft(draft) => format!("n:{}", draft.simple()),
            Self::DropDraft(draft) => format!("d:{}", draft.simple()),
        };
        format!("{VERSION}:{body}")
    }

    /// What callback data means; `None` for anything that [`Action::encode`] does not give.
    pub fn parse(data: &str) -> Option<Self> {
        let parts: Vec<&str> = data.strip_prefix(VERSION)?.strip_prefix(':')?.split(':').collect();
        let id = |text: &str| text.parse().ok().filter(|id| *id > 0).map(RequestId);
        let action = match parts.as_slice() {
            ["c", of] => Self::Cancel(id(of)?),
            ["k", of] => Self::Stop(id(of)?),
            ["r", of] => Self::Refresh(id(of)?),
            ["l", of, language] => Self::Rerun { of: id(of)?, choice: RerunChoice::Language(language.parse().ok()?) },
            ["f", of, form] => Self::Rerun { of: id(of)?, choice: RerunChoice::File(AnswerForm::parse(form)?) },
            ["p", of, page] => Self::Languages { of: id(of)?, page: page.parse().ok()? },
            ["b", of] => Self::Back(id(of)?),
            ["s", language] => Self::SetLanguage(language.parse().ok()?),
            ["g", page] => Self::ChatLanguages(page.parse().ok()?),
            ["x"] => Self::Forget,
            ["n", draft] => Self::SendDraft(draft.parse().ok()?),
            ["d", draft] => Self::DropDraft(draft.parse().ok()?),
            _ => return None,
        };
        // Only the canonical encoding is accepted: `01` is not `1`.
        (action.encode() == data).then_some(action)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_actions_fit_64_bytes_and_parse_back() {
        let of = RequestId(i64::MAX);
        let language: SpeechLanguage = "haw".parse().unwrap();
        for action in [
            Action::Cancel(of),
            Action::Stop(of),
            Action::Refresh(of),
            Action::Rerun { of, choice: RerunChoice::Language(language.clone()) },
            Action::Rerun { of, choice: RerunChoice::Language(SpeechLanguage::Auto) },
            Action::Rerun { of, choice: RerunChoice::File(AnswerForm::Vtt) },
            Action::Languages { of, page: u8::MAX },
            Action::Back(of),
            Action::SetLanguage(language),
            Action::ChatLanguages(2),
            Action::Forget,
            Action::SendDraft(Uuid::max()),
            Action::DropDraft(Uuid::now_v7()),
        ] {
            let data = action.encode();
            assert!(data.len() <= 64, "{data}");
            assert_eq!(Action::parse(&data), Some(action));
        }
    }

    #[test]
    fn data_that_encode_never_returns_is_rejected() {
        for data in [
            "",
            "1",
            "1:",
            "1:c",
            "1:c:",
            "1:c:-1",
            "1:c:0",
            "1:c:01",
            "1:c:1:2",
            "2:c:1",
            "1:f:1:exe",
            "1:p:1:256",
            "1:x:",
            "1:s:../..",
            "c:1",
            "1:n:0",
            "1:n:0190163d-8694-739b-aea5-966c26f8ad91",
            "1:d:0190163D8694739BAEA5966C26F8AD91",
        ] {
            assert_eq!(Action::parse(data), None, "{data}");
        }
    }
}
