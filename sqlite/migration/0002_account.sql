-- Times and durations are milliseconds; times count from the Unix epoch, UTC.

-- +goose Up
CREATE TABLE account (
    id                  TEXT    NOT NULL PRIMARY KEY,
    name                TEXT    NOT NULL UNIQUE,
    full_name           TEXT    NOT NULL,
    role                TEXT    NOT NULL,
    lifetime            INTEGER NOT NULL CHECK (lifetime > 0),
    enabled             INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    created_at          INTEGER NOT NULL,
    password_changed_at INTEGER NOT NULL,
    last_sign_in        INTEGER, -- NULL: never
    password_hash       TEXT    NOT NULL,
    search              TEXT    NOT NULL -- Account.SearchText
) STRICT;

-- The counters of failed sign-ins.
CREATE TABLE sign_in_limit (
    key TEXT    NOT NULL PRIMARY KEY,
    at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sign_in_limit_at ON sign_in_limit (at);
