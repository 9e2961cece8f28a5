//! PostgreSQL's side of what differs between the backends' statements.

/// A time in milliseconds in the form of `created_at` and `updated_at`.
macro_rules! time {
    ($millis:literal) => {
        concat!("to_timestamp(", $millis, " / 1000.0)")
    };
}

/// Milliseconds since the Unix epoch of such a time.
macro_rules! millis {
    ($time:literal) => {
        concat!("CAST(extract(epoch FROM ", $time, ") * 1000 AS BIGINT)")
    };
}

/// The day of a time in milliseconds, in UTC.
macro_rules! day {
    ($millis:literal) => {
        concat!("to_char(to_timestamp(", $millis, " / 1000) AT TIME ZONE 'UTC', 'YYYY-MM-DD')")
    };
}

/// The numbers of a parameter that [`list`](super::list) made.
macro_rules! list {
    ($parameter:literal) => {
        concat!("(SELECT unnest(CAST(", $parameter, " AS BIGINT[])))")
    };
}

/// The planner chooses the index.
macro_rules! indexed_by {
    ($index:literal) => {
        ""
    };
}

/// The planner knows how many rows have a value.
macro_rules! unindexed {
    ($column:literal) => {
        $column
    };
}

/// The function that gives the largest of its arguments.
macro_rules! greatest {
    () => {
        "greatest"
    };
}

/// 32 random bytes, of which 244 bits are drawn.
macro_rules! random_key {
    () => {
        "sha256(convert_to(concat(gen_random_uuid(), gen_random_uuid()), 'UTF8'))"
    };
}

/// Passes over the rows that another transaction is changing.
macro_rules! skip_locked {
    ($table:literal) => {
        concat!(" FOR UPDATE OF ", $table, " SKIP LOCKED")
    };
}

/// Holds the rows until the end of the transaction.
macro_rules! locked {
    ($table:literal) => {
        concat!(" FOR UPDATE OF ", $table)
    };
}
