//! Sound tracks as their containers describe them, and the names of codecs as people know them.

use std::borrow::Cow;

use symphonia::core::codecs::audio::{AudioCodecId, AudioCodecParameters, well_known};

use super::packing::Packing;

/// Sound tracks of one file that are described. A film has a dozen.
pub(super) const MAX_TRACKS: usize = 64;

/// A sound track of which symphonia says less than its container.
#[derive(Debug)]
pub(super) struct SoundTrack {
    /// The track's number in the container.
    pub(super) id: u32,
    /// Name of the codec.
    pub(super) name: Cow<'static, str>,
    /// Parameters of the decoder, where symphonia's reader does not know them.
    pub(super) params: Option<AudioCodecParameters>,
    /// What is done to each packet before it is decoded.
    pub(super) packing: Packing,
}

/// Name of a codec that symphonia knows and has no decoder for.
pub(super) fn name(id: AudioCodecId) -> &'static str {
    match id {
        well_known::CODEC_ID_AAC => "AAC",
        well_known::CODEC_ID_AC3 => "AC-3",
        well_known::CODEC_ID_EAC3 => "E-AC-3",
        well_known::CODEC_ID_AC4 => "AC-4",
        well_known::CODEC_ID_DCA => "DTS",
        well_known::CODEC_ID_TRUEHD => "TrueHD",
        well_known::CODEC_ID_ATRAC1
        | well_known::CODEC_ID_ATRAC3
        | well_known::CODEC_ID_ATRAC3PLUS
        | well_known::CODEC_ID_ATRAC9 => "ATRAC",
        well_known::CODEC_ID_WMA => "WMA",
        well_known::CODEC_ID_RA10
        | well_known::CODEC_ID_RA20
        | well_known::CODEC_ID_SIPR
        | well_known::CODEC_ID_COOK
        | well_known::CODEC_ID_RALF => "RealAudio",
        well_known::CODEC_ID_SPEEX => "Speex",
        well_known::CODEC_ID_MUSEPACK => "Musepack",
        well_known::CODEC_ID_WAVPACK => "WavPack",
        well_known::CODEC_ID_MONKEYS_AUDIO => "Monkey's Audio",
        well_known::CODEC_ID_TTA => "TTA",
        well_known::CODEC_ID_MP1 => "MP1",
        well_known::CODEC_ID_MP2 => "MP2",
        well_known::CODEC_ID_MP3 => "MP3",
        well_known::CODEC_ID_OPUS => "Opus",
        well_known::CODEC_ID_VORBIS => "Vorbis",
        well_known::CODEC_ID_FLAC => "FLAC",
        well_known::CODEC_ID_ALAC => "ALAC",
        well_known::CODEC_ID_ADPCM_G722 => "G.722",
        well_known::CODEC_ID_ADPCM_G726 | well_known::CODEC_ID_ADPCM_G726LE => "G.726",
        well_known::CODEC_ID_ADPCM_MS | well_known::CODEC_ID_ADPCM_IMA_WAV | well_known::CODEC_ID_ADPCM_IMA_QT => {
            "ADPCM"
        }
        _ => "?",
    }
}

/// Name of the codec behind a format tag of Microsoft's, as WAV and Matroska's `A_MS/ACM` use them.
pub(super) fn wave_name(tag: u16) -> Cow<'static, str> {
    Cow::Borrowed(match tag {
        0x0001 | 0x0003 => "PCM",
        0x0002 | 0x0011 | 0x0017 | 0x0069 | 0x0200 => "ADPCM",
        0x0006 => "A-law",
        0x0007 => "µ-law",
        0x000a | 0x0160..=0x0163 => "WMA",
        0x0022 => "TrueSpeech",
        0x0031 | 0x1500 => "GSM 6.10",
        0x0040 => "G.721",
        0x0042 | 0x0111 => "G.723.1",
        0x0045 | 0x0064 => "G.726",
        0x0050 => "MP2",
        0x0055 => "MP3",
        0x0057 | 0x7361 => "AMR",
        0x0058 | 0x7362 => "AMR-WB",
        0x0065 | 0x028f => "G.722",
        0x0083 | 0x0133 => "G.729",
        0x0092 | 0x2000 => "AC-3",
        0x00ff | 0x1600..=0x1610 | 0x4143 | 0xa106 => "AAC",
        0x0270 => "ATRAC3",
        0x2001 => "DTS",
        0x566f | 0x674f..=0x6771 => "Vorbis",
        0xa109 => "Speex",
        0xf1ac => "FLAC",
        _ => return Cow::Owned(format!("WAV 0x{tag:04x}")),
    })
}

/// Name of the codec behind the code of a sample entry of an MP4 or QuickTime file.
pub(super) fn sample_entry_name(code: [u8; 4]) -> Cow<'static, str> {
    Cow::Borrowed(match &code {
        b"mp4a" => "AAC",
        b".mp2" => "MP2",
        b"samr" => "AMR",
        b"sawb" => "AMR-WB",
        b"sawp" => "AMR-WB+",
        b"ac-3" => "AC-3",
        b"ec-3" => "E-AC-3",
        b"ac-4" => "AC-4",
        b"dtsc" | b"dtsh" | b"dtsl" | b"dtse" | b"dtsx" => "DTS",
        b"mlpa" => "TrueHD",
        b"mha1" | b"mha2" | b"mhm1" | b"mhm2" => "MPEG-H 3D Audio",
        b"enca" | b"drms" => "DRM",
        b"alac" => "ALAC",
        b"ulaw" => "µ-law",
        b"alaw" => "A-law",
        b"ima4" | b"ms\0\x02" | b"ms\0\x11" => "ADPCM",
        b"agsm" | b"ms\x001" => "GSM 6.10",
        b"MAC3" | b"MAC6" => "MACE",
        b"QDM2" | b"QDMC" => "QDesign Music",
        b"Qclp" | b"sqcp" => "QCELP",
        b"sevc" | b"sevs" => "EVRC",
        b"ssmv" => "SMV",
        b"spex" => "Speex",
        b"NONE" | b"raw " | b"twos" | b"sowt" | b"in24" | b"in32" | b"fl32" | b"fl64" | b"lpcm" | b"ipcm" | b"fpcm" => {
            "PCM"
        }
        _ => return printable(&code),
    })
}

