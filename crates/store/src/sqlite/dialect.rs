//! SQLite's side of what differs between the backends' statements.

/// A time in milliseconds in the form of `created_at` and `updated_at`: the predecessor's text.
macro_rules! time {
    ($millis:literal) => {
        concat!("strftime('%Y-%m-%d %H:%M:%f', ", $millis, " / 1000.0, 'unixepoch')")
    };
}

/// Milliseconds since the Unix epoch of such a time. Imported ones have any form.
macro_rules! millis {
    ($time:literal) => {
        concat!("unixepoch(", $time, ") * 1000")
    };
}

/// The day of a time in milliseconds, in UTC.
macro_rules! day {
    ($millis:literal) => {
        concat!("strftime('%Y-%m-%d', ", $millis, " / 1000, 'unixepoch')")
    };
}

/// The numbers of a parameter that [`list`](super::list) made.
macro_rules! list {
    ($parameter:literal) => {
        concat!("(SELECT value FROM json_each(", $parameter, "))")
    };
}

/// Names the index that is to be read: without statistics, SQLite would choose another one, and sort.
macro_rules! indexed_by {
    ($index:literal) => {
        concat!(" INDEXED BY ", $index)
    };
}

/// A column without its index.
macro_rules! unindexed {
    ($column:literal) => {
        concat!("+", $column)
    };
}

/// The function that gives the largest of its arguments.
macro_rules! greatest {
    () => {
        "max"
    };
}

/// 32 random bytes.
macro_rules! random_key {
    () => {
        "randomblob(32)"
    };
}

/// Passes over the rows that another transaction is changing: SQLite has no other.
macro_rules! skip_locked {
    ($table:literal) => {
        ""
    };
}

/// Holds the rows until the end of the transaction: SQLite has no other.
macro_rules! locked {
    ($table:literal) => {
        ""
    };
}
