//! Files made by hand: small ones with large claims, and Ogg with valid checksums.

/// A WAV file of one format tag with a claimed number of channels, rate and bits.
pub(crate) fn wav(channels: u16, rate: u32, bits: u16, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"RIFF".to_vec();
    let frame = channels.wrapping_mul(bits / 8);
    bytes.extend((36 + data.len() as u32).to_le_bytes());
    bytes.extend(b"WAVEfmt \x10\0\0\0\x01\0");
    bytes.extend(channels.to_le_bytes());
    bytes.extend(rate.to_le_bytes());
    bytes.extend(rate.wrapping_mul(u32::from(frame)).to_le_bytes());
    bytes.extend(frame.to_le_bytes());
    bytes.extend(bits.to_le_bytes());
    bytes.extend(b"data");
    bytes.extend((data.len() as u32).to_le_bytes());
    bytes.extend(data);
    bytes
}

/// One page with packets of less than 255 bytes.
pub(crate) fn ogg_page(flags: u8, granule: u64, sequence: u32, packets: &[&[u8]]) -> Vec<u8> {
    let mut page = b"OggS\0".to_vec();
    page.push(flags);
    page.extend(granule.to_le_bytes());
    page.extend([7, 0, 0, 0]);
    page.extend(sequence.to_le_bytes());
    page.extend([0; 4]);
    page.push(packets.len() as u8);
    page.extend(packets.iter().map(|packet| packet.len() as u8));
    page.extend(packets.concat());
    sign_pages(&mut page);
    page
}

/// Recomputes the checksum of every Ogg page: readers skip pages with a wrong one.
pub(crate) fn sign_pages(mut ogg: &mut [u8]) {
    while ogg.len() > 27 && ogg.starts_with(b"OggS") {
        let segments = usize::from(ogg[26]);
        let body: usize = ogg.iter().skip(27).take(segments).map(|&length| usize::from(length)).sum();
        let (page, rest) = ogg.split_at_mut((27 + segments + body).min(ogg.len()));
        page[22..26].fill(0);
        let checksum = page.iter().fold(0u32, |crc, &byte| {
            let bit = |crc: u32| (crc << 1) ^ if crc >> 31 == 1 { 0x04c1_1db7 } else { 0 };
            (0..8).fold(crc ^ (u32::from(byte) << 24), |crc, _| bit(crc))
        });
        page[22..26].copy_from_slice(&checksum.to_le_bytes());
        ogg = rest;
    }
}

/// An Ogg of `pages` pages, each of 255 Opus packets of one byte that last 120 ms: half a minute of audio in 537 bytes.
pub(crate) fn bomb(pages: u32, granule: impl Fn(u32) -> u64) -> Vec<u8> {
    let two_silk_frames_of_60_ms = &[0x19];
    opus_file(pages, two_silk_frames_of_60_ms, granule)
}

/// An Ogg of `pages` pages, each with 255 copies of an Opus packet.
pub(crate) fn opus_file(pages: u32, packet: &[u8], granule: impl Fn(u32) -> u64) -> Vec<u8> {
    let mut bytes = ogg_page(2, 0, 0, &[b"OpusHead\x01\x01\x38\x01\x80\xbb\0\0\0\0\0"]);
    bytes.extend(ogg_page(0, 0, 1, &[b"OpusTags\0\0\0\0\0\0\0\0"]));
    for page in 0..pages {
        let flags = if page + 1 == pages { 4 } else { 0 };
        bytes.extend(ogg_page(flags, granule(page), page + 2, &[packet; 255]));
    }
    bytes
}

/// A FLAC of silence: `frames` times 4096 samples at 8 kHz, each in 12 bytes.
pub(crate) fn flac_bomb(frames: u32, channels: u8) -> Vec<u8> {
    // Streamable subset, block sizes 4096, no frame sizes, 8 kHz, 16 bits, unknown length, no checksum of the sound.
    let mut bytes = b"fLaC\x80\0\0\x22\x10\0\x10\0\0\0\0\0\0\0".to_vec();
    let rate_and_bits: u64 = (8_000 << 44) | (u64::from(channels - 1) << 41) | (15 << 36);
    bytes.extend(rate_and_bits.to_be_bytes());
    bytes.extend([0; 16]);
    for number in 0..frames {
        // Fixed block size of 4096, 8 kHz, the channels, 16 bits; numbers below 128 are one byte.
        let mut frame = vec![0xff, 0xf8, 0xc4, ((channels - 1) << 4) | 0x08, (number % 128) as u8];
        frame.push(crc(&frame, 0x07 << 8, 8) as u8);
        // A constant of 16 bits for each channel.
        frame.extend([0, 0, 0].repeat(usize::from(channels)));
        frame.extend((crc(&frame, 0x8005, 16) as u16).to_be_bytes());
        bytes.extend(frame);
    }
    bytes
}

