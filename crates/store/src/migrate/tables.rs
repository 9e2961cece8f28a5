//! The tables of a store, as both backends have them, and checksums of their rows.

use std::fmt::Write;

use sha2::{Digest, Sha256};

/// A table that is copied.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    /// The first columns are the primary key, so many of them.
    key: usize,
    /// Whether an empty store has a row in it.
    pub(crate) has_first_row: bool,
    pub(crate) columns: &'static [Column],
}

/// A column, with what its values are on both sides.
#[derive(Debug)]
pub(crate) struct Column(pub(crate) &'static str, pub(crate) Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Integer,
    /// The end of a lease: 0 for whatever it is, so that it has run out in the copy.
    Lease,
    Real,
    Text,
    Bytes,
    /// PostgreSQL's BOOLEAN, SQLite's 0 or 1.
    Boolean,
    /// PostgreSQL's TIMESTAMPTZ, SQLite's text; read as milliseconds since the Unix epoch, 0 for a text that is no time.
    Time,
}

/// A value of a row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Integer(Option<i64>),
    Real(Option<f64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
}

/// A row, or its key.
pub(crate) type Row = Vec<Value>;

use Kind::{Boolean, Bytes, Integer, Lease, Real, Text, Time};

/// All that a store remembers, tables before those that refer to them. Heartbeats, which are of machines at work, and Telegram's
/// pauses, which are over before long, stay behind.
pub(crate) const TABLES: &[Table] = &[
    Table {
        name: "users",
        key: 1,
        has_first_row: false,
        columns: &[
            Column("id", Integer),
            Column("telegram_id", Integer),
            Column("username", Text),
            Column("first_name", Text),
            Column("last_name", Text),
            Column("daily_quota_seconds", Integer),
            Column("is_unlimited", Integer),
            Column("today_usage_seconds", Integer),
            Column("last_reset_date", Text),
            Column("total_usage_seconds", Integer),
            Column("created_at", Time),
            Column("updated_at", Time),
            Column("reachable", Integer),
        ],
    },
    Table {
        name: "usage",
        key: 1,
        has_first_row: false,
        columns: &[
            Column("id", Integer),
            Column("user_id", Integer),
            Column("voice_duration_seconds", Real),
            Column("voice_file_id", Text),
            Column("processing_time_seconds", Real),
            Column("model_size", Text),
            Column("language", Text),
            Column("transcription_length", Integer),
            Column("created_at", Time),
            Column("updated_at", Time),
            Column("chat_id", Integer),
            Column("message_id", Integer),
            Column("callback_id", Text),
            Column("reply_to_message_id", Integer),
            Column("thread_id", Integer),
            Column("source", Text),
            Column("form", Text),
            Column("speech_language", Text),
            Column("speech_languages", Text),
            Column("file_unique_id", Text),
            Column("claimed_duration_seconds", Real),
            Column("locale", Text),
            Column("parent_id", Integer),
            Column("joined_to", Integer),
            Column("stage", Text),
            Column("reason", Text),
            Column("failed_stage", Text),
            Column("codec", Text),
            Column("priority", Integer),
            Column("turn", Integer),
            Column("owner", Text),
            Column("lease_until", Lease),
            Column("attempt", Integer),
            Column("failures", Integer),
            Column("interruptions", Integer),
            Column("not_before", Integer),
            Column("cancel_requested", Text),
            Column("stop_requested", Integer),
            Column("status_message_id", Integer),
            Column("part_message_id", Integer),
            Column("parts_delivered", Integer),
            Column("answered", Integer),
            Column("received_at", Integer),
            Column("downloaded_at", Integer),
            Column("queued_at", Integer),
            Column("started_at", Integer),
            Column("finished_at", Integer),
            Column("audio_until", Integer),
            Column("display", Text),
            Column("direct_topic_id", Integer),
            Column("comment_chat_id", Integer),
            Column("comment_message_id", Integer),
            Column("legacy_key", Text),
            Column("business_key", Bytes),
            Column("author_name", Text),
            Column("sent_at", Integer),
            Column("source_deleted", Integer),
            Column("sent_messages", Text),
            Column("guest_query", Text),
            Column("inline_message_id", Text),
        ],
    },
    Table {
        name: "business_connections",
        key: 1,
        has_first_row: false,
        columns: &[
            Column("connection_id", Text),
            Column("telegram_id", Integer),
            Column("chat_id", Integer),
            Column("locale", Text),
            Column("is_enabled", Boolean),
            Column("is_refused", Boolean),
            Column("updated_at", Integer),
        ],
    },
    Table {
        name: "chats",
        key: 1,
        has_first_row: false,
        columns: &[
            Column("chat_id", Integer),
            Column("speech_language", Text),
            Column("speech_languages", Text),
            Column("auto", Boolean),
            Column("times", Boolean),
            Column("status", Text),
            Column("quiet", Boolean),
            Column("updated_at", Integer),
        ],
    },
    Table {
        name: "bans",
        key: 1,
        has_first_row: false,
        columns: &[Column("telegram_id", Integer), Column("since", Integer)],
    },
    Table {
        name: "invitations",
        key: 1,
        has_first_row: false,
        columns: &[Column("secret_hash", Bytes), Column("expires_at", Integer)],
    },
    Table {
        name: "invited_users",
        key: 1,
        has_first_row: false,
        columns: &[Column("telegram_id", Integer), Column("since", Integer)],
    },
    Table {
        name: "moved_chats",
        key: 1,
        has_first_row: false,
        columns: &[Column("from_chat_id", Integer), Column("to_chat_id", Integer), Column("moved_at", Integer)],
    },
    Table {
        name: "bot",
        key: 1,
        has_first_row: false,
        columns: &[Column("only_row", Integer), Column("telegram_id", Integer), Column("since", Integer)],
    },
    Table {
        name: "spent_keys",
        key: 1,
        has_first_row: false,
        columns: &[Column("day", Integer), Column("key", Bytes)],
    },
    Table {
        name: "spent",
        key: 2,
        has_first_row: false,
        columns: &[
            Column("day", Integer),
            Column("person_hash", Bytes),
            Column("seconds", Real),
            Column("places", Integer),
            Column("places_until", Integer),
        ],
    },
    Table {
        name: "current_turn",
        key: 1,
        has_first_row: true,
        columns: &[Column("only_row", Integer), Column("turn", Integer)],
    },
    Table {
        name: "service",
        key: 1,
        has_first_row: false,
        columns: &[Column("only_row", Integer), Column("mode", Text), Column("since", Integer)],
    },
];

