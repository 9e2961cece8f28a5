-- Links by which users join those who are served. The first who opens one uses it up.
CREATE TABLE invitations (
    -- SHA-256 of the secret in the link, which is kept nowhere
    secret_hash BLOB NOT NULL PRIMARY KEY CHECK (length(secret_hash) = 32),
    expires_at INTEGER NOT NULL
) STRICT;

-- Users who have opened such a link: they are served beside those of `allowed_users`.
CREATE TABLE invited_users (
    telegram_id INTEGER NOT NULL PRIMARY KEY,
    since INTEGER NOT NULL
) STRICT;
