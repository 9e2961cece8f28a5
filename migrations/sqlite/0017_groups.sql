-- How the state of a request is shown: in a message, by a reaction, or not at all, also where the text becomes a
-- caption or a comment.
ALTER TABLE usage ADD COLUMN display TEXT NOT NULL DEFAULT 'message'
    CHECK (display IN ('message', 'reaction', 'quiet', 'caption', 'comment'));
-- The topic of a channel's direct messages; such a request has no thread_id.
ALTER TABLE usage ADD COLUMN direct_topic_id INTEGER;
-- Where a channel's post can be commented on: its copy in the linked group.
ALTER TABLE usage ADD COLUMN comment_chat_id INTEGER;
ALTER TABLE usage ADD COLUMN comment_message_id INTEGER;

-- How the state is shown; NULL for the bot's own choice.
ALTER TABLE chats ADD COLUMN status TEXT CHECK (status IN ('messages', 'reactions'));
-- Whether only texts are sent.
ALTER TABLE chats ADD COLUMN quiet INTEGER NOT NULL DEFAULT 0 CHECK (quiet IN (0, 1));
