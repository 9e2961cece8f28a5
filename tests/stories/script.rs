//! Scripts for a scripted recogniser, carried in an audio file: after the line `stand-in`, one instruction a line, up to a zero
//! byte or the end of the file. `examples/engine_stand_in.rs` lists the instructions.

/// The line before a script.
pub(crate) const MARK: &str = "stand-in\n";

/// The script in an audio file, if there is one.
pub(crate) fn find(audio: &[u8]) -> Option<String> {
    let start = audio.windows(MARK.len()).position(|window| window == MARK.as_bytes())? + MARK.len();
    let script = audio[start..].split(|byte| *byte == 0).next().unwrap_or_default();
    Some(String::from_utf8_lossy(script).into_owned())
}
