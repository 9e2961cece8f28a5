//! The bytes that a reader is given: a file, some of whose ranges are left out or replaced without touching the file.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use symphonia::core::io::MediaSource;

use super::AudioError;

/// A read-only view of a file as consecutive parts. Headers that symphonia refuses are replaced in the view.
#[derive(Debug)]
pub(super) struct Source {
    file: File,
    parts: Vec<Part>,
    position: u64,
}

/// A part of the view, from `start` to the next part's start.
#[derive(Debug, Clone)]
struct Part {
    start: u64,
    length: u64,
    bytes: Bytes,
}

#[derive(Debug, Clone)]
enum Bytes {
    /// The file's, from this offset.
    Of(u64),
    /// In place of the file's.
    Replaced(Box<[u8]>),
}

impl Source {
    /// Opens a regular file. Anything else is refused without a read: a FIFO without a writer would block for ever.
    pub(super) fn open(path: &Path) -> Result<Self, AudioError> {
        let non_blocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
        let file = OpenOptions::new().read(true).custom_flags(non_blocking).open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            let kind = if metadata.is_dir() { "it is a folder, not a file" } else { "it is not a regular file" };
            return Err(AudioError::Io { kind: kind.to_owned() });
        }
        let parts = vec![Part { start: 0, length: metadata.len(), bytes: Bytes::Of(0) }];
        Ok(Self { file, parts, position: 0 })
    }

    /// The same view, from its start.
    pub(super) fn reopen(&self) -> io::Result<Self> {
        Ok(Self { file: self.file.try_clone()?, parts: self.parts.clone(), position: 0 })
    }

    /// Length of the view in bytes.
    pub(super) fn length(&self) -> u64 {
        self.parts.last().map_or(0, |part| part.start + part.length)
    }

    /// Reads at `offset` until `into` is full or the view ends. Gives the number of bytes read.
    pub(super) fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let mut count = 0;
        while count < into.len() {
            match self.read_some(offset.saturating_add(count as u64), &mut into[count..])? {
                0 => break,
                read => count += read,
            }
        }
        Ok(count)
    }

    /// `N` bytes at `offset`; `None` where the view ends before.
    pub(super) fn array_at<const N: usize>(&self, offset: u64) -> io::Result<Option<[u8; N]>> {
        let mut bytes = [0; N];
        Ok((self.read_at(offset, &mut bytes)? == N).then_some(bytes))
    }

    /// At most `count` bytes at `offset`, fewer where the view ends before. The caller bounds `count`.
    pub(super) fn bytes_at(&self, offset: u64, count: usize) -> io::Result<Vec<u8>> {
        let left = usize::try_from(self.length().saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; count.min(left)];
        let read = self.read_at(offset, &mut bytes)?;
        bytes.truncate(read);
        Ok(bytes)
    }

    /// Leaves out all but `length` bytes from `from` on, and puts `head` before them.
    pub(super) fn keep(&mut self, head: Vec<u8>, from: u64, length: u64) {
        let end = from.saturating_add(length).min(self.length());
        let mut parts = vec![Part { start: 0, length: head.len() as u64, bytes: Bytes::Replaced(head.into()) }];
        for part in &self.parts {
            parts.extend(part.between(from, end));
        }
        self.set_parts(parts);
    }

    /// Puts `bytes` in place of as many at `offset`. What would lie behind the end is dropped.
    pub(super) fn replace(&mut self, offset: u64, bytes: &[u8]) {
        let end = offset.saturating_add(bytes.len() as u64).min(self.length());
        let Some(bytes) = end.checked_sub(offset).and_then(|length| bytes.get(..usize::try_from(length).ok()?)) else {
            return;
        };
        let replaced = Part { start: offset, length: bytes.len() as u64, bytes: Bytes::Replaced(bytes.into()) };
        let before = self.parts.iter().filter_map(|part| part.between(0, offset));
        let after = self.parts.iter().filter_map(|part| part.between(end, u64::MAX));
        self.set_parts(before.chain([replaced]).chain(after).collect());
    }

    fn set_parts(&mut self, parts: Vec<Part>) {
        let mut start = 0;
        self.parts = parts.into_iter().filter(|part| part.length > 0).collect();
        for part in &mut self.parts {
            part.start = start;
            start += part.length;
        }
        self.position = 0;
    }

    fn read_some(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let index = self.parts.partition_point(|part| part.start <= offset);
        let Some(part) = index.checked_sub(1).and_then(|index| self.parts.get(index)) else { return Ok(0) };
        let inside = offset - part.start;
        let left = usize::try_from(part.length.saturating_sub(inside)).unwrap_or(usize::MAX);
        let count = into.len().min(left);
        // The kernel refuses offsets past what a file can have, even to read nothing.
        if count == 0 {
            return Ok(0);
        }
        match &part.bytes {
            Bytes::Of(from) => self.file.read_at(&mut into[..count], from + inside),
            Bytes::Replaced(bytes) => {
                let inside = usize::try_from(inside).unwrap_or(usize::MAX).min(bytes.len());
                let count = count.min(bytes.len() - inside);
                into[..count].copy_from_slice(&bytes[inside..inside + count]);
                Ok(count)
            }
        }
    }
}

