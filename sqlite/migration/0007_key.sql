-- Times are milliseconds from the Unix epoch, UTC.

-- +goose Up
CREATE TABLE api_key (
    id         TEXT    NOT NULL PRIMARY KEY,
    owner      TEXT    NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    name       TEXT    NOT NULL,
    role       TEXT    NOT NULL,
    hash       BLOB    NOT NULL UNIQUE CHECK (length(hash) = 32), -- SHA-256 of the secret
    created_at INTEGER NOT NULL,
    expires_at INTEGER, -- NULL: never
    last_used  INTEGER, -- NULL: never
    UNIQUE (owner, name)
) STRICT;
