//! Bytes as the bot's input from other processes: the engine's frames, a probe's line, Telegram's updates.
//! Nothing may panic, and what was parsed can be encoded again and shown.
#![no_main]

use std::num::NonZeroUsize;

use libfuzzer_sys::fuzz_target;
use stenobot_audio::ProbeOutcome;
use stenobot_domain::subtitles;
use stenobot_domain::{Transcript, UserId};
use stenobot_engine::protocol::{BlockingReader, Command, Event, encode};
use stenobot_telegram::{Action, AnswerLayout, Continuation, Identity, Incoming, Locale, Me, Texts};

fuzz_target!(|bytes: &[u8]| {
    let mut frames = BlockingReader::new(bytes);
    while let Ok(Some(command)) = frames.receive::<Command>() {
        encode(&command).unwrap();
    }
    let mut frames = BlockingReader::new(bytes);
    while let Ok(Some(event)) = frames.receive::<Event>() {
        encode(&event).unwrap();
        match event {
            Event::Finished { transcript, .. } => show(&transcript),
            Event::Progress { progress, .. } => assert!((0.0..=1.0).contains(&progress.fraction())),
            Event::Hello { .. }
            | Event::Ready { .. }
            | Event::LoadFailed { .. }
            | Event::Segments { .. }
            | Event::Failed { .. }
            | Event::Cancelled { .. } => {}
        }
    }
    if let Ok(outcome) = serde_json::from_slice::<ProbeOutcome>(bytes) {
        let _ = Result::from(outcome);
    }
    if let Ok(update) = serde_json::from_slice(bytes) {
        let me = Me { id: UserId(4_242), username: "stenobot".to_owned(), can_connect_to_business: true };
        if let Some(incoming) = Incoming::from_json(update, Identity { me: Some(&me), commands: &["help", "transcribe"] }) {
            let _ = incoming.content.kind();
        }
    }
    if let Some(action) = std::str::from_utf8(bytes).ok().and_then(Action::parse) {
        assert_eq!(Action::parse(&action.encode()), Some(action));
    }
});

/// The texts that are made of a transcript.
fn show(transcript: &Transcript) {
    let _ = (subtitles::srt(transcript), subtitles::vtt(transcript));
    let layout = AnswerLayout {
        language: None,
        most: NonZeroUsize::MIN,
        has_heading: true,
        has_times: true,
        is_folded: true,
        stopped_at: None,
        continuation: Continuation::SameChat,
    };
    let _ = Texts::default().answer(Locale::Ru, transcript, layout);
}