/// A FLAC checksum of `bits` bits; `polynomial` is in the upper ones of 16.
fn crc(bytes: &[u8], polynomial: u16, bits: u32) -> u16 {
    let sum = bytes.iter().fold(0_u16, |crc, &byte| {
        let bit = |crc: u16| (crc << 1) ^ if crc >> 15 == 1 { polynomial } else { 0 };
        (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| bit(crc))
    });
    sum >> (16 - bits)
}

/// An MP3 or ADTS frame repeated up to `bytes` bytes.
pub(crate) fn frames(frame: &[u8], bytes: usize) -> Vec<u8> {
    frame.repeat(bytes / frame.len())
}

/// A Matroska file with an Opus packet of 120 ms at each of these times in milliseconds.
pub(crate) fn matroska(times: &mut dyn Iterator<Item = u64>) -> Vec<u8> {
    fn element(id: &[u8], content: &[u8]) -> Vec<u8> {
        [id, &(content.len() as u64 | 1 << 56).to_be_bytes(), content].concat()
    }
    let head = b"OpusHead\x01\x01\0\0\x80\xbb\0\0\0\0\0";
    let sound = [element(b"\xb5", &48_000f64.to_be_bytes()), element(b"\x9f", &[1])].concat();
    let track = [
        element(b"\xd7", &[1]),
        element(b"\x73\xc5", &[1]),
        element(b"\x83", &[2]),
        element(b"\x86", b"A_OPUS"),
        element(b"\x63\xa2", head),
        element(b"\xe1", &sound),
    ]
    .concat();
    let cluster = |time: u64| {
        let block = element(b"\xa3", &[0x81, 0, 0, 0x80, 0x19]);
        element(b"\x1f\x43\xb6\x75", &[element(b"\xe7", &time.to_be_bytes()), block].concat())
    };
    let information = [
        element(b"\x2a\xd7\xb1", &1_000_000u32.to_be_bytes()),
        element(b"\x4d\x80", b"test"),
        element(b"\x57\x41", b"test"),
    ]
    .concat();
    let segment = [
        element(b"\x15\x49\xa9\x66", &information),
        element(b"\x16\x54\xae\x6b", &element(b"\xae", &track)),
        times.flat_map(cluster).collect(),
    ]
    .concat();
    [element(b"\x1a\x45\xdf\xa3", &element(b"\x42\x82", b"webm")), element(b"\x18\x53\x80\x67", &segment)].concat()
}

/// An MP4 whose `moov` comes last, with another edit list: lengths, and starts in the media or -1 for none.
pub(crate) fn edited(mp4: &[u8], edits: &[(u32, i32)]) -> Vec<u8> {
    let place = |kind: &[u8]| mp4.windows(4).position(|window| window == kind).expect("the box is there") - 4;
    let (movie, track, list) = (place(b"moov"), place(b"trak"), place(b"edts"));
    let size = |at: usize| u32::from_be_bytes(mp4[at..at + 4].try_into().expect("four bytes"));
    let mut entries = [&b"elst\0\0\0\0"[..], &(edits.len() as u32).to_be_bytes()].concat();
    for (length, media) in edits {
        entries.extend([&length.to_be_bytes()[..], &media.to_be_bytes(), &[0, 1, 0, 0]].concat());
    }
    let entries = [&(entries.len() as u32 + 4).to_be_bytes()[..], &entries].concat();
    let entries = [&(entries.len() as u32 + 8).to_be_bytes()[..], b"edts", &entries].concat();
    let (before, after) = (&mp4[..list], &mp4[list + size(list) as usize..]);
    let mut bytes = [before, &entries, after].concat();
    for at in [movie, track] {
        let grown = size(at) - size(list) + entries.len() as u32;
        bytes[at..at + 4].copy_from_slice(&grown.to_be_bytes());
    }
    bytes
}
