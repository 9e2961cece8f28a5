-- Whether the paragraphs of long recordings begin with their times. A program of the version before says nothing of it.
ALTER TABLE chats ADD COLUMN times BOOLEAN NOT NULL DEFAULT TRUE;
