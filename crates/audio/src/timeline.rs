//! When a packet is presented, by the times that its container gives.
//!
//! Decoders know only how many samples they made. What lies between the end of those and the time of the next packet is
//! silence, as a player plays it: a late start, a pause without packets, an empty edit. Timestamps are not trusted: they only
//! ever add silence, and [`Output`](super::output::Output) bounds how much.

use std::ops::Range;
use std::time::Duration;

use symphonia::core::formats::Track;
use symphonia::core::formats::well_known::{FORMAT_ID_ISOMP4, FORMAT_ID_MKV, FORMAT_ID_OGG};
use symphonia::core::formats::{FormatId, FormatReader};
use symphonia::core::packet::Packet;

use super::edits::{Edit, Fragment, Movie};
use super::mixer::frames;

/// Lag of the sound behind the timestamps from which silence is inserted. Matroska rounds to milliseconds, and recorders that
/// stamp packets by a clock are late by some more. Shorter gaps add up until they are inserted as one.
const TOLERANCE: i64 = 150 * MILLISECOND;

/// Timestamps that fall back by more begin a new count.
const MAX_OVERLAP: i64 = 1_000 * MILLISECOND;

/// Media before an edit that is decoded and left out, since decoders need some packets to settle: Opus asks for 80 ms.
const PREROLL: i64 = 200 * MILLISECOND;

/// Most times that a file is read for edits that go back in the media.
const MAX_RUNS: usize = 8;

const MILLISECOND: i64 = 1_000_000;

/// Times within 73 years, so that sums of a few of them do not overflow.
const MAX_NANOS: i128 = i64::MAX as i128 / 4;

/// Ticks of `numerator / denominator` seconds in nanoseconds, bounded.
pub(super) fn nanos(ticks: i128, numerator: u32, denominator: u32) -> i64 {
    let nanos = ticks.saturating_mul(i128::from(numerator) * 1_000_000_000) / i128::from(denominator.max(1));
    nanos.clamp(-MAX_NANOS, MAX_NANOS) as i64
}

/// Where the sound of a packet belongs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Place {
    /// Silence between the sound so far and this packet.
    silence: Duration,
    /// The part of the packet that is presented, from its start.
    from: Duration,
    until: Duration,
}

impl Place {
    /// All of the packet, behind some silence.
    fn after(silence: Duration) -> Self {
        Self { silence, from: Duration::ZERO, until: Duration::MAX }
    }

    pub(super) fn silence(&self) -> Duration {
        self.silence
    }

    /// Frames at the start of the packet that are not presented.
    pub(super) fn skipped(&self, rate: u32) -> usize {
        frames(self.from, rate)
    }

    /// What is presented of the frames of the packet that are sound.
    pub(super) fn presented(&self, sound: Range<usize>, rate: u32) -> Range<usize> {
        let end = sound.end.min(frames(self.until, rate));
        sound.start.min(end)..end
    }
}

/// What the time of the first packet means.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Start {
    /// Nothing: it is where the sound begins. A live stream in Ogg is a cut of a longer one.
    Cut,
    /// The time since the presentation began, which is when the earliest packet of another track is due, or zero.
    Offset { earliest: Option<i64> },
    /// A first packet was seen.
    Past,
}

/// The times of one track.
#[derive(Debug)]
pub(super) struct Timeline {
    /// Seconds per tick; `None` for containers whose timestamps only count what was read.
    tick: Option<(u32, u32)>,
    start: Start,
    /// Longest silence that a late start may mean.
    limit: i64,
    /// When the sound so far ends.
    due: i64,
    /// What is added to the container's times.
    shift: i64,
    /// Number of the next packet in this run.
    packet: u64,
    fragments: Vec<Fragment>,
    /// Position in `fragments`, and what the current one adds to the times that symphonia counts.
    fragment: usize,
    fragment_shift: i64,
    /// Edits in runs that only go forward in the media.
    runs: Vec<Vec<Edit>>,
    run: usize,
    /// Position in the current run.
    edit: usize,
}

impl Timeline {
    /// For a track of a file; `limit` is the longest sound that is decoded.
    pub(super) fn new(format: FormatId, track: &Track, movie: &Movie, limit: Duration) -> Self {
        let times = movie.track(track.id).cloned().unwrap_or_default();
        let start = match format {
            FORMAT_ID_OGG => Start::Cut,
            _ => Start::Offset { earliest: movie.earliest_fragment_beside(track.id) },
        };
        let is_timed = [FORMAT_ID_OGG, FORMAT_ID_MKV, FORMAT_ID_ISOMP4].contains(&format);
        let tick = track.time_base.filter(|_| is_timed).map(|base| (base.numer.get(), base.denom.get()));
        Self {
            tick,
            start,
            limit: i64::try_from(limit.as_nanos()).unwrap_or(i64::MAX),
            due: 0,
            shift: 0,
            packet: 0,
            fragments: times.fragments,
            fragment: 0,
            fragment_shift: 0,
            runs: runs(times.edits),
            run: 0,
            edit: 0,
        }
    }

    /// Whether the container says which part of the media is presented.
    pub(super) fn has_edits(&self) -> bool {
        !self.runs.is_empty()
    }

