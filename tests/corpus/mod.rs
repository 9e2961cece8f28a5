//! Malformed files, more than a thousand, the same in every run: truncated, damaged, with false sizes, far longer than they
//! look, of two kinds at once, nested without end, and large without content.

mod fields;
pub(crate) mod forge;
mod noise;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use forge::{bomb, edited, flac_bomb, matroska, opus_file, sign_pages, wav};
use noise::Noise;

/// Telegram's file size limit in bytes.
const MAX_FILE: usize = 20 << 20;

/// A file that is generated when it is needed, because some are large.
pub(crate) struct Hostile {
    /// Kind, source and number, as `lie/opus.ogg/12`; the part before the first slash is the family.
    pub(crate) name: String,
    make: Box<dyn Fn() -> Vec<u8> + Send + Sync>,
}

impl Hostile {
    fn new(name: String, make: impl Fn() -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self { name, make: Box::new(make) }
    }

    /// The generated file.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        (self.make)()
    }

    /// The first part of the name.
    pub(crate) fn family(&self) -> &str {
        self.name.split('/').next().unwrap_or_default()
    }
}

/// A valid file of this repository.
#[derive(Clone)]
struct Seed {
    name: String,
    bytes: Arc<[u8]>,
}

fn seeds() -> Vec<Seed> {
    let folders = [
        "tests/fixtures/audio",
        "tests/fixtures/kinds/heard",
        "tests/fixtures/kinds/refused",
        "tests/fixtures/formats/decoded",
    ];
    let mut seeds: Vec<Seed> = folders.into_iter().flat_map(read_all).collect();
    let timed = ["late-fragments.mp4", "marked-second.mkv", "pause.webm", "trimmed.m4a"];
    let times = read_all("tests/fixtures/times").into_iter();
    seeds.extend(times.filter(|seed| timed.contains(&seed.name.as_str())));
    let samples = read_all("samples").into_iter();
    seeds.extend(samples.filter(|sample| ["ru-short-10.ogg", "en-short-03.ogg"].contains(&sample.name.as_str())));
    seeds
}

/// The media files of a folder of this repository.
fn read_all(folder: &str) -> Vec<Seed> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension != "gz" && extension != "tsv"));
    files.sort();
    let seed = |file: &std::path::PathBuf| Seed {
        name: file.file_name().unwrap().to_str().unwrap().to_owned(),
        bytes: fs::read(file).unwrap().into(),
    };
    files.iter().map(seed).collect()
}

/// One file of each container, with different codecs.
const SEED_KINDS: [&str; 10] = [
    "opus.ogg",
    "vorbis.ogg",
    "opus.webm",
    "vorbis.mkv",
    "aac.m4a",
    "fragments.mp4",
    "mp3.mp3",
    "aac.aac",
    "flac.flac",
    "pcm.wav",
];

/// All files, with the families shuffled.
pub(crate) fn corpus() -> Vec<Hostile> {
    let seeds = seeds();
    let kinds: Vec<Seed> = seeds.iter().filter(|seed| SEED_KINDS.contains(&seed.name.as_str())).cloned().collect();
    assert_eq!(kinds.len(), SEED_KINDS.len());
    let mut files = Vec::new();
    files.extend(seeds.iter().flat_map(cut_off));
    files.extend(seeds.iter().flat_map(damaged));
    files.extend(seeds.iter().flat_map(lying));
    files.extend(nearly_empty());
    files.extend(endless());
    files.extend(absurd());
    files.extend(mistaken(&kinds));
    files.extend(nested());
    files.extend(large(&kinds));
    files.extend(read_all("tests/fixtures/fuzzed").iter().map(fuzzed));
    let mut noise = Noise::new(0x5eed_0f57_e110_b072);
    for last in (1..files.len()).rev() {
        files.swap(last, noise.below(last + 1));
    }
    files
}

/// Found by fuzzing.
fn fuzzed(seed: &Seed) -> Hostile {
    let bytes = seed.bytes.clone();
    Hostile::new(format!("fuzzed/{}", seed.name), move || bytes.to_vec())
}

