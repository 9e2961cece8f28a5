-- What several machines that work on one store tell each other. An SQLite file has one, which keeps it through a restart.

-- Who cancelled a request while a machine held it: the holder ends it.
ALTER TABLE usage ADD COLUMN cancel_requested TEXT CHECK (cancel_requested IN ('sender', 'operator'));

-- Heartbeats, in milliseconds since the Unix epoch.
CREATE TABLE machines (
    id TEXT NOT NULL PRIMARY KEY,
    role TEXT NOT NULL,
    leads INTEGER NOT NULL CHECK (leads IN (0, 1)),
    -- transcriptions that it does at once
    workers INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    heartbeat_at INTEGER NOT NULL,
    -- messages that it wanted to send between its last two heartbeats: by these the sending rate is shared
    demand INTEGER NOT NULL
) STRICT;

-- The mode that an operator has set; open where there is no row.
CREATE TABLE service (
    only_row INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    mode TEXT NOT NULL CHECK (mode IN ('open', 'paused', 'draining')),
    since INTEGER NOT NULL
) STRICT;

-- Pauses that Telegram has requested: for a chat, or with 0 for all.
CREATE TABLE telegram_pauses (
    chat_id INTEGER NOT NULL PRIMARY KEY,
    paused_until INTEGER NOT NULL
) STRICT;

-- Of a store into which another one is being copied: no bot opens it while there is a row.
CREATE TABLE migration_in_progress (
    only_row INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    -- location of the store that is copied, and the checksum of its rows
    source TEXT NOT NULL,
    fingerprint TEXT NOT NULL
) STRICT;
