-- What users whose data was erased have used of their limits, for the rest of the day (UTC): `person_hash` is the SHA-256 of
-- the day's key and the user's id. The key goes with its day, and nothing tells then whose the rows were.
CREATE TABLE spent_keys (
    -- the midnight that the day began with, in milliseconds since the Unix epoch
    day INTEGER NOT NULL PRIMARY KEY,
    key BLOB NOT NULL CHECK (length(key) = 32)
) STRICT;

CREATE TABLE spent (
    day INTEGER NOT NULL REFERENCES spent_keys (day) ON DELETE CASCADE,
    person_hash BLOB NOT NULL,
    -- audio of the day
    seconds REAL NOT NULL,
    -- places in the queue that erased requests held, and until when they count
    places INTEGER NOT NULL,
    places_until INTEGER NOT NULL,
    PRIMARY KEY (day, person_hash)
) STRICT, WITHOUT ROWID;
