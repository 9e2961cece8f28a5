//! Crash points for tests, on either side of each commit. A release build has none, and a debug build does nothing unless
//! the variable `CRASH_AT` names one.

/// Side of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Before,
    After,
}

/// Kills this process here if `CRASH_AT` says so: it holds `before` or `after` and the name of the write, such as
/// `before done`; `before part #2` waits for the second time, `panic before done` panics instead.
#[cfg(debug_assertions)]
pub(crate) fn point(side: Side, write: &str) {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    use rustix::process::{Signal, getpid, kill_process};

    static MOMENT: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("CRASH_AT").ok());
    static SEEN: AtomicU32 = AtomicU32::new(0);
    let Some(moment) = MOMENT.as_deref() else { return };
    let (panics, moment) = moment.strip_prefix("panic ").map_or((false, moment), |moment| (true, moment));
    let (moment, time) =
        moment.split_once(" #").map_or((moment, 1), |(moment, time)| (moment, time.parse().unwrap_or(1)));
    let side = match side {
        Side::Before => "before",
        Side::After => "after",
    };
    if moment.split_once(' ') == Some((side, write)) && SEEN.fetch_add(1, Ordering::SeqCst) + 1 == time {
        if panics {
            std::panic::panic_any(format!("told to panic at {write}"));
        }
        // Nothing is cleaned up, nothing is written, no destructor runs.
        let _ = kill_process(getpid(), Signal::KILL);
        loop {
            std::thread::park();
        }
    }
}

#[cfg(not(debug_assertions))]
pub(crate) fn point(_: Side, _: &str) {}
