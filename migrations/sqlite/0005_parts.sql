-- The message that is about to hold the next part of a long answer: known before the part is in it, so that a delivery
-- which is repeated after a crash fills the same message.
ALTER TABLE usage ADD COLUMN part_message_id INTEGER;
