package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
	"github.com/curfewhq/curfew/audit"
)

// apiKeyColumns are in the order in which scanKey reads them.
const apiKeyColumns = "id, owner, name, role, created_at, expires_at, last_used"

// scanKey reads a key; without a row it is account.ErrNoKey.
func scanKey(row scanner) (account.Key, error) {
	var k account.Key
	var created int64
	var expires, used sql.NullInt64
	err := row.Scan(&k.ID, &k.Owner, &k.Name, &k.Role, &created, &expires, &used)
	if errors.Is(err, sql.ErrNoRows) {
		return account.Key{}, account.ErrNoKey
	}
	if err != nil {
		return account.Key{}, err
	}
	k.CreatedAt, k.ExpiresAt, k.LastUsed = fromMilli(created), fromNullable(expires), fromNullable(used)
	return k, nil
}

// InsertKey implements account.Store.
func (db *DB) InsertKey(ctx context.Context, now time.Time, k account.StoredKey, most int, notes ...audit.Record) error {
	return db.writer.write(ctx, now, func(t *tx) error {
		if _, err := accountByID(t, k.Owner); err != nil {
			return err
		}
		var keys, namesakes int
		err := t.queryRow("SELECT count(*), count(*) FILTER (WHERE name = ?) FROM api_key WHERE owner = ?",
			[]any{k.Name, string(k.Owner)}, &keys, &namesakes)
		switch {
		case err != nil:
			return err
		case namesakes > 0:
			return account.ErrKeyNameTaken
		case keys >= most:
			return account.ErrTooManyKeys
		}
		t.noteAll(ctx, now, notes)
		_, err = t.exec("INSERT INTO api_key ("+apiKeyColumns+", hash) VALUES (?,?,?,?,?,?,?,?)",
			string(k.ID), string(k.Owner), k.Name, string(k.Role), milli(k.CreatedAt), nullable(k.ExpiresAt), nullable(k.LastUsed), k.Hash[:])
		return err
	})
}

// FindKey implements account.Store.
func (db *DB) FindKey(ctx context.Context, hash curfew.TokenHash) (account.Key, error) {
	return scanKey(db.lookups.row(ctx, "SELECT "+apiKeyColumns+" FROM api_key WHERE hash = ?", hash[:]))
}

// KeyByID implements account.Store.
func (db *DB) KeyByID(ctx context.Context, id account.KeyID) (account.Key, error) {
	return scanKey(db.lookups.row(ctx, "SELECT "+apiKeyColumns+" FROM api_key WHERE id = ?", string(id)))
}

// ListKeys implements account.Store.
func (db *DB) ListKeys(ctx context.Context, owner curfew.UserID) ([]account.Key, error) {
	return readAll(ctx, db.lookups, scanKey, "SELECT "+apiKeyColumns+" FROM api_key WHERE owner = ? ORDER BY name", string(owner))
}

// TouchKey implements account.Store.
func (db *DB) TouchKey(ctx context.Context, now time.Time, id account.KeyID) error {
	return db.writer.write(ctx, now, func(t *tx) error {
		_, err := t.exec("UPDATE api_key SET last_used = ? WHERE id = ? AND coalesce(last_used < ?, true)", milli(now), string(id), milli(now))
		return err
	})
}

// DeleteKey implements account.Store.
func (db *DB) DeleteKey(ctx context.Context, now time.Time, owner curfew.UserID, id account.KeyID, notes ...audit.Record) error {
	return db.writer.write(ctx, now, func(t *tx) error {
		var deleted string
		err := t.queryRow("DELETE FROM api_key WHERE id = ? AND owner = ? RETURNING id", []any{string(id), string(owner)}, &deleted)
		if errors.Is(err, sql.ErrNoRows) {
			return account.ErrNoKey
		}
		t.noteAll(ctx, now, notes)
		return err
	})
}

// nullable is a time that may be the zero time, which is NULL.
func nullable(t time.Time) sql.NullInt64 { return sql.NullInt64{Int64: milli(t), Valid: !t.IsZero()} }

func fromNullable(ms sql.NullInt64) time.Time {
	if !ms.Valid {
		return time.Time{}
	}
	return fromMilli(ms.Int64)
}
