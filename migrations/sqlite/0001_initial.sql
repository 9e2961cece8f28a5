-- The predecessor's first schema, as it was, but for its table of payments, which was never used.
CREATE TABLE users (
    id INTEGER NOT NULL,
    telegram_id INTEGER NOT NULL,
    username VARCHAR(255),
    first_name VARCHAR(255),
    last_name VARCHAR(255),
    daily_quota_seconds INTEGER NOT NULL,
    is_unlimited BOOLEAN NOT NULL,
    today_usage_seconds INTEGER NOT NULL,
    last_reset_date DATE NOT NULL,
    total_usage_seconds INTEGER NOT NULL,
    created_at DATETIME NOT NULL,
    updated_at DATETIME NOT NULL,
    PRIMARY KEY (id)
);

CREATE UNIQUE INDEX ix_users_telegram_id ON users (telegram_id);

CREATE TABLE usage (
    id INTEGER NOT NULL,
    user_id INTEGER NOT NULL,
    voice_duration_seconds INTEGER NOT NULL,
    voice_file_id VARCHAR(255) NOT NULL,
    transcription_text TEXT NOT NULL,
    processing_time_seconds FLOAT,
    model_size VARCHAR(50) NOT NULL,
    language VARCHAR(10),
    created_at DATETIME NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (user_id) REFERENCES users (id)
);

CREATE INDEX ix_usage_user_id ON usage (user_id);
