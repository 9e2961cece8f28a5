//! ID3v2 tags before the sound of any container.

use std::io;

use super::source::Source;

/// Tags in a row that are left out. Programs that add a tag without looking for one make two.
const MAX_TAGS: usize = 16;

/// Leaves out the ID3v2 tags at the start of the source.
///
/// symphonia's probe searches for a container in the first MiB only (`max_probe_depth`), and a cover can be larger than
/// that. It also takes what looks like a frame of sound inside a cover for the beginning of the recording.
pub(super) fn skip(source: &mut Source) -> io::Result<()> {
    let mut end = 0;
    for _ in 0..MAX_TAGS {
        let Some([b'I', b'D', b'3', version, _, flags, size @ ..]) = source.array_at::<10>(end)? else { break };
        // Sizes have seven bits a byte. What breaks the rules is left to the probe's search.
        if version == 0xff || size.iter().any(|&byte| byte > 0x7f) {
            break;
        }
        let size = size.iter().fold(0, |size, &byte| (size << 7) | u64::from(byte));
        let footer = if flags & 0x10 == 0 { 0 } else { 10 };
        let next = end + 10 + size + footer;
        if next >= source.length() {
            break;
        }
        end = next;
    }
    if end > 0 {
        source.keep(Vec::new(), end, u64::MAX);
    }
    Ok(())
}
