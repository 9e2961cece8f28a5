//! Scripts for a scripted recogniser, carried in an audio file: after the line `stand-in`, one instruction a line, up to a zero
//! byte or the end of the file. `examples/engine_stand_in.rs` lists the instructions.

use std::time::Duration;

use stenobot_domain::{Doubt, LikelyLanguage, Segment, Spoken, Transcript};

/// The line before a script.
pub(crate) const MARK: &str = "stand-in\n";

/// The script in an audio file, if there is one.
pub(crate) fn find(audio: &[u8]) -> Option<String> {
    let start = audio.windows(MARK.len()).position(|window| window == MARK.as_bytes())? + MARK.len();
    let script = audio[start..].split(|byte| *byte == 0).next().unwrap_or_default();
    Some(String::from_utf8_lossy(script).into_owned())
}

/// The arguments of `segment START END TEXT`, times in milliseconds.
pub(crate) fn segment(arguments: &str) -> Segment {
    let mut parts = arguments.splitn(3, ' ');
    let mut time = || {
        let number = parts.next().and_then(|number| number.parse().ok());
        Duration::from_millis(number.unwrap_or_else(|| panic!("a segment has two times and a text: {arguments}")))
    };
    let (start, end) = (time(), time());
    spoken(start, end, parts.next().unwrap_or_default())
}

/// A segment in whose text doubted words stand between tildes.
fn spoken(start: Duration, end: Duration, script: &str) -> Segment {
    let (mut text, mut doubts) = (String::new(), Vec::new());
    for (index, piece) in script.split('~').enumerate() {
        if index % 2 == 1 {
            doubts.push(Doubt { at: text.len()..text.len() + piece.len(), logprob: -2.0 });
        }
        text.push_str(piece);
    }
    Segment { start, end, text: Spoken(text), doubts, mean_logprob: -0.1, no_speech: 0.0 }
}

/// Length of a recording whose script names none.
pub(crate) const LENGTH: Duration = Duration::from_secs(10);

/// A recording as far as its script describes it.
pub(crate) struct ScriptedRecording {
    pub(crate) length: Duration,
    pub(crate) segments: Vec<Segment>,
}

impl ScriptedRecording {
    pub(crate) fn new() -> Self {
        Self { length: LENGTH, segments: Vec::new() }
    }

    /// Its segments, and `text` up to the end.
    pub(crate) fn transcript(mut self, text: &str) -> Transcript {
        let start = self.segments.last().map_or(Duration::ZERO, |last| last.end);
        if !text.is_empty() {
            self.segments.push(spoken(start, self.length, text));
        }
        Transcript {
            segments: self.segments,
            language: "ru".to_owned(),
            language_probability: Some(0.98),
            audio: self.length,
            processing: Duration::from_millis(5),
            retried_windows: 0,
            missed_speech: Duration::ZERO,
            speech: Vec::new(),
            is_sender_independent: true,
        }
    }

    /// The likely languages of a job, candidates with a star, as a text that depends on its sender.
    pub(crate) fn likely(self, likely: &[LikelyLanguage]) -> Transcript {
        let mark = |is_candidate| if is_candidate { "*" } else { "" };
        let likely = likely.iter().map(|l| format!("{}{} {:.2}", l.code, mark(l.is_candidate), l.weight));
        let transcript = self.transcript(&likely.collect::<Vec<_>>().join(", "));
        Transcript { is_sender_independent: false, ..transcript }
    }
}