impl Part {
    /// What of this part lies between two offsets of the view.
    fn between(&self, from: u64, to: u64) -> Option<Self> {
        let start = self.start.max(from);
        let end = (self.start + self.length).min(to);
        let length = end.checked_sub(start).filter(|&length| length > 0)?;
        let skipped = start - self.start;
        let bytes = match &self.bytes {
            Bytes::Of(offset) => Bytes::Of(offset + skipped),
            Bytes::Replaced(bytes) => {
                let skipped = usize::try_from(skipped).ok()?;
                Bytes::Replaced(bytes.get(skipped..skipped + usize::try_from(length).ok()?)?.into())
            }
        };
        Some(Self { start, length, bytes })
    }
}

impl Read for Source {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.read_some(self.position, into)?;
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for Source {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
            SeekFrom::End(by) => self.length().checked_add_signed(by),
        };
        self.position = target.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.position)
    }
}

impl MediaSource for Source {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.length())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(bytes: &[u8]) -> Source {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, bytes).unwrap();
        Source::open(file.path()).unwrap()
    }

    fn all(source: &mut Source) -> Vec<u8> {
        let mut bytes = Vec::new();
        source.rewind().unwrap();
        source.read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn parts_are_left_out_and_replaced() {
        let mut source = source(b"0123456789");
        source.replace(2, b"ab");
        source.replace(3, b"cd");
        source.replace(9, b"xyz");
        source.replace(50, b"never");
        assert_eq!(all(&mut source), b"01acd5678x");
        source.keep(b"head".to_vec(), 1, 6);
        assert_eq!(all(&mut source), b"head1acd56");
        assert_eq!(source.length(), 10);
        source.keep(Vec::new(), 9, u64::MAX);
        assert_eq!(all(&mut source), b"6");
        source.keep(Vec::new(), 9, 1);
        assert_eq!((all(&mut source).len(), source.length()), (0, 0));
    }

    #[test]
    fn it_seeks_like_a_file() {
        let mut source = source(b"0123456789");
        source.replace(4, b"abc");
        let mut two = [0; 2];
        for (to, wanted) in [(SeekFrom::Start(3), b"3a"), (SeekFrom::Current(-3), b"23"), (SeekFrom::End(-2), b"89")] {
            source.seek(to).unwrap();
            assert_eq!(source.read_at(source.position, &mut two).unwrap(), 2);
            source.read_exact(&mut two).unwrap();
            assert_eq!(&two, wanted);
        }
        source.seek(SeekFrom::Start(u64::MAX)).unwrap();
        assert_eq!(source.read(&mut two).unwrap(), 0);
        source.seek(SeekFrom::Start(0)).unwrap();
        let before = source.seek(SeekFrom::Current(-1)).unwrap_err();
        assert!(matches!(AudioError::from(before), AudioError::Damaged { .. }));
        assert_eq!(source.array_at::<4>(7).unwrap(), None);
        assert_eq!(source.bytes_at(7, 100).unwrap(), b"789");
    }
}
