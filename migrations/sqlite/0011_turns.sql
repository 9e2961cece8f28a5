-- The fair order as a stored key: claims and positions follow (priority, turn, the request whose audio it is, id).
-- 0: runs, or comes first because it was interrupted; 1: by its turn; 2: gets a new turn, behind all that wait, when its
-- pause is over.
ALTER TABLE usage ADD COLUMN priority INTEGER NOT NULL DEFAULT 1 CHECK (priority IN (0, 1, 2));
-- One more than the turn of the request that was started last, or than the sender's newest that waits.
ALTER TABLE usage ADD COLUMN turn INTEGER NOT NULL DEFAULT 0;

-- The highest turn of a request that was started.
CREATE TABLE current_turn (
    only_row INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    turn INTEGER NOT NULL
) STRICT;
INSERT INTO current_turn (only_row, turn) VALUES (1, 1);

-- What waits already keeps its order: a turn for each request of a user, one more for users who were served since.
UPDATE usage SET turn = own.turn FROM (
    SELECT waiting.id AS id, row_number() OVER (
        PARTITION BY waiting.user_id, waiting.joined_to IS NULL ORDER BY waiting.id
    ) + coalesce((
        SELECT max(served.started_at) FROM usage AS served WHERE served.user_id = waiting.user_id
        AND served.started_at IS NOT NULL AND served.joined_to IS NULL
    ) >= min(waiting.received_at) OVER (PARTITION BY waiting.user_id), 0) AS turn
    FROM usage AS waiting WHERE waiting.answered = 0 AND waiting.stage IN ('received', 'downloaded', 'queued')
) AS own WHERE own.id = usage.id;
UPDATE usage SET turn = 1
WHERE answered = 0 AND stage IN ('transcribing', 'transcribed') AND joined_to IS NULL;
UPDATE usage SET priority = CASE WHEN owner IS NOT NULL OR (failures = 0 AND interruptions < 2) THEN 0 ELSE 2 END
WHERE answered = 0 AND stage IN ('queued', 'transcribing', 'transcribed') AND started_at IS NOT NULL AND joined_to IS NULL;
UPDATE usage SET (priority, turn) = (SELECT first.priority, first.turn FROM usage AS first WHERE first.id = usage.joined_to)
WHERE answered = 0 AND EXISTS (SELECT 1 FROM usage AS first WHERE first.id = usage.joined_to AND first.answered = 0
    AND first.stage IN ('received', 'downloaded', 'queued', 'transcribing', 'transcribed'));

DROP INDEX ix_usage_started;
CREATE INDEX ix_usage_turn ON usage (priority, turn, coalesce(joined_to, id))
    WHERE answered = 0 AND stage IN ('received', 'downloaded', 'queued');
-- What admission looks up: the sender's open requests, the same audio.
CREATE INDEX ix_usage_open_user ON usage (user_id, turn) WHERE answered = 0;
CREATE INDEX ix_usage_open_audio ON usage (file_unique_id) WHERE answered = 0;
CREATE INDEX ix_usage_joined ON usage (joined_to) WHERE answered = 0 AND joined_to IS NOT NULL;
-- Leases that end.
CREATE INDEX ix_usage_held ON usage (lease_until) WHERE answered = 0 AND owner IS NOT NULL;
