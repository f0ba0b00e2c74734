package account

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/audit"
)

// KeyID names an API key in lists, logs and requests. It is public: knowing it gives no access.
type KeyID string

// Key is an API key: whoever has its secret acts for the account that owns it, without a session. Values are copies. Times
// are as in Account.
type Key struct {
	ID        KeyID
	Owner     curfew.UserID
	Name      string // unique among the owner's keys; never changes
	Role      Role   // the most that it may do, see Service.CheckKey
	CreatedAt time.Time
	ExpiresAt time.Time // zero: never
	LastUsed  time.Time // up to a minute late; zero: never
}

// Expired reports whether the key is no longer good at now.
func (k Key) Expired(now time.Time) bool { return !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt) }

// Actor is who does what is done with the key, for the history: the owner, by the key.
func (k Key) Actor(owner Account) curfew.Actor {
	return curfew.Actor{User: owner.ID, Name: owner.Name + " (key " + k.Name + ")", Key: string(k.ID)}
}

// Bounds of API keys.
const (
	MaxKeys        = 50 // of one account
	MaxKeyName     = 64 // characters
	DefaultKeyLife = 90 * 24 * time.Hour
	MinKeyLife     = time.Minute
	MaxKeyLife     = 365 * 24 * time.Hour // but see NewKey.Forever
)

// usedEvery is how often the use of a key is written down at most.
const usedEvery = time.Minute

// NewKey is what is given for a new API key.
type NewKey struct {
	Name    string
	Role    Role          // at most the owner's
	Life    time.Duration // how long the key is good; 0 means DefaultKeyLife
	Forever bool          // the key never expires; Life must be 0
}

// ErrKey is the one answer to every API key that is not good.
var ErrKey = &curfew.Error{Code: curfew.CodeDenied, Message: "The API key is unknown, revoked or expired."}

// CreateKey makes an API key of the account. Its secret is returned here and never again. A name that another key of the
// account has is ErrKeyNameTaken, so a request that is made again because its answer was lost makes no second key; a key
// past MaxKeys is ErrTooManyKeys.
func (s *Service) CreateKey(ctx context.Context, by curfew.Actor, owner curfew.UserID, n NewKey) (Key, KeySecret, error) {
	acc, err := s.Get(ctx, owner)
	if err != nil {
		return Key{}, KeySecret{}, err
	}
	if n, err = n.check(acc); err != nil {
		return Key{}, KeySecret{}, err
	}
	ctx, cancel := detach(ctx)
	defer cancel()
	now := s.sessions.Now()
	key, secret := Key{ID: newKeyID(), Owner: owner, Name: n.Name, Role: n.Role, CreatedAt: now}, newKeySecret()
	if !n.Forever {
		key.ExpiresAt = now.Add(n.Life)
	}
	if err := s.store.InsertKey(ctx, now, StoredKey{key, secret.Hash()}, MaxKeys, noteOfKey(audit.KeyCreated, by, acc, key)); err != nil {
		return Key{}, KeySecret{}, storeError("create API key", err)
	}
	s.log.InfoContext(ctx, "API key created", "user", acc.Name, "key", key.ID, "role", key.Role, "expires", key.ExpiresAt, "by", by.Name)
	return key, secret, nil
}

// check returns the fields as they are kept, or an error with CodeInvalid for the first one that is wrong.
func (n NewKey) check(owner Account) (NewKey, error) {
	if wrong := n.Mistakes(owner); len(wrong) > 0 {
		return n, wrong[0]
	}
	n.Name = strings.TrimSpace(n.Name)
	if n.Life == 0 && !n.Forever {
		n.Life = DefaultKeyLife
	}
	return n, nil
}

// Mistakes returns an error with CodeInvalid for each field that is wrong in a key of the owner's.
func (n NewKey) Mistakes(owner Account) []error {
	list := appendError(nil, checkKeyName(strings.TrimSpace(n.Name)))
	switch {
	case !slices.Contains(Roles, n.Role):
		list = append(list, invalid("role", "must be admin, auditor or user"))
	case !owner.Role.Covers(n.Role):
		list = append(list, invalid("role", "must be at most the owner's, which is "+string(owner.Role)))
	}
	switch {
	case n.Forever && n.Life != 0:
		list = append(list, invalid("expires", "must be either a time or never"))
	case n.Life != 0:
		list = appendError(list, CheckKeyLife(n.Life))
	}
	return list
}

// CheckKeyLife returns an error with CodeInvalid if no key may be good for so long.
func CheckKeyLife(d time.Duration) error {
	if d < MinKeyLife || d > MaxKeyLife {
		return invalid("expires", fmt.Sprintf("must be from a minute to %d days away, or never", MaxKeyLife/(24*time.Hour)))
	}
	return nil
}

func checkKeyName(s string) error {
	switch {
	case !utf8.ValidString(s):
		return invalid("name", "must be valid UTF-8")
	case utf8.RuneCountInString(s) > MaxKeyName:
		return invalid("name", fmt.Sprintf("must be at most %d characters long", MaxKeyName))
	case strings.ContainsFunc(s, isDeceptive):
		return invalid("name", "must not hold line breaks or other control characters")
	case !strings.ContainsFunc(s, isVisible):
		return invalid("name", "must hold something that can be seen")
	case HoldsKeySecret(s):
		return invalid("name", "must not be the key itself")
	default:
		return nil
	}
}

// newKeyID draws an ID of 80 random bits.
func newKeyID() KeyID { return KeyID(strings.ToLower(rand.Text()[:16])) }

