-- +goose Up
-- Which persons are not the only one of their account, because its names have changed. To count users, only these must be looked up.
ALTER TABLE person ADD COLUMN again INTEGER NOT NULL DEFAULT 0 CHECK (again IN (0, 1));
UPDATE person SET again = 1 WHERE user_id IN (SELECT user_id FROM person GROUP BY user_id HAVING count(*) > 1);
CREATE INDEX person_again ON person (no, user_id) WHERE again = 1;

-- +goose StatementBegin
CREATE TRIGGER person_comes_again AFTER INSERT ON person
WHEN EXISTS (SELECT 1 FROM person WHERE user_id = new.user_id AND no <> new.no)
BEGIN
    UPDATE person SET again = 1 WHERE user_id = new.user_id;
END;
-- +goose StatementEnd
