-- Links by which users join those who are served. The first who opens one uses it up.
CREATE TABLE invitations (
    -- SHA-256 of the secret in the link, which is kept nowhere
    secret_hash BYTEA NOT NULL PRIMARY KEY CHECK (length(secret_hash) = 32),
    expires_at BIGINT NOT NULL
);

-- Users who have opened such a link: they are served beside those of `allowed_users`.
CREATE TABLE invited_users (
    telegram_id BIGINT NOT NULL PRIMARY KEY,
    since BIGINT NOT NULL
);
