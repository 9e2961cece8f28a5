-- Groups that became supergroups. A request keeps the chat and message by which it was asked for, which make a repeated
-- update harmless; where its answer goes now is looked up here.
CREATE TABLE moved_chats (
    from_chat_id INTEGER NOT NULL PRIMARY KEY,
    to_chat_id INTEGER NOT NULL CHECK (to_chat_id <> from_chat_id),
    moved_at INTEGER NOT NULL
) STRICT;
