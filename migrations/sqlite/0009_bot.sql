-- The account whose requests these are: another one cannot answer them.
CREATE TABLE bot (
    only_row INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    telegram_id INTEGER NOT NULL,
    since INTEGER NOT NULL
) STRICT;
