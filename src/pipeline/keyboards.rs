//! Buttons under the bot's messages.

use stenobot_domain::{AnswerForm, Origin, RequestId, SpeechLanguage};
use stenobot_telegram::{Action, Button, Effect, Keyboard, LANGUAGES, Label, RerunChoice};

use crate::settings::Settings;

/// Languages on one page: four rows of two.
const PAGE_SIZE: usize = 8;
/// Limit of the Bot API.
const MAX_COPIED: usize = 256;

impl Settings {
    /// Under a text so far: ends the request with it.
    pub(super) fn stop_buttons(&self, locale: Option<&str>, origin: &Origin, id: RequestId) -> Keyboard {
        let stop = Button::acting(self.label(locale, Label::Stop), Action::Stop(id));
        self.state_buttons(locale, origin, id, stop)
    }

    /// Under a state: cancels the request.
    pub(super) fn cancel_buttons(&self, locale: Option<&str>, origin: &Origin, id: RequestId) -> Keyboard {
        let cancel = Button::acting(self.label(locale, Label::Cancel), Action::Cancel(id));
        self.state_buttons(locale, origin, id, cancel)
    }

    fn state_buttons(&self, locale: Option<&str>, origin: &Origin, id: RequestId, end: Button) -> Keyboard {
        match origin {
            Origin::Chat | Origin::Business(_) => Keyboard(vec![vec![end]]),
            // Where the process died before the message was recorded, a press names it, and this one ends nothing.
            Origin::Guest(_) => {
                let refresh = Button::acting(self.label(locale, Label::Refresh), Action::Refresh(id));
                Keyboard(vec![vec![refresh, end]])
            }
        }
    }

    /// Actions on an answer, while its recording is kept. Without a text there is no file of it.
    pub(crate) fn answer_buttons(&self, locale: Option<&str>, of: RequestId, has_text: bool) -> Keyboard {
        if self.config().privacy.audio_retention.is_zero() {
            return Keyboard::default();
        }
        let rerun = |label: String, choice| Button::acting(label, Action::Rerun { of, choice });
        let language = Button::acting(self.label(locale, Label::OtherLanguage), Action::Languages { of, page: 0 });
        let file = |form: AnswerForm, name| rerun(self.label(locale, Label::File(name)), RerunChoice::File(form));
        let mut rows = vec![vec![language]];
        if has_text {
            rows.push(vec![file(AnswerForm::Txt, "TXT"), file(AnswerForm::Srt, "SRT"), file(AnswerForm::Vtt, "VTT")]);
        }
        Keyboard(rows)
    }

    /// Copies a text that is short enough, in UTF-16 units, which are never fewer than its characters.
    pub(super) fn copy_button(&self, locale: Option<&str>, text: &str) -> Option<Button> {
        let fits = (1..=MAX_COPIED).contains(&text.encode_utf16().count());
        fits.then(|| Button { label: self.label(locale, Label::Copy), effect: Effect::Copy(text.to_owned()) })
    }

    /// Languages for another transcription of a recording.
    pub(crate) fn again_buttons(&self, locale: Option<&str>, of: RequestId, page: u8) -> Keyboard {
        let choose = |language| Action::Rerun { of, choice: RerunChoice::Language(language) };
        let mut keyboard = self.languages(locale, page, choose, |page| Action::Languages { of, page });
        let back = Button::acting(self.label(locale, Label::Back), Action::Back(of));
        keyboard.0.push(vec![back]);
        keyboard
    }

    /// Languages that a chat can set.
    pub(crate) fn language_buttons(&self, locale: Option<&str>, page: u8) -> Keyboard {
        self.languages(locale, page, Action::SetLanguage, Action::ChatLanguages)
    }

    fn languages(
        &self,
        locale: Option<&str>,
        page: u8,
        choose: impl Fn(SpeechLanguage) -> Action,
        turn: impl Fn(u8) -> Action,
    ) -> Keyboard {
        let pages: Vec<_> = LANGUAGES.chunks(PAGE_SIZE).collect();
        let at = usize::from(page).min(pages.len() - 1);
        let automatic = Button::acting(self.label(locale, Label::Automatic), choose(SpeechLanguage::Auto));
        let mut rows = vec![vec![automatic]];
        let button = |(code, name): &(&str, &str)| {
            Button::acting((*name).to_owned(), choose(SpeechLanguage::Code((*code).to_owned())))
        };
        rows.extend(pages[at].chunks(2).map(|pair| pair.iter().map(button).collect()));
        let page = |at: usize| turn(u8::try_from(at).unwrap_or(u8::MAX));
        let before = at.checked_sub(1).map(|at| Button::acting("‹".to_owned(), page(at)));
        let after = (at + 1 < pages.len()).then(|| Button::acting("›".to_owned(), page(at + 1)));
        rows.push(before.into_iter().chain(after).collect());
        Keyboard(rows)
    }
}
