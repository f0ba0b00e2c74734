-- +goose Up
-- The ID of the API key with which a session was ended; empty if none was.
ALTER TABLE history ADD COLUMN by_key TEXT NOT NULL DEFAULT '';
ALTER TABLE fence ADD COLUMN by_key TEXT NOT NULL DEFAULT '';
