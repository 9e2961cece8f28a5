//! AAC's AudioSpecificConfig, as far as it decides whether a track can be decoded.

use std::borrow::Cow;

use symphonia::core::codecs::audio::AudioCodecParameters;

use super::AudioError;

const AAC_LC: u32 = 2;
const HE_AAC: u32 = 5;
const HE_AAC_V2: u32 = 29;

/// The parameters of an AAC-LC decoder for a track. Frames in ADTS have no configuration.
pub(super) fn lc_params(params: &AudioCodecParameters) -> Result<Cow<'_, AudioCodecParameters>, AudioError> {
    match (&params.extra_data, params.channels.as_ref().map_or(0, |channels| channels.count())) {
        (Some(config), _) => {
            let mut lc = params.clone();
            lc.extra_data = Some(lc_config(config)?.into());
            Ok(Cow::Owned(lc))
        }
        (None, 1 | 2) => Ok(Cow::Borrowed(params)),
        (None, count) => Err(AudioError::Codec { name: layout_name(u32::try_from(count).unwrap_or(0)) }),
    }
}

/// The configuration for a decoder of AAC-LC.
///
/// HE-AAC is AAC-LC at half the rate, from which a decoder computes the upper half of the spectrum by a few hints, and
/// in version 2 a second channel. symphonia-codec-aac 0.6 refuses it once the configuration says so (object types 5 and
/// 29), although it decodes the same frames when it does not. The core has all that speech needs.
fn lc_config(config: &[u8]) -> Result<Vec<u8>, AudioError> {
    let codec = |name: String| AudioError::Codec { name };
    let damaged = || AudioError::Damaged { what: "aac: bad configuration".to_owned() };
    let mut bits = Bits { bytes: config, at: 0 };
    let mut object_type = bits.object_type().ok_or_else(damaged)?;
    let rate = bits.rate().ok_or_else(damaged)?;
    let channels = bits.take(4).ok_or_else(damaged)?;
    let extended = matches!(object_type, HE_AAC | HE_AAC_V2);
    if extended {
        bits.rate().ok_or_else(damaged)?;
        object_type = bits.object_type().ok_or_else(damaged)?;
    }
    if object_type != AAC_LC {
        return Err(codec(object_type_name(object_type)));
    }
    let short_frames = bits.take(1).ok_or_else(damaged)?;
    match (channels, short_frames) {
        (1 | 2, 0) if !extended => Ok(config.to_vec()),
        (1 | 2, 0) => {
            let mut lc = Vec::new();
            // No short frames, no core coder, no extension.
            for (value, width) in [(AAC_LC, 5)].into_iter().chain(rate.fields()).chain([(channels, 4), (0, 3)]) {
                lc.extend((0..width).rev().map(|bit| (value >> bit) & 1));
            }
            Ok(lc
                .chunks(8)
                .map(|byte| byte.iter().zip(0..8).fold(0, |all, (&bit, at)| all | (bit as u8) << (7 - at)))
                .collect())
        }
        (1 | 2, _) => Err(codec("AAC (960)".to_owned())),
        _ => Err(codec(layout_name(channels))),
    }
}

fn layout_name(channels: u32) -> String {
    match channels {
        // An element in the stream says the layout.
        0 => "AAC (PCE)".to_owned(),
        3..=5 => format!("AAC {channels}.0"),
        6 => "AAC 5.1".to_owned(),
        11 => "AAC 6.1".to_owned(),
        7 | 8 | 12 | 14 => "AAC 7.1".to_owned(),
        _ => format!("AAC ({channels} ch)"),
    }
}

fn object_type_name(object_type: u32) -> String {
    match object_type {
        1 => "AAC Main",
        3 => "AAC SSR",
        4 | 19 => "AAC LTP",
        17 => "AAC ER",
        23 => "AAC-LD",
        32 => "MP1",
        33 => "MP2",
        34 => "MP3",
        36 => "MPEG-4 ALS",
        39 => "AAC-ELD",
        42 => "xHE-AAC",
        _ => return format!("MPEG-4 Audio {object_type}"),
    }
    .to_owned()
}

