-- +goose Up
-- Both tables are written anew. The writer itself numbers the sessions that start, since AUTOINCREMENT writes a second row for each.
-- What is in no index but that of the arrivals is found there by when it ends, so that a sweeper need not look at all of it each second.
-- History has a number of its own to order what ended at the same time: random IDs cost each row a page of the index.
ALTER TABLE session RENAME TO session_before;
CREATE TABLE session (
    seq              INTEGER NOT NULL PRIMARY KEY, -- the order of the starts
    indexed          INTEGER NOT NULL DEFAULT 0 CHECK (indexed IN (0, 1)),
    id               TEXT    NOT NULL,
    hash             BLOB    NOT NULL CHECK (length(hash) = 32),
    user_id          TEXT    NOT NULL,
    user_name        TEXT    NOT NULL,
    full_name        TEXT    NOT NULL,
    credential       TEXT    NOT NULL,
    origin           TEXT    NOT NULL,
    device           TEXT    NOT NULL,
    created_at       INTEGER NOT NULL,
    authenticated_at INTEGER NOT NULL,
    last_active      INTEGER NOT NULL,
    lifetime         INTEGER NOT NULL CHECK (lifetime > 0),
    grace            INTEGER NOT NULL CHECK (grace >= 0),
    expires_at       INTEGER NOT NULL,
    person_no        INTEGER NOT NULL, -- of person and device, as they are written above
    device_no        INTEGER NOT NULL,
    ends_at          INTEGER NOT NULL GENERATED ALWAYS AS (min(last_active + lifetime + grace, expires_at)) VIRTUAL
) STRICT;
INSERT INTO session (seq, indexed, id, hash, user_id, user_name, full_name, credential, origin, device,
    created_at, authenticated_at, last_active, lifetime, grace, expires_at, person_no, device_no)
    SELECT seq, indexed, id, hash, user_id, user_name, full_name, credential, origin, device,
    created_at, authenticated_at, last_active, lifetime, grace, expires_at, person_no, device_no FROM session_before;
DROP TABLE session_before;
CREATE INDEX session_arrival ON session (ends_at) WHERE indexed = 0;
CREATE UNIQUE INDEX session_id ON session (id) WHERE indexed = 1;
CREATE UNIQUE INDEX session_hash ON session (hash) WHERE indexed = 1;
CREATE INDEX session_ends_at ON session (ends_at) WHERE indexed = 1;
-- Each order and each kind of search has an index, with what the other kinds look at, so that what they refuse costs little.
CREATE INDEX session_activity ON session (last_active, seq, person_no, device_no, origin) WHERE indexed = 1;
CREATE INDEX session_started ON session (created_at, seq, person_no, device_no, origin) WHERE indexed = 1;
CREATE INDEX session_person ON session (person_no, seq, device_no, origin) WHERE indexed = 1;
CREATE INDEX session_device ON session (device_no, seq, person_no, origin) WHERE indexed = 1;
CREATE INDEX session_origin ON session (origin, seq, person_no, device_no) WHERE indexed = 1;

ALTER TABLE history RENAME TO history_before;
CREATE TABLE history (
    no               INTEGER NOT NULL PRIMARY KEY, -- the order in which rows came here
    id               TEXT    NOT NULL UNIQUE,
    hash             BLOB    NOT NULL UNIQUE,
    user_id          TEXT    NOT NULL,
    user_name        TEXT    NOT NULL,
    full_name        TEXT    NOT NULL,
    credential       TEXT    NOT NULL,
    origin           TEXT    NOT NULL,
    device           TEXT    NOT NULL,
    created_at       INTEGER NOT NULL,
    authenticated_at INTEGER NOT NULL,
    last_active      INTEGER NOT NULL,
    lifetime         INTEGER NOT NULL,
    grace            INTEGER NOT NULL,
    expires_at       INTEGER NOT NULL,
    person_no        INTEGER NOT NULL,
    device_no        INTEGER NOT NULL,
    reason           TEXT    NOT NULL,
    by_user          TEXT    NOT NULL,
    by_name          TEXT    NOT NULL,
    by_session       TEXT    NOT NULL,
    by_no            INTEGER, -- the person who ended it, NULL if it ended by itself
    ended_at         INTEGER NOT NULL
) STRICT;
INSERT INTO history (id, hash, user_id, user_name, full_name, credential, origin, device,
    created_at, authenticated_at, last_active, lifetime, grace, expires_at, person_no, device_no,
    reason, by_user, by_name, by_session, by_no, ended_at)
    SELECT id, hash, user_id, user_name, full_name, credential, origin, device,
    created_at, authenticated_at, last_active, lifetime, grace, expires_at, person_no, device_no,
    reason, by_user, by_name, by_session, by_no, ended_at FROM history_before ORDER BY ended_at, id;
DROP TABLE history_before;
CREATE INDEX history_ended_at ON history (ended_at, no, person_no, by_no, device_no, origin, reason);
CREATE INDEX history_person ON history (person_no, device_no, origin);
CREATE INDEX history_by ON history (by_no) WHERE by_no IS NOT NULL;
CREATE INDEX history_device ON history (device_no, person_no, origin);
CREATE INDEX history_origin ON history (origin, person_no, device_no);

-- How far the indexed rows behind a fence are copied to history, by person and start.
ALTER TABLE fence ADD COLUMN copied_person INTEGER NOT NULL DEFAULT 0;
ALTER TABLE fence ADD COLUMN copied_seq INTEGER NOT NULL DEFAULT 0;

-- The same rules as before.
-- +goose StatementBegin
CREATE TRIGGER session_is_new BEFORE INSERT ON session
WHEN EXISTS (SELECT 1 FROM history WHERE id = new.id OR hash = new.hash)
    OR EXISTS (SELECT 1 FROM session WHERE indexed = 1 AND id = new.id)
    OR EXISTS (SELECT 1 FROM session WHERE indexed = 1 AND hash = new.hash)
BEGIN
    SELECT RAISE(FAIL, 'the ID or the hash was used before');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER session_keeps_identity BEFORE UPDATE OF seq, id, hash, user_id, created_at ON session
BEGIN
    SELECT RAISE(ABORT, 'the identity of a session does not change');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER history_stays BEFORE UPDATE ON history
BEGIN
    SELECT RAISE(ABORT, 'history does not change');
END;
-- +goose StatementEnd
