-- +goose Up
-- How many indexed rows session has, and how many users have one: the sums of person, so that counting does not grow with them.
CREATE TABLE total (
    one      INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    sessions INTEGER NOT NULL,
    users    INTEGER NOT NULL
) STRICT;
INSERT INTO total SELECT 1, ifnull(sum(live), 0), count(DISTINCT user_id) FILTER (WHERE live > 0) FROM person;

-- +goose StatementBegin
CREATE TRIGGER person_in_total AFTER UPDATE OF live ON person
BEGIN
    UPDATE total SET
        sessions = sessions + new.live - old.live,
        users = users + CASE
            WHEN (new.live > 0) = (old.live > 0) THEN 0
            WHEN EXISTS (SELECT 1 FROM person WHERE user_id = new.user_id AND no <> new.no AND live > 0) THEN 0
            WHEN new.live > 0 THEN 1
            ELSE -1
        END;
END;
-- +goose StatementEnd
