-- The predecessor's next revision: rows are written in stages, and only the length of a text is kept.
-- The table is made anew, since SQLite cannot relax NOT NULL in place. The connection has secure_delete on,
-- so that the pages which held the texts are overwritten; a VACUUM follows once the migrations are through.
CREATE TABLE usage_staged (
    id INTEGER NOT NULL PRIMARY KEY,
    user_id INTEGER NOT NULL REFERENCES users (id),
    voice_duration_seconds INTEGER,
    voice_file_id VARCHAR(255) NOT NULL,
    processing_time_seconds FLOAT,
    model_size VARCHAR(50),
    language VARCHAR(10),
    transcription_length INTEGER,
    created_at DATETIME NOT NULL,
    updated_at DATETIME NOT NULL
);

INSERT INTO usage_staged (id, user_id, voice_duration_seconds, voice_file_id, processing_time_seconds, model_size,
                          language, transcription_length, created_at, updated_at)
SELECT id, user_id, voice_duration_seconds, voice_file_id, processing_time_seconds, model_size,
       language, length(transcription_text), created_at, created_at
FROM usage;

DROP TABLE usage;
ALTER TABLE usage_staged RENAME TO usage;

CREATE INDEX ix_usage_user_id ON usage (user_id);
