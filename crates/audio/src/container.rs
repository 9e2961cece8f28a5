//! What is done to a container before symphonia reads it.

use super::codec::SoundTrack;
use super::source::Source;
use super::{AudioError, id3, kind, matroska, mp4_boxes, wav_header};

/// Leaves out and replaces what symphonia's reader refuses, and gives what it does not say about the sound tracks.
///
/// # Errors
/// When the file has no sound, or sound in a form that is not decoded.
pub(super) fn prepare(source: &mut Source) -> Result<Vec<SoundTrack>, AudioError> {
    id3::skip(source)?;
    let head = source.bytes_at(0, kind::HEAD)?;
    if let Some(error) = kind::foreign(&head) {
        return Err(error);
    }
    let tracks = if head.get(4..8) == Some(b"ftyp") {
        let no_index = || AudioError::Damaged { what: "mp4: its index is missing".to_owned() };
        Some(mp4_boxes::prepare(source)?.ok_or_else(no_index)?)
    } else if head.starts_with(b"\x1aE\xdf\xa3") {
        matroska::sound_tracks(source)?
    } else {
        if wav_header::is_wav(&head) {
            wav_header::normalise(source)?;
        }
        None
    };
    Ok(tracks.unwrap_or_default())
}