/// Truncated at different places.
fn cut_off(seed: &Seed) -> Vec<Hostile> {
    let length = seed.bytes.len();
    let mut ends = vec![1, 4, 12, 64, length - 1];
    ends.extend((1..8).map(|part| length * part / 8));
    ends.retain(|end| *end < length);
    ends.sort_unstable();
    ends.dedup();
    let file = |end: usize| {
        let bytes = seed.bytes.clone();
        Hostile::new(format!("cut/{}/{end}", seed.name), move || bytes[..end].to_vec())
    };
    ends.into_iter().map(file).collect()
}

/// With flipped bits; half of the files in the headers, where lengths and counts are.
fn damaged(seed: &Seed) -> Vec<Hostile> {
    let file = |round: usize| {
        let (bytes, name) = (seed.bytes.clone(), format!("flip/{}/{round}", seed.name));
        Hostile::new(name.clone(), move || {
            let mut noise = Noise::of(&name);
            let mut bytes = bytes.to_vec();
            let reach = if round.is_multiple_of(2) { bytes.len() } else { bytes.len().min(600) };
            for _ in 0..=noise.below(8) {
                bytes[noise.below(reach)] ^= 1 << noise.below(8);
            }
            sign_pages(&mut bytes);
            bytes
        })
    };
    (0..8).map(file).collect()
}

/// With sizes, counts and lengths of zero, one or the maximum; one field or several at a time.
fn lying(seed: &Seed) -> Vec<Hostile> {
    const LIES: [u64; 5] = [0, 1, 0x7fff_ffff, 0xffff_ffff, u64::MAX];
    let fields = Arc::new(fields::fields(&seed.bytes));
    if fields.is_empty() {
        return Vec::new();
    }
    let file = |round: usize| {
        let (bytes, fields) = (seed.bytes.clone(), fields.clone());
        let name = format!("lie/{}/{round}", seed.name);
        Hostile::new(name.clone(), move || {
            let mut noise = Noise::of(&name);
            let mut bytes = bytes.to_vec();
            // Each field once, then several together.
            let (first, more) = (round % fields.len(), round / fields.len());
            fields[first].set(&mut bytes, LIES[noise.below(LIES.len())]);
            for _ in 0..more {
                fields[noise.below(fields.len())].set(&mut bytes, LIES[noise.below(LIES.len())]);
            }
            sign_pages(&mut bytes);
            bytes
        })
    };
    (0..(2 * fields.len()).min(60)).map(file).collect()
}

/// WAV files of 0 to 200 samples.
fn nearly_empty() -> impl Iterator<Item = Hostile> {
    let rates = [8_000, 16_000, 44_100];
    (0..=200).map(move |samples| {
        let rate = rates[samples % rates.len()];
        Hostile::new(format!("short/{samples} at {rate} Hz"), move || wav(1, rate, 16, &vec![1; 2 * samples]))
    })
}

