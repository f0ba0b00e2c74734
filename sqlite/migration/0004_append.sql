-- +goose Up
-- The same rule as before; but a statement that fails before it has changed anything needs no copy of the pages to undo it by.
DROP TRIGGER session_is_new;
-- +goose StatementBegin
CREATE TRIGGER session_is_new BEFORE INSERT ON session
WHEN EXISTS (SELECT 1 FROM history WHERE id = new.id OR hash = new.hash)
    OR EXISTS (SELECT 1 FROM session WHERE indexed = 1 AND id = new.id)
    OR EXISTS (SELECT 1 FROM session WHERE indexed = 1 AND hash = new.hash)
BEGIN
    SELECT RAISE(FAIL, 'the ID or the hash was used before');
END;
-- +goose StatementEnd
