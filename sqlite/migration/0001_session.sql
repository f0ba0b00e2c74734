-- Times and durations are milliseconds; times count from the Unix epoch, UTC.

-- +goose Up
-- What people search for is in few names, many times. These tables have each name once, and its words. A person is an
-- account under the names that it has at a time.
CREATE TABLE person (
    no        INTEGER NOT NULL PRIMARY KEY,
    user_id   TEXT    NOT NULL,
    user_name TEXT    NOT NULL,
    full_name TEXT    NOT NULL,
    live      INTEGER NOT NULL DEFAULT 0, -- how many indexed rows of session have this number
    UNIQUE (user_id, user_name, full_name)
) STRICT;
CREATE INDEX person_name ON person (user_name COLLATE NOCASE, no);
CREATE TABLE person_word (
    word TEXT    NOT NULL,
    no   INTEGER NOT NULL REFERENCES person ON DELETE CASCADE,
    PRIMARY KEY (word, no)
) STRICT, WITHOUT ROWID;
CREATE INDEX person_word_no ON person_word (no);
CREATE TABLE device (
    no   INTEGER NOT NULL PRIMARY KEY,
    name TEXT    NOT NULL UNIQUE
) STRICT;
CREATE INDEX device_name ON device (name COLLATE NOCASE, no);
CREATE TABLE device_word (
    word TEXT    NOT NULL,
    no   INTEGER NOT NULL REFERENCES device ON DELETE CASCADE,
    PRIMARY KEY (word, no)
) STRICT, WITHOUT ROWID;
CREATE INDEX device_word_no ON device_word (no);

-- A session that starts is only appended. Its row comes into the indexes when there is time, many at once, which is
-- several times cheaper.
CREATE TABLE session (
    seq              INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, -- the order of the starts
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
CREATE INDEX session_arrival ON session (indexed) WHERE indexed = 0;
CREATE UNIQUE INDEX session_id ON session (id) WHERE indexed = 1;
CREATE UNIQUE INDEX session_hash ON session (hash) WHERE indexed = 1;
CREATE INDEX session_ends_at ON session (ends_at) WHERE indexed = 1;
-- Each order and each kind of search has an index, with what the other kinds look at, so that what they refuse costs little.
CREATE INDEX session_activity ON session (last_active, seq, person_no, device_no, origin) WHERE indexed = 1;
CREATE INDEX session_started ON session (created_at, seq, person_no, device_no, origin) WHERE indexed = 1;
CREATE INDEX session_person ON session (person_no, seq, device_no, origin) WHERE indexed = 1;
CREATE INDEX session_device ON session (device_no, seq, person_no, origin) WHERE indexed = 1;
CREATE INDEX session_origin ON session (origin, seq, person_no, device_no) WHERE indexed = 1;

-- A fence is the end of all sessions up to one, but for an exception. Their rows move to history afterwards.
CREATE TABLE fence (
    id         INTEGER NOT NULL PRIMARY KEY,
    upto       INTEGER NOT NULL, -- session.seq
    but        TEXT    NOT NULL, -- session.id, or empty
    reason     TEXT    NOT NULL,
    by_user    TEXT    NOT NULL,
    by_name    TEXT    NOT NULL,
    by_session TEXT    NOT NULL,
    at         INTEGER NOT NULL
) STRICT;

CREATE TABLE history (
    id               TEXT    NOT NULL PRIMARY KEY,
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
CREATE INDEX history_ended_at ON history (ended_at, id, person_no, by_no, device_no, origin, reason);
CREATE INDEX history_person ON history (person_no, device_no, origin);
CREATE INDEX history_by ON history (by_no) WHERE by_no IS NOT NULL;
CREATE INDEX history_device ON history (device_no, person_no, origin);
CREATE INDEX history_origin ON history (origin, person_no, device_no);

-- The latest time that any change was made with, in the only row.
CREATE TABLE clock (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    at  INTEGER NOT NULL
) STRICT;
INSERT INTO clock VALUES (1, 0);

-- Sessions move one way, from live to ended, whoever writes here.

-- +goose StatementBegin
CREATE TRIGGER session_is_new BEFORE INSERT ON session
WHEN EXISTS (SELECT 1 FROM history WHERE id = new.id OR hash = new.hash)
    OR EXISTS (SELECT 1 FROM session WHERE indexed = 1 AND id = new.id)
    OR EXISTS (SELECT 1 FROM session WHERE indexed = 1 AND hash = new.hash)
BEGIN
    SELECT RAISE(ABORT, 'the ID or the hash was used before');
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