/// Hours of audio in few bytes, and headers that claim hours.
fn endless() -> Vec<Hostile> {
    let mut files = Vec::new();
    let honest = |page: u32| u64::from(page + 1) * 255 * 5_760;
    let granules: [fn(u32) -> u64; 3] = [honest, |_| u64::MAX, |_| 0];
    for (name, granule) in ["honest", "none", "zero"].into_iter().zip(granules) {
        for pages in [5, 2_000, 39_000] {
            files.push(Hostile::new(format!("endless/opus {name}/{pages} pages"), move || bomb(pages, granule)));
        }
    }
    // Every packet is damaged, or has no duration.
    for (name, packet) in [("no frames", &[0x03][..]), ("nothing", &[]), ("2.5 ms", &[0xe0])] {
        files.push(Hostile::new(format!("endless/opus of {name}"), move || opus_file(2_000, packet, |_| 0)));
    }
    for channels in [1, 2, 8] {
        files.push(Hostile::new(format!("endless/flac/{channels}"), move || flac_bomb(50_000, channels)));
    }
    // MPEG 2.5 layer 3 at 8 kbit/s and 8 kHz: 72 ms in 72 bytes.
    let mp3 = [&[0xff, 0xe3, 0x18, 0xc4][..], &[0; 68]].concat();
    files.push(Hostile::new("endless/mp3".to_owned(), move || forge::frames(&mp3, MAX_FILE)));
    // The shortest possible ADTS frame: a header and an end element.
    let adts = [0xff, 0xf1, 0x50, 0x80, 0x01, 0x1f, 0xfc, 0xe0];
    files.push(Hostile::new("endless/aac".to_owned(), move || forge::frames(&adts, MAX_FILE)));
    for rate in [4_000, 8_000, 192_000] {
        files.push(Hostile::new(format!("endless/wav/{rate}"), move || wav(1, rate, 8, &vec![0x80; MAX_FILE])));
        files.push(Hostile::new(format!("endless/wav claimed/{rate}"), move || {
            let mut bytes = wav(1, rate, 16, &[0; 64]);
            bytes[4..8].fill(0xff);
            bytes[40..44].fill(0xff);
            bytes
        }));
    }
    // Timestamps that jump, once and repeatedly; edits that go back and forth.
    files.push(Hostile::new("endless/one pause".to_owned(), || matroska(&mut [0, 36_000_000].into_iter())));
    files.push(Hostile::new("endless/pauses".to_owned(), || matroska(&mut (0..200_000).map(|n| n * 400))));
    for (name, media) in [("back and forth", [1_024, 20_000]), ("without sound", [-1, -1])] {
        files.push(Hostile::new(format!("endless/edits {name}"), move || {
            let m4a = &read_all("tests/fixtures/audio").into_iter().find(|seed| seed.name == "aac.m4a").unwrap().bytes;
            let edits: Vec<_> = media.into_iter().cycle().take(50_000).map(|media| (3_600_000, media)).collect();
            edited(m4a, &edits)
        }));
    }
    // Many short recordings concatenated.
    let chained = bomb(1, honest);
    files.push(Hostile::new("endless/chained".to_owned(), move || chained.repeat(20_000)));
    files
}

/// Invalid numbers of channels, rates and depths.
fn absurd() -> Vec<Hostile> {
    let mut files = Vec::new();
    for channels in [0, 1, 2, 9, 32, 255, u16::MAX] {
        for rate in [0, 1, 3_999, 16_000, 192_001, u32::MAX] {
            for bits in [0, 7, 16, 64, u16::MAX] {
                let name = format!("absurd/{channels} channels, {rate} Hz, {bits} bits");
                files.push(Hostile::new(name, move || wav(channels, rate, bits, &[1; 10_000])));
            }
        }
    }
    files
}

/// The beginning of one kind before the rest of another, and two kinds concatenated.
fn mistaken(kinds: &[Seed]) -> Vec<Hostile> {
    let mut files = Vec::new();
    for one in kinds {
        for other in kinds {
            let (head, body) = (one.bytes.clone(), other.bytes.clone());
            let length = [4, 16, 64, 512][files.len() % 4];
            let name = format!("mistaken/{} as {}/{length}", other.name, one.name);
            files.push(Hostile::new(name, move || [&head[..length], &body[length..]].concat()));
            let (one, other) = (one.clone(), other.clone());
            let name = format!("glued/{} and {}", one.name, other.name);
            files.push(Hostile::new(name, move || [&one.bytes[..], &other.bytes[..]].concat()));
        }
    }
    files
}

