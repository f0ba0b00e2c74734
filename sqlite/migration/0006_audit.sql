-- +goose Up
-- A row is a block of records, which are chained by their hashes. Package audit says how.
CREATE TABLE audit (
    no    INTEGER NOT NULL PRIMARY KEY, -- of the first record
    count INTEGER NOT NULL CHECK (count > 0),
    at    INTEGER NOT NULL,             -- of the last record
    lines TEXT    NOT NULL,
    hash  BLOB    NOT NULL CHECK (length(hash) = 32) -- of the last record
) STRICT;
CREATE INDEX audit_at ON audit (at);

-- The place in the chain before the first record that is kept.
CREATE TABLE audit_start (
    no   INTEGER NOT NULL,
    hash BLOB    NOT NULL CHECK (length(hash) = 32)
) STRICT;
INSERT INTO audit_start VALUES (0, zeroblob(32));

-- +goose StatementBegin
CREATE TRIGGER audit_stays BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log does not change');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER audit_is_kept BEFORE DELETE ON audit
WHEN old.no > (SELECT no FROM audit_start)
BEGIN
    SELECT RAISE(ABORT, 'the audit log is forgotten from its start only');
END;
-- +goose StatementEnd