impl Table {
    /// Columns of the primary key.
    pub(crate) fn key_columns(&self) -> &'static [Column] {
        &self.columns[..self.key]
    }

    /// The key of a row.
    pub(crate) fn key_of(&self, row: &Row) -> Row {
        row[..self.key].to_vec()
    }

    /// Selects a page of rows: those behind the key of the parameters, or the first ones. `read` makes a column's expression.
    pub(crate) fn page_query(&self, is_first: bool, read: impl Fn(&Column) -> String) -> String {
        let (name, key) = (self.name, names(self.key_columns()));
        let columns = self.columns.iter().map(read).collect::<Vec<_>>().join(", ");
        let behind = match is_first {
            true => String::new(),
            false => format!(" WHERE ({key}) > ({})", parameters(self.key)),
        };
        format!("SELECT {columns} FROM {name}{behind} ORDER BY {key} LIMIT {}", super::PAGE)
    }

    /// Selects the highest key.
    pub(crate) fn last_key_query(&self, read: impl Fn(&Column) -> String) -> String {
        let columns = self.key_columns().iter().map(read).collect::<Vec<_>>().join(", ");
        let falling = self.key_columns().iter().map(|Column(name, _)| format!("{name} DESC")).collect::<Vec<_>>();
        format!("SELECT {columns} FROM {} ORDER BY {} LIMIT 1", self.name, falling.join(", "))
    }
}

/// Names of columns as a list of SQL.
pub(crate) fn names(columns: &[Column]) -> String {
    columns.iter().map(|Column(name, _)| *name).collect::<Vec<_>>().join(", ")
}

fn parameters(count: usize) -> String {
    (1..=count).map(|number| format!("${number}")).collect::<Vec<_>>().join(", ")
}

/// PostgreSQL's texts have no NUL: it is left out on either side, also of checksums.
pub(crate) fn without_nul(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "") } else { text }
}

/// Rows of a table: their number and their checksum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableSum {
    pub(crate) table: &'static str,
    pub(crate) rows: u64,
    checksum: [u8; 32],
}

/// A sum that grows by rows, which come in the order of their keys.
#[derive(Default)]
pub(crate) struct Summing {
    rows: u64,
    hash: Sha256,
}

impl Summing {
    pub(crate) fn add(&mut self, row: &Row) {
        self.rows += 1;
        for value in row {
            self.add_value(value);
        }
    }

    /// Each value with its type and its length, so that none runs into the next.
    fn add_value(&mut self, value: &Value) {
        let (kind, bytes): (u8, &[u8]) = match value {
            Value::Integer(Some(number)) => (b'i', &number.to_be_bytes()),
            // There are two zeros, of which SQLite knows one.
            Value::Real(Some(number)) => (b'r', &(number + 0.0).to_be_bytes()),
            Value::Text(Some(text)) => (b't', text.as_bytes()),
            Value::Bytes(Some(bytes)) => (b'b', bytes),
            Value::Integer(None) | Value::Real(None) | Value::Text(None) | Value::Bytes(None) => (b'-', &[]),
        };
        self.hash.update([kind]);
        self.hash.update((bytes.len() as u64).to_be_bytes());
        self.hash.update(bytes);
    }

    pub(crate) fn finish(self, table: &'static str) -> TableSum {
        TableSum { table, rows: self.rows, checksum: self.hash.finalize().into() }
    }
}

/// One text for the sums of all tables.
pub(crate) fn fingerprint(sums: &[TableSum]) -> String {
    let mut hash = Sha256::new();
    for sum in sums {
        hash.update(sum.rows.to_be_bytes());
        hash.update(sum.checksum);
    }
    hash.finalize().iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(rows: &[Row]) -> TableSum {
        let mut summing = Summing::default();
        rows.iter().for_each(|row| summing.add(row));
        summing.finish("users")
    }

    #[test]
    fn a_checksum_tells_values_apart_that_look_alike() {
        let text = |text: &str| Value::Text(Some(text.into()));
        let rows = [
            vec![text("ab"), text("c")],
            vec![text("a"), text("bc")],
            vec![text("abc"), Value::Text(None)],
            vec![text("abc"), text("")],
            vec![Value::Integer(Some(0)), Value::Integer(None)],
            vec![Value::Integer(None), Value::Integer(Some(0))],
            vec![Value::Real(Some(0.0)), Value::Integer(None)],
        ];
        for (index, one) in rows.iter().enumerate() {
            for other in &rows[index + 1..] {
                assert_ne!(sum(std::slice::from_ref(one)), sum(std::slice::from_ref(other)), "{one:?} {other:?}");
            }
        }
        assert_eq!(sum(&[vec![Value::Real(Some(0.0))]]), sum(&[vec![Value::Real(Some(-0.0))]]));
        assert_ne!(fingerprint(&[sum(&rows)]), fingerprint(&[sum(&rows[1..])]));
    }
}
