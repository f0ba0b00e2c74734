package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
	"github.com/curfewhq/curfew/audit"
)

var _ account.Store = (*DB)(nil)

// accountColumns are in the order of accountValues and scanAccount.
const accountColumns = "id, name, full_name, role, lifetime, enabled, created_at, password_changed_at, last_sign_in, password_hash"

func accountValues(a account.Stored) []any {
	return []any{
		string(a.ID), a.Name, a.FullName, string(a.Role), a.Lifetime.Milliseconds(), a.Enabled,
		milli(a.CreatedAt), milli(a.PasswordChangedAt), nullable(a.LastSignIn), a.PasswordHash,
	}
}

// scanAccount reads an account; without a row it is account.ErrNoAccount.
func scanAccount(row scanner) (account.Stored, error) {
	var a account.Stored
	var lifetime, created, changed int64
	var last sql.NullInt64
	err := row.Scan(&a.ID, &a.Name, &a.FullName, &a.Role, &lifetime, &a.Enabled, &created, &changed, &last, &a.PasswordHash)
	if errors.Is(err, sql.ErrNoRows) {
		return account.Stored{}, account.ErrNoAccount
	}
	if err != nil {
		return account.Stored{}, err
	}
	a.Lifetime = time.Duration(lifetime) * time.Millisecond
	a.CreatedAt, a.PasswordChangedAt, a.LastSignIn = fromMilli(created), fromMilli(changed), fromNullable(last)
	return a, nil
}

// InsertAccount implements account.Store.
func (db *DB) InsertAccount(ctx context.Context, now time.Time, a account.Stored, onlyIfEmpty bool, notes ...audit.Record) error {
	return db.writer.write(ctx, now, func(t *tx) error {
		var others, namesakes int
		err := t.queryRow("SELECT count(*), count(*) FILTER (WHERE name = ?) FROM account", []any{a.Name}, &others, &namesakes)
		switch {
		case err != nil:
			return err
		case onlyIfEmpty && others > 0:
			return account.ErrNotEmpty
		case namesakes > 0:
			return account.ErrNameTaken
		}
		t.noteAll(ctx, now, notes)
		_, err = t.exec("INSERT INTO account ("+accountColumns+", search) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
			append(accountValues(a), a.SearchText())...)
		return err
	})
}

// FindAccount implements account.Store.
func (db *DB) FindAccount(ctx context.Context, id curfew.UserID, name string) (account.Stored, error) {
	where, arg := "name = ?", name
	if id != "" {
		where, arg = "id = ?", string(id)
	}
	return scanAccount(db.lookups.row(ctx, "SELECT "+accountColumns+" FROM account WHERE "+where, arg))
}

// ListAccounts implements account.Store.
func (db *DB) ListAccounts(ctx context.Context, q account.Query) (account.Page, error) {
	return view(ctx, db.reads, func(view *sql.Tx) (account.Page, error) { return listAccounts(ctx, view, q) })
}

func listAccounts(ctx context.Context, view *sql.Tx, q account.Query) (account.Page, error) {
	page, err := pageOfAccounts(ctx, view, q)
	if err != nil {
		return account.Page{}, err
	}
	var first, last string
	if n := len(page.Accounts); n > 0 {
		first, last = page.Accounts[0].Name, page.Accounts[n-1].Name
	}
	var before, after int
	c := &conditions{}
	c.contain(q.Search)
	err = view.QueryRowContext(ctx, "SELECT count(*), count(*) FILTER (WHERE name < ?), count(*) FILTER (WHERE name > ?) FROM account"+c.where(),
		append([]any{first, last}, c.args()...)...).Scan(&page.Total, &before, &after)
	if err != nil || len(page.Accounts) == 0 {
		return page, err
	}
	if before > 0 {
		page.Prev = first
	}
	if after > 0 {
		page.Next = last
	}
	return page, nil
}

// pageOfAccounts reads the accounts of a page.
func pageOfAccounts(ctx context.Context, view *sql.Tx, q account.Query) (account.Page, error) {
	c, order := &conditions{}, "name"
	c.contain(q.Search)
	if q.Before != "" {
		c.add("name < ?", q.Before)
		order = "name DESC"
	} else {
		c.add("name > ?", q.After)
	}
	rows, err := view.QueryContext(ctx, "SELECT "+accountColumns+" FROM account"+c.where()+" ORDER BY "+order+" LIMIT ?",
		c.args(q.PageSize())...)
	if err != nil {
		return account.Page{}, err
	}
	accounts, err := scanAll(rows, func(row scanner) (account.Account, error) {
		a, err := scanAccount(row)
		return a.Account, err
	})
	if q.Before != "" {
		slices.Reverse(accounts)
	}
	return account.Page{Accounts: accounts}, err
}

