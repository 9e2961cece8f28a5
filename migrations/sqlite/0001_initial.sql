-- The predecessor's first schema, as it was.
CREATE TABLE users (
    id INTEGER NOT NULL PRIMARY KEY,
    telegram_id BIGINT NOT NULL UNIQUE,
    username VARCHAR(255),
    first_name VARCHAR(255),
    last_name VARCHAR(255),
    daily_quota_seconds INTEGER NOT NULL DEFAULT 60,
    is_unlimited BOOLEAN NOT NULL DEFAULT 0,
    today_usage_seconds INTEGER NOT NULL DEFAULT 0,
    last_reset_date DATE,
    total_usage_seconds INTEGER NOT NULL DEFAULT 0,
    created_at DATETIME NOT NULL,
    updated_at DATETIME NOT NULL
);

CREATE TABLE usage (
    id INTEGER NOT NULL PRIMARY KEY,
    user_id INTEGER NOT NULL REFERENCES users (id),
    voice_duration_seconds INTEGER NOT NULL,
    voice_file_id VARCHAR(255) NOT NULL,
    transcription_text TEXT NOT NULL,
    processing_time_seconds FLOAT,
    model_size VARCHAR(50) NOT NULL,
    language VARCHAR(10),
    created_at DATETIME NOT NULL
);

CREATE INDEX ix_usage_user_id ON usage (user_id);
CREATE INDEX ix_usage_created_at ON usage (created_at);