/// A sampling rate as it is written.
#[derive(Clone, Copy)]
enum Rate {
    Index(u32),
    Hertz(u32),
}

impl Rate {
    fn fields(self) -> Vec<(u32, u32)> {
        match self {
            Self::Index(index) => vec![(index, 4)],
            Self::Hertz(hertz) => vec![(15, 4), (hertz, 24)],
        }
    }
}

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> Option<u32> {
        let mut value = 0;
        for at in self.at..self.at + count {
            let bit = self.bytes.get(at / 8)? >> (7 - at % 8) & 1;
            value = value << 1 | u32::from(bit);
        }
        self.at += count;
        Some(value)
    }

    fn object_type(&mut self) -> Option<u32> {
        match self.take(5)? {
            31 => Some(32 + self.take(6)?),
            object_type => Some(object_type),
        }
    }

    fn rate(&mut self) -> Option<Rate> {
        match self.take(4)? {
            15 => self.take(24).map(Rate::Hertz),
            index => Some(Rate::Index(index)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(fields: &[(u32, u32)]) -> Vec<u8> {
        let bits: Vec<u32> =
            fields.iter().flat_map(|&(value, width)| (0..width).rev().map(move |bit| value >> bit & 1)).collect();
        bits.chunks(8).map(|byte| byte.iter().enumerate().map(|(at, &bit)| (bit as u8) << (7 - at)).sum()).collect()
    }

    #[test]
    fn the_core_of_he_aac_is_described() {
        // 22.05 kHz mono within 44.1 kHz; the rate written out; version 2.
        let mono = config(&[(5, 5), (7, 4), (1, 4), (4, 4), (2, 5), (0, 3)]);
        assert_eq!(lc_config(&mono).unwrap(), config(&[(2, 5), (7, 4), (1, 4), (0, 3)]));
        let written_out = config(&[(5, 5), (15, 4), (22_050, 24), (2, 4), (15, 4), (44_100, 24), (2, 5), (0, 3)]);
        assert_eq!(lc_config(&written_out).unwrap(), config(&[(2, 5), (15, 4), (22_050, 24), (2, 4), (0, 3)]));
        let version_2 = config(&[(29, 5), (6, 4), (1, 4), (3, 4), (2, 5), (0, 3)]);
        assert_eq!(lc_config(&version_2).unwrap(), config(&[(2, 5), (6, 4), (1, 4), (0, 3)]));
        let plain = config(&[(2, 5), (4, 4), (2, 4), (0, 3)]);
        assert_eq!(lc_config(&plain).unwrap(), plain);
    }

    #[test]
    fn an_unsupported_object_type_is_named() {
        let name = |fields: &[(u32, u32)]| match lc_config(&config(fields)) {
            Err(AudioError::Codec { name }) => name,
            other => panic!("{other:?}"),
        };
        assert_eq!(name(&[(2, 5), (3, 4), (6, 4), (0, 3)]), "AAC 5.1");
        assert_eq!(name(&[(2, 5), (3, 4), (7, 4), (0, 3)]), "AAC 7.1");
        assert_eq!(name(&[(2, 5), (3, 4), (0, 4), (0, 3)]), "AAC (PCE)");
        assert_eq!(name(&[(2, 5), (3, 4), (1, 4), (1, 1), (0, 2)]), "AAC (960)");
        assert_eq!(name(&[(31, 5), (7, 6), (3, 4), (1, 4), (0, 3)]), "AAC-ELD");
        assert_eq!(name(&[(31, 5), (10, 6), (3, 4), (1, 4), (0, 3)]), "xHE-AAC");
    }

    #[test]
    fn a_configuration_that_ends_too_soon_is_damaged() {
        let whole = config(&[(5, 5), (15, 4), (22_050, 24), (2, 4), (15, 4), (44_100, 24), (2, 5), (0, 3)]);
        for end in 0..whole.len() - 1 {
            assert!(matches!(lc_config(&whole[..end]), Err(AudioError::Damaged { .. })), "{end}");
        }
    }
}