// UpdateAccount implements account.Store.
func (db *DB) UpdateAccount(
	ctx context.Context, now time.Time, id curfew.UserID, keepAdmin bool, f func(*account.Stored) error, notes ...audit.Record,
) (account.Stored, error) {
	var updated account.Stored
	err := db.writer.write(ctx, now, func(t *tx) error {
		a, err := accountByID(t, id)
		if err != nil {
			return err
		}
		was := a.Account
		if err := f(&a); err != nil {
			return err
		}
		if keepAdmin && !a.EnabledAdmin() {
			if err := checkOtherAdmin(t, was); err != nil {
				return err
			}
		}
		updated = a
		t.noteAll(ctx, now, notes)
		_, err = t.exec("UPDATE account SET ("+accountColumns+", search) = (?,?,?,?,?,?,?,?,?,?,?) WHERE id = ?",
			append(accountValues(a), a.SearchText(), string(id))...)
		return err
	})
	if err != nil {
		return account.Stored{}, err
	}
	return updated, nil
}

// DeleteAccount implements account.Store.
func (db *DB) DeleteAccount(ctx context.Context, now time.Time, id curfew.UserID, notes ...audit.Record) error {
	return db.writer.write(ctx, now, func(t *tx) error {
		a, err := accountByID(t, id)
		if err != nil {
			return err
		}
		if err := checkOtherAdmin(t, a.Account); err != nil {
			return err
		}
		t.noteAll(ctx, now, notes)
		_, err = t.exec("DELETE FROM account WHERE id = ?", string(id))
		return err
	})
}

func accountByID(t *tx, id curfew.UserID) (account.Stored, error) {
	return scanAccount(row(func(dest ...any) error {
		return t.queryRow("SELECT "+accountColumns+" FROM account WHERE id = ?", []any{string(id)}, dest...)
	}))
}

// row makes a scanner of a function.
type row func(dest ...any) error

func (r row) Scan(dest ...any) error { return r(dest...) }

// checkOtherAdmin returns account.ErrLastAdmin if the account is the last enabled admin.
func checkOtherAdmin(t *tx, a account.Account) error {
	if !a.EnabledAdmin() {
		return nil
	}
	var others int
	err := t.queryRow("SELECT count(*) FROM account WHERE role = ? AND enabled AND id <> ?", []any{string(account.Admin), string(a.ID)}, &others)
	if err == nil && others == 0 {
		return account.ErrLastAdmin
	}
	return err
}

// Limit implements account.Store.
func (db *DB) Limit(ctx context.Context, now time.Time, keys []string, f func([]time.Time) ([]time.Time, error), notes ...audit.Record) error {
	return db.writer.write(ctx, now, func(t *tx) error {
		at := make([]time.Time, len(keys))
		for i, key := range keys {
			var err error
			if at[i], err = limitOf(t, key, now); err != nil {
				return err
			}
		}
		at, err := f(at)
		if err != nil {
			return err
		}
		for i, key := range keys {
			if err := setLimit(t, key, at[i]); err != nil {
				return err
			}
		}
		t.noteAll(ctx, now, notes)
		// More than one call can add, so that the rest are few.
		_, err = t.exec("DELETE FROM sign_in_limit WHERE key IN (SELECT key FROM sign_in_limit WHERE at <= ? LIMIT ?)", milli(now), 4*len(keys))
		return err
	})
}

// DropLimits implements account.Store.
func (db *DB) DropLimits(ctx context.Context, now time.Time, prefix string) error {
	return db.writer.write(ctx, now, func(t *tx) error {
		// DEL sorts after all else that a key may hold, and the primary key finds what lies between.
		_, err := t.exec("DELETE FROM sign_in_limit WHERE key BETWEEN ? AND ?", prefix, prefix+"\x7f")
		return err
	})
}

func limitOf(t *tx, key string, now time.Time) (time.Time, error) {
	var at int64
	err := t.queryRow("SELECT at FROM sign_in_limit WHERE key = ? AND at > ?", []any{key, milli(now)}, &at)
	if errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, nil
	}
	return fromMilli(at), err
}

func setLimit(t *tx, key string, at time.Time) error {
	if at.IsZero() {
		_, err := t.exec("DELETE FROM sign_in_limit WHERE key = ?", key)
		return err
	}
	_, err := t.exec("INSERT INTO sign_in_limit VALUES (?, ?) ON CONFLICT DO UPDATE SET at = excluded.at", key, milli(at))
	return err
}

// contain narrows down to what has all words of a search somewhere.
func (c *conditions) contain(search string) {
	for _, word := range curfew.SearchWords(search) {
		c.add("instr(search, ?) > 0", word)
	}
}
