//! ggml's number formats: blocks of 32 values that share a scale, as `quantize_row_*_ref` of ggml defines
//! them. Encoding gives the very bytes that whisper.cpp's own tool writes.

use std::fmt;
use std::str::FromStr;

use half::f16;
use half::slice::HalfFloatSliceExt;

/// Values per block of every quantised format.
pub(super) const BLOCK: usize = 32;

/// How the numbers of one tensor are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum TensorType {
    /// 32-bit floating point.
    F32,
    /// 16-bit floating point.
    F16,
    /// Blocks of 32 values.
    Block(Quantisation),
}

/// A quantised format. The digits are bits per value; `_1` keeps a minimum besides the scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(non_camel_case_types, reason = "the names that ggml and its users write")]
pub enum Quantisation {
    /// 8.5 bits per value; as good as float16 on every recording tried.
    q8_0,
    /// 6 bits per value.
    q5_1,
    /// 5.5 bits per value.
    q5_0,
    /// 5 bits per value.
    q4_1,
    /// 4.5 bits per value.
    q4_0,
}

impl Quantisation {
    /// All formats, the best first.
    pub const ALL: [Self; 5] = [Self::q8_0, Self::q5_1, Self::q5_0, Self::q4_1, Self::q4_0];

    /// The name, as it ends a model's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::q8_0 => "q8_0",
            Self::q5_1 => "q5_1",
            Self::q5_0 => "q5_0",
            Self::q4_1 => "q4_1",
            Self::q4_0 => "q4_0",
        }
    }

    const fn block_bytes(self) -> usize {
        match self {
            Self::q8_0 => 34,
            Self::q5_1 => 24,
            Self::q5_0 => 22,
            Self::q4_1 => 20,
            Self::q4_0 => 18,
        }
    }
}

impl fmt::Display for Quantisation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that is no quantisation.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no quantisation: give q8_0, q5_1, q5_0, q4_1 or q4_0")]
pub struct InvalidQuantisation(String);

impl FromStr for Quantisation {
    type Err = InvalidQuantisation;

    fn from_str(text: &str) -> Result<Self, InvalidQuantisation> {
        Self::ALL.into_iter().find(|q| q.name() == text).ok_or_else(|| InvalidQuantisation(text.to_owned()))
    }
}

impl TensorType {
    /// The number that stands for the format in a tensor's header.
    pub(super) fn id(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Block(Quantisation::q4_0) => 2,
            Self::Block(Quantisation::q4_1) => 3,
            Self::Block(Quantisation::q5_0) => 6,
            Self::Block(Quantisation::q5_1) => 7,
            Self::Block(Quantisation::q8_0) => 8,
        }
    }

    pub(super) fn from_id(id: u32) -> Option<Self> {
        let blocks = Quantisation::ALL.into_iter().map(Self::Block);
        [Self::F32, Self::F16].into_iter().chain(blocks).find(|kind| kind.id() == id)
    }

    /// The number that stands for a file of mostly this format in the model's header. Quantised files carry
    /// in it the version of the formats, 2 today. q5_1 is the same in version 1, and all published q5_1 files
    /// say 1: so do ours, which makes them the same bytes.
    pub(super) fn file_type(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Block(Quantisation::q4_0) => 2002,
            Self::Block(Quantisation::q4_1) => 2003,
            Self::Block(Quantisation::q8_0) => 2007,
            Self::Block(Quantisation::q5_0) => 2008,
            Self::Block(Quantisation::q5_1) => 1009,
        }
    }

    /// The format of which a file's header says that most tensors have it, whatever the version.
    pub(super) fn of_file_type(file_type: u32) -> Option<Self> {
        let blocks = Quantisation::ALL.into_iter().map(Self::Block);
        [Self::F32, Self::F16].into_iter().chain(blocks).find(|kind| kind.file_type() % 1000 == file_type % 1000)
    }

    /// The quantisation, if it is one.
    pub(super) fn quantisation(self) -> Option<Quantisation> {
        match self {
            Self::F32 | Self::F16 => None,
            Self::Block(q) => Some(q),
        }
    }

    /// Bytes of `values` numbers, which must fill whole blocks.
    pub(super) fn bytes(self, values: u64) -> u64 {
        match self {
            Self::F32 => values * 4,
            Self::F16 => values * 2,
            Self::Block(q) => values / BLOCK as u64 * q.block_bytes() as u64,
        }
    }

    /// Appends the values in this format. For blocks their number must be a multiple of [`BLOCK`].
    pub(super) fn encode(self, values: &[f32], out: &mut Vec<u8>) {
        match self {
            Self::F32 => values.iter().for_each(|v| out.extend_from_slice(&v.to_le_bytes())),
            Self::F16 => {
                let mut halves = vec![f16::ZERO; values.len()];
                halves.convert_from_f32_slice(values);
                halves.iter().for_each(|h| out.extend_from_slice(&h.to_le_bytes()));
            }
            Self::Block(q) => values.as_chunks::<BLOCK>().0.iter().for_each(|block| encode_block(q, block, out)),
        }
    }

    /// Reads `values.len()` numbers of this format from as many bytes as [`bytes`](Self::bytes) says.
    pub(super) fn decode(self, bytes: &[u8], values: &mut [f32]) {
        match self {
            Self::F32 => {
                let numbers = bytes.as_chunks::<4>().0;
                values.iter_mut().zip(numbers).for_each(|(value, raw)| *value = f32::from_le_bytes(*raw));
            }
            Self::F16 => {
                let halves: Vec<f16> = bytes.as_chunks::<2>().0.iter().map(|raw| f16::from_le_bytes(*raw)).collect();
                halves.convert_to_f32_slice(values);
            }
            Self::Block(q) => {
                let blocks = bytes.chunks_exact(q.block_bytes());
                values
                    .as_chunks_mut::<BLOCK>()
                    .0
                    .iter_mut()
                    .zip(blocks)
                    .for_each(|(block, raw)| decode_block(q, raw, block));
            }
        }
    }
}

