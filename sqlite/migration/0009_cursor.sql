-- +goose Up
-- How far those are who follow the audit log, such as webhooks.
CREATE TABLE audit_cursor (
    name TEXT    NOT NULL PRIMARY KEY,
    no   INTEGER NOT NULL CHECK (no >= 0), -- of the last record that is dealt with
    off  INTEGER NOT NULL CHECK (off IN (0, 1))
) STRICT, WITHOUT ROWID;