/// Name of the codec behind the object type of an MPEG-4 elementary stream, where it is none that is decoded.
pub(super) fn object_type_name(indication: u8) -> Option<&'static str> {
    match indication {
        0x68 => Some("AAC SSR"),
        0xa0 => Some("EVRC"),
        0xa1 => Some("SMV"),
        0xa5 => Some("AC-3"),
        0xa6 => Some("E-AC-3"),
        0xa9..=0xac => Some("DTS"),
        0xad => Some("Opus"),
        0xae => Some("AC-4"),
        0xdd => Some("Vorbis"),
        0xe1 => Some("QCELP"),
        _ => None,
    }
}

/// Name of the codec behind a codec's name in Matroska.
pub(super) fn matroska_name(codec: &[u8]) -> Cow<'static, str> {
    let starts = |prefix: &str| codec.starts_with(prefix.as_bytes());
    let names = [
        ("A_AAC", "AAC"),
        ("A_AC3", "AC-3"),
        ("A_ALAC", "ALAC"),
        ("A_ATRAC", "ATRAC"),
        ("A_DTS", "DTS"),
        ("A_EAC3", "E-AC-3"),
        ("A_FLAC", "FLAC"),
        ("A_MLP", "MLP"),
        ("A_MPC", "Musepack"),
        ("A_MPEG/L1", "MP1"),
        ("A_MPEG/L2", "MP2"),
        ("A_MPEG/L3", "MP3"),
        ("A_MS/ACM", "ACM"),
        ("A_OPUS", "Opus"),
        ("A_PCM", "PCM"),
        ("A_QUICKTIME/QDM", "QDesign Music"),
        ("A_QUICKTIME", "QuickTime"),
        ("A_REAL", "RealAudio"),
        ("A_TRUEHD", "TrueHD"),
        ("A_TTA", "TTA"),
        ("A_VORBIS", "Vorbis"),
        ("A_WAVPACK", "WavPack"),
    ];
    match names.iter().find(|(prefix, _)| starts(prefix)) {
        Some((_, name)) => Cow::Borrowed(name),
        None => printable(codec.strip_prefix(b"A_").unwrap_or(codec)),
    }
}

/// What symphonia's reader of CAF leaves out or says too much of a track whose first `delay` frames are no sound.
pub(super) fn caf_params(params: &AudioCodecParameters, delay: Option<u32>) -> Cow<'_, AudioCodecParameters> {
    match params.codec {
        // CAF has no Opus header: one with the same meaning is made for the decoder.
        well_known::CODEC_ID_OPUS => {
            let channels =
                params.channels.as_ref().and_then(|channels| u8::try_from(channels.count()).ok()).unwrap_or(1);
            let pre_skip = u16::try_from(delay.unwrap_or(0)).unwrap_or(u16::MAX).to_le_bytes();
            let rate = 48_000_u32.to_le_bytes();
            let header = [&b"OpusHead\x01"[..], &[channels], &pre_skip, &rate, &[0; 3]].concat();
            let mut params = params.clone();
            params.extra_data = Some(header.into());
            Cow::Owned(params)
        }
        // Eight bits that stand for more, which the decoder takes for a contradiction.
        well_known::CODEC_ID_PCM_MULAW | well_known::CODEC_ID_PCM_ALAW => {
            let mut params = params.clone();
            (params.bits_per_sample, params.bits_per_coded_sample) = (None, None);
            Cow::Owned(params)
        }
        _ => Cow::Borrowed(params),
    }
}

/// Name of the container whose reader complains, which begins its complaints with a short name of it.
pub(super) fn container_name(complaint: &str) -> Option<&'static str> {
    Some(match complaint.split([':', ' ']).next()? {
        "adts" => "AAC",
        "aifc" | "aiff" => "AIFF",
        "caf" => "CAF",
        "flac" => "FLAC",
        "isomp4" => "MP4",
        "mkv" => "Matroska",
        "mpa" => "MP3",
        "ogg" => "Ogg",
        "riff" | "wav" => "WAV",
        _ => return None,
    })
}

/// A name out of a file, short and of harmless characters.
fn printable(name: &[u8]) -> Cow<'static, str> {
    let is_harmless = |&&byte: &&u8| byte.is_ascii_alphanumeric() || b"-+._/".contains(&byte);
    let name: String = name.iter().filter(is_harmless).take(16).map(|&byte| char::from(byte)).collect();
    if name.is_empty() { Cow::Borrowed("?") } else { Cow::Owned(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codecs_have_their_common_names() {
        assert_eq!(sample_entry_name(*b"samr"), "AMR");
        assert_eq!(wave_name(0x31), "GSM 6.10");
        assert_eq!(wave_name(0xbeef), "WAV 0xbeef");
        assert_eq!(matroska_name(b"A_DTS/EXPRESS"), "DTS");
        assert_eq!(name(well_known::CODEC_ID_EAC3), "E-AC-3");
    }

    #[test]
    fn names_out_of_files_are_harmless() {
        assert_eq!(sample_entry_name(*b"x\n<\xff"), "x");
        assert_eq!(matroska_name(b"A_{ $name }\0 and much more of it"), "nameandmuchmoreo");
        assert_eq!(matroska_name(b""), "?");
    }
}