/// Deeply nested boxes, elements and chunks.
fn nested() -> Vec<Hostile> {
    fn mp4(name: &'static [u8; 4], extra: &'static [u8], depth: usize) -> Vec<u8> {
        let mut bytes = b"\0\0\0\x14ftypisom\0\0\0\0isom".to_vec();
        let step = 8 + extra.len();
        let mut put = |name: &[u8; 4], extra: &[u8], left: usize| {
            bytes.extend(((step * left) as u32).to_be_bytes());
            bytes.extend(name);
            bytes.extend(extra);
        };
        for level in 0..depth {
            put(name, extra, depth - level);
        }
        bytes
    }
    /// `head`, then `id` repeatedly, each element up to the end of the file.
    fn mkv(head: &[u8], id: &[u8], depth: usize) -> Vec<u8> {
        let mut bytes = b"\x1aE\xdf\xa3\x8bB\x82\x84webmB\x87\x81\x04".to_vec();
        bytes.extend(b"\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff");
        let mut element = |id: &[u8], left: usize| {
            let size = (left * (id.len() + 8)) as u64;
            bytes.extend(id);
            bytes.extend((size | (1 << 56)).to_be_bytes());
        };
        if !head.is_empty() {
            element(head, depth);
        }
        for level in 0..depth {
            element(id, depth - 1 - level);
        }
        bytes
    }
    fn riff(depth: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        for level in 0..depth {
            let name: &[u8] = if level == 0 { b"RIFF" } else { b"LIST" };
            let kind: &[u8] = if level == 0 { b"WAVE" } else { b"INFO" };
            bytes.extend([name, &((12 * (depth - level) - 8) as u32).to_le_bytes(), kind].concat());
        }
        bytes
    }
    /// Nested chapters: frames of an ID3v2.4 tag.
    fn id3(name: &[u8; 4], depth: usize) -> Vec<u8> {
        let synchsafe = |value: usize| [21, 14, 7, 0].map(|shift| (value >> shift) as u8 & 0x7f);
        let head: &[u8] =
            if name == b"CHAP" { b"a\0\0\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff" } else { b"a\0\0\0" };
        let step = 10 + head.len();
        let mut bytes = [&b"ID3\x04\0\0"[..], &synchsafe(step * depth)].concat();
        for level in 0..depth {
            let size = step * (depth - level) - 10;
            bytes.extend([&name[..], &synchsafe(size), &[0, 0], head].concat());
        }
        bytes
    }
    let mut files = Vec::new();
    for depth in [10, 1_000, 100_000] {
        for (name, extra) in [
            (b"moov", &b""[..]),
            (b"trak", b""),
            (b"udta", b""),
            (b"meta", b"\0\0\0\0"),
            (b"moof", b""),
            (b"stsd", b"\0\0\0\0\0\0\0\x01"),
            (b"mp4a", &[0; 28]),
            (b"wave", b""),
        ] {
            let shown = String::from_utf8_lossy(name).into_owned();
            files.push(Hostile::new(format!("nested/mp4 {shown}/{depth}"), move || mp4(name, extra, depth)));
        }
        for (name, head, id) in [
            ("segments", &b""[..], &b"\x18\x53\x80\x67"[..]),
            ("clusters", b"", b"\x1f\x43\xb6\x75"),
            ("blocks", b"\x1f\x43\xb6\x75", b"\xa0"),
            ("tracks", b"", b"\x16\x54\xae\x6b"),
            ("entries", b"\x16\x54\xae\x6b", b"\xae"),
            ("tags", b"\x12\x54\xc3\x67", b"\x67\xc8"),
            ("tag", b"\x12\x54\xc3\x67", b"\x73\x73"),
            ("chapters", b"\x10\x43\xa7\x70", b"\xb6"),
            ("nothing", b"", b"\xec"),
        ] {
            files.push(Hostile::new(format!("nested/mkv {name}/{depth}"), move || mkv(head, id, depth)));
        }
        files.push(Hostile::new(format!("nested/riff/{depth}"), move || riff(depth)));
        files.push(Hostile::new(format!("nested/id3 chapters/{depth}"), move || id3(b"CHAP", depth)));
        files.push(Hostile::new(format!("nested/id3 contents/{depth}"), move || id3(b"CTOC", depth)));
    }
    files
}

/// Of the maximum size without content; also after the beginning of each kind.
fn large(kinds: &[Seed]) -> Vec<Hostile> {
    let fills: [fn(&mut [u8]); 3] = [
        |_| {},
        |bytes| bytes.fill(0xff),
        |bytes| {
            let mut noise = Noise::new(1);
            bytes.chunks_exact_mut(8).for_each(|chunk| chunk.copy_from_slice(&noise.next().to_le_bytes()));
        },
    ];
    let mut files = Vec::new();
    for (fill_name, fill) in ["zeros", "ones", "noise"].into_iter().zip(fills) {
        let bare = Seed { name: "nothing".to_owned(), bytes: Arc::default() };
        for kind in std::iter::once(&bare).chain(kinds) {
            let head = kind.bytes.clone();
            files.push(Hostile::new(format!("large/{fill_name} behind {}", kind.name), move || {
                let mut bytes = vec![0; MAX_FILE];
                fill(&mut bytes);
                let length = head.len().min(1_500);
                bytes[..length].copy_from_slice(&head[..length]);
                bytes
            }));
        }
    }
    files
}