// Keys returns the API keys of the account, by name; there are at most MaxKeys. Those that have expired are among them until they
// are revoked. An account that does not exist has none.
func (s *Service) Keys(ctx context.Context, owner curfew.UserID) ([]Key, error) {
	keys, err := s.store.ListKeys(ctx, owner)
	return keys, storeError("list API keys", err)
}

// Key returns the account's API key with the ID, or ErrNoKey.
func (s *Service) Key(ctx context.Context, owner curfew.UserID, id KeyID) (Key, error) {
	key, err := s.store.KeyByID(ctx, id)
	if err == nil && key.Owner != owner {
		err = ErrNoKey
	}
	if err != nil {
		return Key{}, storeError("find API key", err)
	}
	return key, nil
}

// RevokeKey deletes the API key of the account. No CheckKey that begins after it returned takes the key. Done again, it returns
// ErrNoKey.
func (s *Service) RevokeKey(ctx context.Context, by curfew.Actor, owner curfew.UserID, id KeyID) error {
	key, err := s.Key(ctx, owner, id)
	if err != nil {
		return err
	}
	return s.revoke(ctx, by, key)
}

// RevokeAnyKey is RevokeKey for a key whosever it is.
func (s *Service) RevokeAnyKey(ctx context.Context, by curfew.Actor, id KeyID) error {
	key, err := s.store.KeyByID(ctx, id)
	if err != nil {
		return storeError("find API key", err)
	}
	return s.revoke(ctx, by, key)
}

func (s *Service) revoke(ctx context.Context, by curfew.Actor, key Key) error {
	ctx, cancel := detach(ctx)
	defer cancel()
	owner, err := s.Get(ctx, key.Owner)
	if curfew.ErrorCode(err) == curfew.CodeNotFound {
		return ErrNoKey // it went with its owner
	}
	if err == nil {
		err = s.store.DeleteKey(ctx, s.sessions.Now(), key.Owner, key.ID, noteOfKey(audit.KeyRevoked, by, owner, key))
	}
	if err != nil {
		return storeError("revoke API key", err)
	}
	s.log.InfoContext(ctx, "API key revoked", "user", owner.Name, "key", key.ID, "by", by.Name)
	return nil
}

// CheckKey returns the API key that the text spells and the account that owns it, with the role that holds for this one use:
// the key's or, if that is less, the owner's of this moment. It is ErrKey if there is no such key, or it has expired, or its owner is
// disabled; it starts no session and is no activity in any. It may be called for each request: a key that was asked for lately costs
// no I/O.
//
// Wrong keys are limited per source of the client's origin, as failed sign-ins are, by counters of their own: a script that was
// forgotten keeps nobody from signing in. Past them the error has CodeLimited. A key that is good is not limited, however many
// wrong ones come from where it is used: nobody finds it by trying.
func (s *Service) CheckKey(ctx context.Context, text, origin string) (Key, Account, error) {
	secret, ok := ParseKeySecret(text)
	if !ok {
		return Key{}, Account{}, ErrKey
	}
	key, err := s.store.key(ctx, secret.Hash())
	if err != nil {
		return Key{}, Account{}, s.wrongKey(ctx, Key{}, Account{}, origin, err)
	}
	acc, err := s.Get(ctx, key.Owner)
	if err != nil {
		return Key{}, Account{}, s.wrongKey(ctx, key.Key, Account{}, origin, err)
	}
	now := s.sessions.Now()
	if key.Expired(now) || !acc.Enabled {
		return Key{}, Account{}, s.wrongKey(ctx, key.Key, acc, origin, ErrNoKey)
	}
	if key.Role.below(acc.Role) {
		acc.Role = key.Role
	}
	s.used(key, now)
	return key.Key, acc, nil
}

// wrongKey counts a key that is not good, and returns what its sender is told. If err says that nobody knows, nothing is counted.
func (s *Service) wrongKey(ctx context.Context, key Key, owner Account, origin string, err error) error {
	if curfew.ErrorCode(err) != curfew.CodeNotFound {
		return storeError("find API key", err)
	}
	source, network := sourceOf(origin)
	counters := []counter{{"key/source/" + source, sourceRate}}
	if network != "" {
		counters = append(counters, counter{"key/" + network, networkRate})
	}
	var keys []string
	for _, c := range counters {
		keys = append(keys, c.key)
	}
	err = s.limit(ctx, keys, func(now time.Time, at values) error { return takeSlots(counters, now, at) })
	if err == nil {
		err = ErrKey
	}
	s.refusedKey(ctx, key, owner, origin, err)
	return err
}

// keyInUse is a key in memory.
type keyInUse struct {
	Key
	noted atomic.Int64 // the use that was written down last, in Unix milliseconds
}

func newKeyInUse(k Key) *keyInUse {
	u := &keyInUse{Key: k}
	if !k.LastUsed.IsZero() {
		u.noted.Store(k.LastUsed.UnixMilli())
	}
	return u
}

// used has the use written down in the background, unless that was done lately. It is not worth failing for.
func (s *Service) used(k *keyInUse, now time.Time) {
	last := k.noted.Load()
	if now.UnixMilli()-last < usedEvery.Milliseconds() || !k.noted.CompareAndSwap(last, now.UnixMilli()) {
		return
	}
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
		defer cancel()
		if err := s.store.TouchKey(ctx, now, k.ID); err != nil {
			s.log.Warn("the use of an API key was not written down", "key", k.ID, "error", err)
		}
	}()
}
