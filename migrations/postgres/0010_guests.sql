-- Requests by which the bot was called into a chat that it is not in: Telegram's id of the call, which can be answered once, and of
-- the message that is the answer, once it is known.
ALTER TABLE usage ADD COLUMN guest_query TEXT;
ALTER TABLE usage ADD COLUMN inline_message_id TEXT;

CREATE UNIQUE INDEX ix_usage_guest_query ON usage (guest_query) WHERE guest_query IS NOT NULL;
CREATE UNIQUE INDEX ix_usage_inline_message ON usage (inline_message_id) WHERE inline_message_id IS NOT NULL;
