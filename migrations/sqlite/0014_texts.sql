-- Whether the paragraphs of long recordings begin with their times.
ALTER TABLE chats ADD COLUMN times INTEGER NOT NULL DEFAULT 1 CHECK (times IN (0, 1));
-- Whether the text so far is wanted of a request that is transcribed. A request that ended so is done, with the reason 'stopped'.
ALTER TABLE usage ADD COLUMN stop_requested INTEGER NOT NULL DEFAULT 0 CHECK (stop_requested IN (0, 1));
