//! Microsoft's description of sound, WAVEFORMATEX: the `fmt ` chunk of WAV and the codec data of Matroska's `A_MS/ACM`.

use symphonia::core::audio::Channels;
use symphonia::core::codecs::audio::{AudioCodecId, AudioCodecParameters, well_known};

/// Format tag of WAVEFORMATEXTENSIBLE, whose true tag stands further behind.
const EXTENSIBLE: u16 = 0xfffe;

/// The end of a sub-format that begins with a format tag.
const SUB_FORMAT: [u8; 14] = *b"\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71";

pub(super) const PCM: u16 = 1;
pub(super) const FLOAT: u16 = 3;
pub(super) const A_LAW: u16 = 6;
pub(super) const MU_LAW: u16 = 7;
pub(super) const MP2: u16 = 0x50;
pub(super) const MP3: u16 = 0x55;

/// The fields that matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WaveFormat {
    /// Which codec.
    pub(super) tag: u16,
    pub(super) channels: u16,
    /// Frames a second.
    pub(super) rate: u32,
    /// Bytes of a frame, or of a block of a compressed format.
    pub(super) block: u16,
    /// Bits of a sample.
    pub(super) bits: u16,
}

impl WaveFormat {
    /// Reads the description; `None` when it is too short.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let two = |at: usize| Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        let four = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        let tag = match two(0)? {
            EXTENSIBLE if bytes.get(26..40) == Some(&SUB_FORMAT[..]) => two(24)?,
            tag => tag,
        };
        Some(Self { tag, channels: two(2)?, rate: four(4)?, block: two(12)?, bits: two(14)? })
    }

    /// Bytes of one sample, where each sample has some of its own.
    pub(super) fn sample_bytes(self) -> Option<u16> {
        let bytes = self.block.checked_div(self.channels)?;
        (bytes * self.channels == self.block && bytes > 0).then_some(bytes)
    }

    /// Parameters of a decoder of single packets; `None` for codecs without one.
    pub(super) fn packet_params(self) -> Option<AudioCodecParameters> {
        let codec = match self.tag {
            MP2 => well_known::CODEC_ID_MP2,
            MP3 => well_known::CODEC_ID_MP3,
            _ => self.sample_codec()?,
        };
        let mut params = AudioCodecParameters::new();
        params.for_codec(codec).with_sample_rate(self.rate);
        params.with_channels(Channels::Discrete(Some(self.channels).filter(|&count| count > 0)?));
        Some(params)
    }

    fn sample_codec(self) -> Option<AudioCodecId> {
        Some(match (self.tag, self.sample_bytes()?) {
            (PCM, 1) => well_known::CODEC_ID_PCM_U8,
            (PCM, 2) => well_known::CODEC_ID_PCM_S16LE,
            (PCM, 3) => well_known::CODEC_ID_PCM_S24LE,
            (PCM, 4) => well_known::CODEC_ID_PCM_S32LE,
            (FLOAT, 4) => well_known::CODEC_ID_PCM_F32LE,
            (FLOAT, 8) => well_known::CODEC_ID_PCM_F64LE,
            (A_LAW, 1) => well_known::CODEC_ID_PCM_ALAW,
            (MU_LAW, 1) => well_known::CODEC_ID_PCM_MULAW,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_true_tag_of_an_extensible_format_is_found() {
        let mut bytes = vec![0xfe, 0xff, 1, 0, 0x40, 0x1f, 0, 0, 0x40, 0x1f, 0, 0, 1, 0, 8, 0, 22, 0, 8, 0, 4, 0, 0, 0];
        bytes.extend([7, 0]);
        bytes.extend(SUB_FORMAT);
        let format = WaveFormat::parse(&bytes).unwrap();
        assert_eq!(format, WaveFormat { tag: MU_LAW, channels: 1, rate: 8_000, block: 1, bits: 8 });
        assert_eq!(format.packet_params().unwrap().codec, well_known::CODEC_ID_PCM_MULAW);
        bytes[30] = 1;
        assert_eq!(WaveFormat::parse(&bytes).unwrap().tag, EXTENSIBLE);
        assert_eq!(WaveFormat::parse(&bytes[..15]), None);
    }

    #[test]
    fn no_channels_give_no_parameters() {
        for tag in [PCM, MP3] {
            let format = WaveFormat { tag, channels: 0, rate: 8_000, block: 1, bits: 8 };
            assert!(format.packet_params().is_none());
        }
    }
}
