-- What the typed lifecycle needs. Times of the lifecycle are milliseconds since the Unix epoch; created_at and
-- updated_at keep the predecessor's text form. Rows that came from the predecessor are done and answered.
CREATE TABLE users_strict (
    id INTEGER NOT NULL PRIMARY KEY,
    telegram_id INTEGER NOT NULL UNIQUE,
    username TEXT,
    first_name TEXT,
    last_name TEXT,
    daily_quota_seconds INTEGER NOT NULL DEFAULT 60,
    is_unlimited INTEGER NOT NULL DEFAULT 0,
    today_usage_seconds INTEGER NOT NULL DEFAULT 0,
    last_reset_date TEXT,
    total_usage_seconds INTEGER NOT NULL DEFAULT 0,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;

INSERT INTO users_strict
SELECT id, telegram_id, username, first_name, last_name, daily_quota_seconds, is_unlimited, today_usage_seconds,
       last_reset_date, total_usage_seconds, created_at, updated_at
FROM users;

CREATE TABLE usage_strict (
    id INTEGER NOT NULL PRIMARY KEY,
    user_id INTEGER NOT NULL REFERENCES users (id),
    voice_duration_seconds REAL,
    voice_file_id TEXT NOT NULL,
    processing_time_seconds REAL,
    model_size TEXT,
    language TEXT,
    transcription_length INTEGER,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    -- where the message came from
    chat_id INTEGER,
    message_id INTEGER,
    file_unique_id TEXT,
    claimed_duration_seconds REAL,
    locale TEXT,
    -- where the request stands
    stage TEXT NOT NULL DEFAULT 'done' CHECK (stage IN ('received', 'downloaded', 'queued', 'transcribing',
        'transcribed', 'done', 'rejected', 'failed', 'cancelled')),
    reason TEXT,
    failed_stage TEXT,
    -- who works on it: writes are fenced by stage, owner and attempt
    owner TEXT,
    lease_until INTEGER,
    attempt INTEGER NOT NULL DEFAULT 0,
    not_before INTEGER NOT NULL DEFAULT 0,
    -- what its sender has been shown
    status_message_id INTEGER,
    parts_delivered INTEGER NOT NULL DEFAULT 0,
    answered INTEGER NOT NULL DEFAULT 1,
    -- when it got there
    received_at INTEGER,
    downloaded_at INTEGER,
    queued_at INTEGER,
    started_at INTEGER,
    finished_at INTEGER,
    -- the row of the predecessor's database that this one was imported from
    legacy_key TEXT UNIQUE,
    UNIQUE (chat_id, message_id),
    -- what is under way is never answered: the index of open rows holds all of it
    CHECK (answered = 0 OR stage IN ('done', 'rejected', 'failed', 'cancelled'))
) STRICT;

INSERT INTO usage_strict (id, user_id, voice_duration_seconds, voice_file_id, processing_time_seconds, model_size,
                          language, transcription_length, created_at, updated_at)
SELECT id, user_id, voice_duration_seconds, voice_file_id, processing_time_seconds, model_size,
       language, transcription_length, created_at, updated_at
FROM usage;

DROP TABLE usage;
DROP TABLE users;
ALTER TABLE users_strict RENAME TO users;
ALTER TABLE usage_strict RENAME TO usage;

CREATE INDEX ix_usage_user_id ON usage (user_id);
-- Few rows are open at any time, and claims and counts read only those.
CREATE INDEX ix_usage_open ON usage (stage) WHERE answered = 0;
CREATE INDEX ix_usage_done ON usage (model_size, finished_at) WHERE stage = 'done';
