//! How Matroska packs the packets of a track: `mkvmerge --compression` writes both forms.

use std::io::Read;

use flate2::read::ZlibDecoder;
use symphonia::core::packet::Packet;

/// Largest packet of sound once it is unpacked, in bytes: 40 ms of eight channels at 192 kHz have 245,760.
const MAX_PACKET: u64 = 256 * 1024;

/// What was done to each packet of a track.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Packing {
    /// Nothing.
    #[default]
    Plain,
    /// Compressed with zlib.
    Zlib,
    /// These bytes, the same in all packets, were left out at the start.
    Stripped(Box<[u8]>),
    /// Something that is not undone here; its name.
    Unsupported(&'static str),
}

impl Packing {
    /// Restores the packet. `false` means that it is damaged.
    pub(super) fn unpack(&self, packet: &mut Packet) -> bool {
        match self {
            Self::Plain => {}
            Self::Zlib => {
                let mut data = Vec::new();
                let unpacked = ZlibDecoder::new(&packet.data[..]).take(MAX_PACKET + 1).read_to_end(&mut data);
                if unpacked.is_err() || data.len() as u64 > MAX_PACKET {
                    return false;
                }
                packet.data = data.into();
            }
            Self::Stripped(head) => packet.data = [head, &packet.data[..]].concat().into(),
            Self::Unsupported(_) => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use symphonia::core::units::{Duration, Timestamp};

    use super::*;

    fn unpacked(packing: &Packing, data: &[u8]) -> Option<Vec<u8>> {
        let mut packet = Packet::new(1, Timestamp::new(0), Duration::new(0), data);
        packing.unpack(&mut packet).then(|| packet.data.to_vec())
    }

    fn zlib(data: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn packets_are_restored() {
        assert_eq!(unpacked(&Packing::Plain, b"sound").unwrap(), b"sound");
        assert_eq!(unpacked(&Packing::Zlib, &zlib(b"sound")).unwrap(), b"sound");
        assert_eq!(unpacked(&Packing::Stripped((*b"so").into()), b"und").unwrap(), b"sound");
        assert_eq!(unpacked(&Packing::Unsupported("bzip2"), b"sound"), None);
    }

    #[test]
    fn a_packet_that_grows_beyond_its_bound_is_damaged() {
        assert_eq!(unpacked(&Packing::Zlib, &zlib(&vec![0; MAX_PACKET as usize])).unwrap().len(), MAX_PACKET as usize);
        assert_eq!(unpacked(&Packing::Zlib, &zlib(&vec![0; 50 << 20])), None);
        assert_eq!(unpacked(&Packing::Zlib, b"no zlib"), None);
    }
}
