-- Topics, groups, buttons, files and other languages; joined requests; kept audio; what people and chats have set.
ALTER TABLE usage ADD COLUMN thread_id INTEGER;
ALTER TABLE usage ADD COLUMN source TEXT NOT NULL DEFAULT 'voice'
    CHECK (source IN ('voice', 'audio', 'video_note', 'video', 'document'));
-- The message with the sound, which is answered. message_id is the message that asks, NULL where a button did.
ALTER TABLE usage ADD COLUMN reply_to_message_id INTEGER;
ALTER TABLE usage ADD COLUMN callback_id TEXT;
-- The request whose audio is heard again.
ALTER TABLE usage ADD COLUMN parent_id INTEGER;
ALTER TABLE usage ADD COLUMN form TEXT NOT NULL DEFAULT 'message' CHECK (form IN ('message', 'txt', 'srt', 'vtt'));
ALTER TABLE usage ADD COLUMN speech_language TEXT;
-- The request that hears the same audio for this one. Taken off when this one is worked on by itself after all:
-- a row that is done and still has it took no time of the engine.
ALTER TABLE usage ADD COLUMN joined_to INTEGER;
-- Until when the audio is kept after the end.
ALTER TABLE usage ADD COLUMN audio_until INTEGER;

UPDATE usage SET reply_to_message_id = message_id;

CREATE UNIQUE INDEX ix_usage_callback ON usage (callback_id) WHERE callback_id IS NOT NULL;
CREATE INDEX ix_usage_kept ON usage (audio_until) WHERE audio_until IS NOT NULL;
-- A person's turn in the queue is told by their last start, their share of the day by what came in since midnight.
CREATE INDEX ix_usage_started ON usage (user_id, started_at) WHERE started_at IS NOT NULL AND joined_to IS NULL;
DROP INDEX ix_usage_user_id;
CREATE INDEX ix_usage_user ON usage (user_id, received_at);

-- Whether the bot can write to them: not after they blocked it.
ALTER TABLE users ADD COLUMN reachable INTEGER NOT NULL DEFAULT 1;

CREATE TABLE chats (
    chat_id INTEGER NOT NULL PRIMARY KEY,
    speech_language TEXT,
    auto INTEGER NOT NULL DEFAULT 0 CHECK (auto IN (0, 1)),
    updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE bans (
    telegram_id INTEGER NOT NULL PRIMARY KEY,
    since INTEGER NOT NULL
) STRICT;
