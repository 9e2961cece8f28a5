-- Whether the paragraphs of long recordings begin with their times.
ALTER TABLE chats ADD COLUMN times INTEGER NOT NULL DEFAULT 1 CHECK (times IN (0, 1));
