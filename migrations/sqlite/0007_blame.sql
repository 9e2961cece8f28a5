-- Blame is counted apart from claims: `attempt` is a fencing token only. A claim that ended with the bot is no failure of
-- the recording.
-- Attempts that failed in the present stage while the bot ran: the engine died, or the file could not be fetched.
ALTER TABLE usage ADD COLUMN failures INTEGER NOT NULL DEFAULT 0;
-- Claims in the present stage whose worker was gone before it wrote how they ended.
ALTER TABLE usage ADD COLUMN interruptions INTEGER NOT NULL DEFAULT 0;
