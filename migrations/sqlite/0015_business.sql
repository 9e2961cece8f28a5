-- Recordings that people receive on their own Telegram accounts. The chat of such a message is not the chat of the answer, and its
-- number is of that chat: a hash of connection, chat and number identifies it, so that no row names the other side.
ALTER TABLE usage ADD COLUMN business_key BLOB;
-- Who sent it, while the request is open, and when.
ALTER TABLE usage ADD COLUMN author_name TEXT;
ALTER TABLE usage ADD COLUMN sent_at INTEGER;
-- The message was deleted; the answer and the recording are still to be removed.
ALTER TABLE usage ADD COLUMN source_deleted INTEGER NOT NULL DEFAULT 0 CHECK (source_deleted IN (0, 1));
-- Messages of the answer beside the one that showed the state: their numbers, each after a space.
ALTER TABLE usage ADD COLUMN sent_messages TEXT;

CREATE UNIQUE INDEX ix_usage_business ON usage (business_key) WHERE business_key IS NOT NULL AND parent_id IS NULL;
CREATE INDEX ix_usage_business_source ON usage (business_key) WHERE business_key IS NOT NULL;
CREATE INDEX ix_usage_author ON usage (id) WHERE author_name IS NOT NULL;
CREATE INDEX ix_usage_source_deleted ON usage (id) WHERE source_deleted = 1;

-- Accounts to which the bot is connected, or was.
CREATE TABLE business_connections (
    connection_id TEXT NOT NULL PRIMARY KEY,
    telegram_id INTEGER NOT NULL,
    -- the user's private chat with the bot
    chat_id INTEGER NOT NULL,
    locale TEXT,
    is_enabled INTEGER NOT NULL CHECK (is_enabled IN (0, 1)),
    -- the user, who is not served, was informed
    is_refused INTEGER NOT NULL DEFAULT 0 CHECK (is_refused IN (0, 1)),
    updated_at INTEGER NOT NULL
) STRICT;
