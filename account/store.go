package account

import (
	"context"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/audit"
)

// Errors that every store returns for the same thing.
var (
	ErrNoAccount = &curfew.Error{Code: curfew.CodeNotFound, Message: "no such account"}
	ErrNameTaken = &curfew.Error{Code: curfew.CodeConflict, Field: "username", Message: "is taken by another account"}
	ErrNotEmpty  = &curfew.Error{Code: curfew.CodeConflict, Message: "there is an account already"}
	ErrLastAdmin = &curfew.Error{Code: curfew.CodeConflict, Message: "the last enabled admin can't be disabled, demoted or deleted"}

	ErrNoKey        = &curfew.Error{Code: curfew.CodeNotFound, Message: "no such API key"}
	ErrKeyNameTaken = &curfew.Error{Code: curfew.CodeConflict, Field: "name", Message: "is that of another key of the account"}
	ErrTooManyKeys  = &curfew.Error{Code: curfew.CodeConflict, Message: "the account has as many API keys as it may have; revoke one first"}
)

// Query asks for a page of accounts, by name.
type Query struct {
	Search string // words that must all occur in user name or full name, see curfew.SearchWords
	Limit  int    // 0 means curfew.DefaultPage; at most curfew.MaxPage
	After  string // the name after which the page starts; empty for the first page
	Before string // the name before which the page ends; After and Before exclude each other
}

// PageSize is how many accounts the page holds at most.
func (q Query) PageSize() int { return curfew.PageSize(q.Limit) }

// Page is a part of the list of accounts.
type Page struct {
	Accounts []Account
	Prev     string // for Query.Before; empty on the first page
	Next     string // for Query.After; empty on the last page
	Total    int    // how many the search found on all pages
}

// Stored is an account as a store keeps it.
type Stored struct {
	Account
	PasswordHash string // argon2id in PHC form, never shown
}

// StoredKey is an API key as a store keeps it.
type StoredKey struct {
	Key
	Hash curfew.TokenHash // of the secret, which is kept nowhere
}

// Store keeps accounts, their API keys, and the failures that limit sign-ins. It decides nothing but the conditions named here, each
// of which holds within the transaction that makes the change.
//
// The notes of a change are written to the audit log in the same transaction, as by audit.Store's AppendAudit; those without an
// Event are left out.
//
// All methods may be called at once from many goroutines. One that returns nil has made its change durable; one that
// returns an error has changed nothing, unless its context ended or the connection broke: then the change happened
// wholly or not at all. Times are kept to the millisecond and come back in UTC. A store asks no clock of its own.
type Store interface {
	KeyStore

	// InsertAccount adds an account. It returns ErrNotEmpty if onlyIfEmpty is set and there is any account, and
	// ErrNameTaken if another one has the name. An ID that another one has is an error.
	InsertAccount(ctx context.Context, now time.Time, a Stored, onlyIfEmpty bool, notes ...audit.Record) error

	// FindAccount returns the account with the ID or, if id is empty, with the name; ErrNoAccount if there is none.
	FindAccount(ctx context.Context, id curfew.UserID, name string) (Stored, error)

	// ListAccounts returns a page.
	ListAccounts(ctx context.Context, q Query) (Page, error)

	// UpdateAccount replaces the account by what f makes of it, in one transaction, and returns it; ErrNoAccount if
	// there is none. f leaves ID and Name alone; it may be called again if the transaction has to be. An error of f is
	// returned as it is and nothing is changed. With keepAdmin, a change that takes away the last enabled admin is
	// ErrLastAdmin. The notes are looked at after f, which may still be writing them.
	UpdateAccount(ctx context.Context, now time.Time, id curfew.UserID, keepAdmin bool, f func(*Stored) error, notes ...audit.Record) (Stored, error)

	// DeleteAccount deletes an account and its keys; ErrNoAccount if there is none, ErrLastAdmin if it is the last enabled
	// admin.
	DeleteAccount(ctx context.Context, now time.Time, id curfew.UserID, notes ...audit.Record) error

	// Limit keeps counters, see limit.go: it replaces the value of each key by what f makes of them all, in one
	// transaction; f may be called again, as in UpdateAccount. An error of f is returned as it is and nothing is changed.
	// A key that is absent, or whose value is not after now, has the zero time; such values are deleted in passing, so
	// that the store holds few that are over.
	Limit(ctx context.Context, now time.Time, keys []string, f func([]time.Time) ([]time.Time, error), notes ...audit.Record) error

	// DropLimits deletes the values of all keys that begin with the prefix. Keys are printable ASCII.
	DropLimits(ctx context.Context, now time.Time, prefix string) error

	// AppendAudit is audit.Store's.
	AppendAudit(ctx context.Context, now time.Time, records ...audit.Record) error
}

// KeyStore is the part of a Store that keeps API keys.
type KeyStore interface {
	// InsertKey adds a key. It returns ErrNoAccount if there is no owner, ErrKeyNameTaken if the owner has a key of the
	// name, and ErrTooManyKeys if the owner has most keys already. An ID or a hash that another key has is an error.
	InsertKey(ctx context.Context, now time.Time, k StoredKey, most int, notes ...audit.Record) error

	// FindKey returns the key with the hash; ErrNoKey if there is none.
	FindKey(ctx context.Context, hash curfew.TokenHash) (Key, error)

	// KeyByID returns the key with the ID, whosever it is; ErrNoKey if there is none.
	KeyByID(ctx context.Context, id KeyID) (Key, error)

	// ListKeys returns all keys of the account, by name, byte for byte.
	ListKeys(ctx context.Context, owner curfew.UserID) ([]Key, error)

	// TouchKey notes that the key was used at now. It never sets LastUsed back, and does nothing if there is no such key.
	TouchKey(ctx context.Context, now time.Time, id KeyID) error

	// DeleteKey deletes the key; ErrNoKey if there is none, or it is not the owner's.
	DeleteKey(ctx context.Context, now time.Time, owner curfew.UserID, id KeyID, notes ...audit.Record) error
}