fn encode_block(q: Quantisation, x: &[f32; BLOCK], out: &mut Vec<u8>) {
    match q {
        Quantisation::q8_0 => {
            let largest = x.iter().fold(0f32, |largest, v| largest.max(v.abs()));
            let d = largest / 127.0;
            let inverse = inverse(d);
            out.extend_from_slice(&f16::from_f32(d).to_le_bytes());
            out.extend(x.iter().map(|v| (v * inverse).round() as i8 as u8));
        }
        Quantisation::q4_0 => {
            let (d, levels) = around_zero(x, 8.0, 15);
            out.extend_from_slice(&f16::from_f32(d).to_le_bytes());
            push_nibbles(&levels, out);
        }
        Quantisation::q5_0 => {
            let (d, levels) = around_zero(x, 16.0, 31);
            out.extend_from_slice(&f16::from_f32(d).to_le_bytes());
            out.extend_from_slice(&fifth_bits(&levels).to_le_bytes());
            push_nibbles(&levels, out);
        }
        Quantisation::q4_1 => {
            let (d, min, levels) = above_minimum(x, 15);
            out.extend_from_slice(&f16::from_f32(d).to_le_bytes());
            out.extend_from_slice(&f16::from_f32(min).to_le_bytes());
            push_nibbles(&levels, out);
        }
        Quantisation::q5_1 => {
            let (d, min, levels) = above_minimum(x, 31);
            out.extend_from_slice(&f16::from_f32(d).to_le_bytes());
            out.extend_from_slice(&f16::from_f32(min).to_le_bytes());
            out.extend_from_slice(&fifth_bits(&levels).to_le_bytes());
            push_nibbles(&levels, out);
        }
    }
}

/// ggml multiplies by the inverse rather than dividing; the rounding differs, so the published bytes need it.
fn inverse(d: f32) -> f32 {
    if d == 0.0 { 0.0 } else { 1.0 / d }
}

/// The scale puts the value farthest from zero at level 0, so that its sign costs no level.
fn around_zero(x: &[f32; BLOCK], middle: f32, top: u8) -> (f32, [u8; BLOCK]) {
    let farthest = x.iter().fold(0f32, |farthest, &v| if v.abs() > farthest.abs() { v } else { farthest });
    let d = farthest / -middle;
    let inverse = inverse(d);
    (d, x.map(|v| ((v * inverse + (middle + 0.5)) as i8 as u8).min(top)))
}

fn above_minimum(x: &[f32; BLOCK], top: u8) -> (f32, f32, [u8; BLOCK]) {
    let (min, max) = x.iter().fold((f32::MAX, -f32::MAX), |(min, max), &v| (min.min(v), max.max(v)));
    let d = (max - min) / f32::from(top);
    let inverse = inverse(d);
    (d, min, x.map(|v| (((v - min) * inverse + 0.5) as u8).min(top)))
}

