//! Scripts for a scripted recogniser, carried in an audio file: after the line `stand-in`, one instruction a line, up to a zero
//! byte or the end of the file. `examples/engine_stand_in.rs` lists the instructions.

use std::time::Duration;

use stenobot_domain::{Segment, Spoken};

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
    let text = Spoken(parts.next().unwrap_or_default().to_owned());
    Segment { start, end, text, mean_logprob: -0.1, no_speech: 0.0 }
}