    /// The same without edits, from the start.
    pub(super) fn without_edits(self) -> Self {
        Self { due: 0, shift: 0, packet: 0, fragment: 0, fragment_shift: 0, runs: Vec::new(), run: 0, edit: 0, ..self }
    }

    /// Goes on to the part of the edit list for which the track has to be read again. `false` if there is none.
    pub(super) fn next_run(&mut self) -> bool {
        self.run += 1;
        (self.packet, self.fragment, self.fragment_shift, self.edit) = (0, 0, 0, 0);
        self.run < self.runs.len()
    }

    /// Records a packet of another track: the presentation begins with the earliest.
    pub(super) fn note_other(&mut self, format: &dyn FormatReader, packet: &Packet) {
        let Start::Offset { earliest } = &mut self.start else { return };
        // Times of fragments come from the movie.
        if self.fragments.is_empty()
            && let Some(base) =
                format.tracks().iter().find(|track| track.id == packet.track_id).and_then(|t| t.time_base)
        {
            let at = nanos(packet.pts.get().into(), base.numer.get(), base.denom.get());
            *earliest = Some(earliest.map_or(at, |earliest| earliest.min(at)));
        }
    }

    /// Where the next packet of the track belongs; `None` if it need not be decoded.
    pub(super) fn place(&mut self, packet: &Packet) -> Option<Place> {
        let Some((numerator, denominator)) = self.tick else { return Some(Place::after(Duration::ZERO)) };
        let mut media = nanos(packet.pts.get().into(), numerator, denominator);
        while let Some(fragment) = self.fragments.get(self.fragment).filter(|next| next.packet <= self.packet) {
            self.fragment_shift = fragment.media.saturating_sub(media);
            self.fragment += 1;
        }
        self.packet += 1;
        media = media.saturating_add(self.fragment_shift);
        if self.has_edits() {
            return self.place_in_edits(media, nanos(packet.dur.get().into(), numerator, denominator));
        }
        if let Start::Offset { .. } | Start::Cut = self.start {
            self.shift = -self.beginning(media);
            self.start = Start::Past;
        }
        if media.saturating_add(self.shift) < self.due.saturating_sub(MAX_OVERLAP) {
            self.shift = self.due.saturating_sub(media);
        }
        Some(Place::after(self.silence_before(media.saturating_add(self.shift))))
    }

    /// The container's time at which the presentation begins, if the track begins at `media`.
    fn beginning(&self, media: i64) -> i64 {
        match self.start {
            Start::Offset { earliest } => {
                // No recording begins with so long a silence: this is a part that was cut from something longer.
                let is_cut = earliest.is_none() && media > self.limit;
                let beginning = if is_cut { media } else { earliest.unwrap_or(0) };
                beginning.clamp(0, media.max(0))
            }
            Start::Cut | Start::Past => media,
        }
    }

    fn place_in_edits(&mut self, media: i64, length: i64) -> Option<Place> {
        let edits = self.runs.get(self.run)?;
        let edit = loop {
            let edit = edits.get(self.edit)?;
            if edit.length.is_none_or(|length| media < edit.media.saturating_add(length)) {
                break edit;
            }
            self.edit += 1;
        };
        let end = media.saturating_add(length);
        if end.saturating_add(PREROLL) <= edit.media {
            return None;
        }
        if end <= edit.media && length > 0 {
            return Some(Place { silence: Duration::ZERO, from: Duration::MAX, until: Duration::MAX });
        }
        let from = edit.media.saturating_sub(media).max(0);
        let at = edit.at.saturating_add(media).saturating_sub(edit.media).saturating_add(from);
        // What is behind the last edit is less than a packet, and mostly the encoder's padding: nothing depends on it.
        let is_last = self.edit + 1 == edits.len() && self.run + 1 == self.runs.len();
        let until =
            edit.length.filter(|_| !is_last).map(|length| edit.media.saturating_add(length).saturating_sub(media));
        Some(Place {
            silence: self.silence_before(at),
            from: Duration::from_nanos(from.unsigned_abs()),
            until: until.map_or(Duration::MAX, |until| Duration::from_nanos(until.unsigned_abs())),
        })
    }

    fn silence_before(&self, at: i64) -> Duration {
        let lag = at.saturating_sub(self.due);
        Duration::from_nanos(if lag > TOLERANCE { lag.unsigned_abs() } else { 0 })
    }

    /// Counts a packet that was decoded and put in its place.
    pub(super) fn put(&mut self, place: Place, decoded: Duration) {
        let played = place.silence.saturating_add(decoded.min(place.until).saturating_sub(place.from));
        self.due = self.due.saturating_add(i64::try_from(played.as_nanos()).unwrap_or(i64::MAX));
    }
}

/// Edits in order of presentation, each run in the order of the media too.
fn runs(edits: Vec<Edit>) -> Vec<Vec<Edit>> {
    let mut runs: Vec<Vec<Edit>> = Vec::new();
    let mut end = None;
    for edit in edits {
        // Ends are rounded to the movie's ticks.
        let goes_on = end.is_some_and(|end| edit.media.saturating_add(TOLERANCE) >= end);
        if !goes_on {
            runs.push(Vec::new());
        }
        if let Some(run) = runs.last_mut() {
            run.push(edit);
        }
        end = edit.length.map(|length| edit.media.saturating_add(length));
    }
    runs.truncate(MAX_RUNS);
    runs
}
