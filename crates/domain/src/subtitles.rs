//! Transcripts as subtitle files.

use std::fmt::Write;
use std::time::Duration;

use crate::Transcript;

/// SubRip: numbered cues, `00:01:02,345 --> 00:01:04,000`, a blank line after each.
pub fn srt(transcript: &Transcript) -> String {
    let mut out = String::new();
    for (index, segment) in transcript.segments.iter().enumerate() {
        let (start, end) = (clock(segment.start, ','), clock(segment.end, ','));
        let text = one_line(&segment.text.0).replace("-->", "→");
        // Writing to a `String` cannot fail.
        let _ = write!(out, "{}\n{start} --> {end}\n{text}\n\n", index + 1);
    }
    out
}

/// WebVTT: the head, then cues as in SubRip with a point before the milliseconds, characters with a meaning escaped.
pub fn vtt(transcript: &Transcript) -> String {
    let mut out = String::from("WEBVTT\n\n");
    for segment in &transcript.segments {
        let (start, end) = (clock(segment.start, '.'), clock(segment.end, '.'));
        let text = one_line(&segment.text.0).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let _ = write!(out, "{start} --> {end}\n{text}\n\n");
    }
    out
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn clock(at: Duration, point: char) -> String {
    let seconds = at.as_secs();
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}{point}{:03}", seconds % 60, at.subsec_millis())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Segment, Spoken};

    fn transcript() -> Transcript {
        let segment = |start, end, text: &str| Segment {
            start: Duration::from_millis(start),
            end: Duration::from_millis(end),
            text: Spoken(text.to_owned()),
            doubts: Vec::new(),
            mean_logprob: -0.1,
            no_speech: 0.0,
        };
        Transcript {
            segments: vec![segment(0, 2_340, "Привет"), segment(3_661_005, 3_662_000, "a --> b\n<i> & c")],
            language: "ru".to_owned(),
            language_probability: None,
            audio: Duration::from_secs(3_662),
            processing: Duration::from_secs(1),
            retried_windows: 0,
            missed_speech: Duration::ZERO,
            speech: Vec::new(),
            is_sender_independent: true,
        }
    }

    #[test]
    fn subrip() {
        let wanted = "1\n00:00:00,000 --> 00:00:02,340\nПривет\n\n\
                      2\n01:01:01,005 --> 01:01:02,000\na → b <i> & c\n\n";
        assert_eq!(srt(&transcript()), wanted);
    }

    #[test]
    fn webvtt() {
        let wanted = "WEBVTT\n\n00:00:00.000 --> 00:00:02.340\nПривет\n\n\
                      01:01:01.005 --> 01:01:02.000\na --&gt; b &lt;i&gt; &amp; c\n\n";
        assert_eq!(vtt(&transcript()), wanted);
    }
}