/// The low four bits of values `j` and `j + 16` share byte `j`.
fn push_nibbles(levels: &[u8; BLOCK], out: &mut Vec<u8>) {
    let (low, high) = levels.split_at(BLOCK / 2);
    out.extend(low.iter().zip(high).map(|(l, h)| (l & 0x0f) | (h << 4)));
}

fn fifth_bits(levels: &[u8; BLOCK]) -> u32 {
    levels.iter().enumerate().fold(0, |bits, (j, level)| bits | (u32::from(level >> 4 & 1) << j))
}

fn decode_block(q: Quantisation, raw: &[u8], out: &mut [f32; BLOCK]) {
    let half = |at: usize| f16::from_le_bytes([raw[at], raw[at + 1]]).to_f32();
    let fifth = |at: usize| u32::from_le_bytes([raw[at], raw[at + 1], raw[at + 2], raw[at + 3]]);
    let d = half(0);
    let mut fill = |nibbles: &[u8], fifths: u32, value: &dyn Fn(f32) -> f32| {
        for (j, out) in out.iter_mut().enumerate() {
            let byte = nibbles[j % (BLOCK / 2)];
            let nibble = if j < BLOCK / 2 { byte & 0x0f } else { byte >> 4 };
            *out = value(f32::from(nibble | ((fifths >> j & 1) as u8) << 4));
        }
    };
    match q {
        Quantisation::q8_0 => out.iter_mut().zip(&raw[2..]).for_each(|(v, &level)| *v = f32::from(level as i8) * d),
        Quantisation::q4_0 => fill(&raw[2..], 0, &|level| (level - 8.0) * d),
        Quantisation::q5_0 => fill(&raw[6..], fifth(2), &|level| (level - 16.0) * d),
        Quantisation::q4_1 => fill(&raw[4..], 0, &|level| level * d + half(2)),
        Quantisation::q5_1 => fill(&raw[8..], fifth(4), &|level| level * d + half(2)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block worked out by hand from ggml's definition: the farthest value is -8, so d = 1 and level = v + 8.
    #[test]
    fn q4_0_puts_the_farthest_value_at_level_zero() {
        let mut x = [0f32; BLOCK];
        (x[0], x[1], x[16], x[17]) = (-8.0, 7.0, 8.0, 2.4);
        let mut out = Vec::new();
        TensorType::Block(Quantisation::q4_0).encode(&x, &mut out);
        let mut wanted = vec![0x00, 0x3c, 0xf0, 0xaf];
        wanted.extend([0x88; 14]);
        assert_eq!(out, wanted);
    }

    #[test]
    fn each_format_is_decoded_within_half_a_step() {
        let x: Vec<f32> = (0..64).map(|i| ((i * 37 % 64) as f32 - 29.0) / 17.0).collect();
        let range = |block: &[f32]| {
            block.iter().fold(f32::MIN, |m, &v| m.max(v)) - block.iter().fold(f32::MAX, |m, &v| m.min(v))
        };
        for (q, steps) in Quantisation::ALL.into_iter().zip([127.0, 31.0, 16.0, 15.0, 8.0]) {
            let kind = TensorType::Block(q);
            let (mut bytes, mut back) = (Vec::new(), vec![0f32; 64]);
            kind.encode(&x, &mut bytes);
            assert_eq!(bytes.len() as u64, kind.bytes(64));
            kind.decode(&bytes, &mut back);
            for (block, restored) in x.chunks(BLOCK).zip(back.chunks(BLOCK)) {
                let step = range(block) / steps;
                for (a, b) in block.iter().zip(restored) {
                    assert!((a - b).abs() <= step * 1.01, "{q}: {a} became {b}");
                }
            }
        }
    }

    #[test]
    fn a_block_of_zeros_stays_zeros() {
        for q in Quantisation::ALL {
            let (mut bytes, mut back) = (Vec::new(), [1f32; BLOCK]);
            TensorType::Block(q).encode(&[0.0; BLOCK], &mut bytes);
            TensorType::Block(q).decode(&bytes, &mut back);
            assert_eq!(back, [0.0; BLOCK], "{q}");
        }
    }

    #[test]
    fn names_and_numbers_are_read_back() {
        for q in Quantisation::ALL {
            assert_eq!(q.name().parse::<Quantisation>().unwrap(), q);
            assert_eq!(TensorType::from_id(TensorType::Block(q).id()), Some(TensorType::Block(q)));
        }
        assert!("q4_k".parse::<Quantisation>().unwrap_err().to_string().contains("give q8_0"));
        assert_eq!(TensorType::from_id(12), None);
    }
}
