package account

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/audit"
)

// noteOf returns the audit record of something that was done to an account.
func noteOf(event audit.Event, by curfew.Actor, acc Account) audit.Record {
	return audit.Record{Event: event, Outcome: audit.Success, By: audit.ByActor(by), User: party(acc)}
}

func party(acc Account) *audit.Party { return &audit.Party{ID: acc.ID, Name: acc.Name} }

// difference returns what became of the fields that change.
func difference(was, is Account) (changes []audit.Change) {
	for _, c := range []audit.Change{
		{Field: "full_name", From: was.FullName, To: is.FullName},
		{Field: "role", From: string(was.Role), To: string(is.Role)},
		{Field: "lifetime_seconds", From: seconds(was.Lifetime), To: seconds(is.Lifetime)},
		{Field: "enabled", From: strconv.FormatBool(was.Enabled), To: strconv.FormatBool(is.Enabled)},
	} {
		if c.From != c.To {
			changes = append(changes, c)
		}
	}
	return changes
}

// noteOfKey returns the audit record of something that was done to an API key.
func noteOfKey(event audit.Event, by curfew.Actor, owner Account, k Key) audit.Record {
	note := noteOf(event, by, owner)
	note.Key, note.Note = string(k.ID), k.Name
	if event == audit.KeyCreated {
		note.Changes = []audit.Change{{Field: "role", To: string(k.Role)}, {Field: "expires_at", To: expiry(k)}}
	}
	return note
}

func expiry(k Key) string {
	if k.ExpiresAt.IsZero() {
		return "never"
	}
	return k.ExpiresAt.UTC().Format(time.RFC3339)
}

func seconds(d time.Duration) string { return strconv.FormatInt(int64(d/time.Second), 10) }

// refused notes in log and audit log that a password was not taken. A name that no account has stays out of both: it may be a
// password. Of tries that come too fast a few are noted, since strangers make as many as they like.
func (s *Service) refused(ctx context.Context, event audit.Event, name, origin string, err error) {
	note := audit.Record{Event: event, From: origin}
	user := "(none)"
	if acc, err := s.store.FindAccount(ctx, "", name); err == nil {
		user, note.User = acc.Name, party(acc.Account)
	}
	s.log.WarnContext(ctx, "sign-in refused", "user", user, "origin", origin, "code", curfew.ErrorCode(err))
	s.noteRefusal(ctx, note, err)
}

// refusedKey is refused for an API key, of an account if it is known.
func (s *Service) refusedKey(ctx context.Context, key Key, owner Account, origin string, err error) {
	note := audit.Record{Event: audit.SignInFailed, From: origin, Key: string(key.ID), Note: "API key"}
	if owner.ID != "" {
		note.User = party(owner)
	}
	s.log.Warn("API key refused", "key", key.ID, "origin", origin, "code", curfew.ErrorCode(err))
	s.noteRefusal(ctx, note, err)
}

func (s *Service) noteRefusal(ctx context.Context, note audit.Record, err error) {
	now, code := s.sessions.Now(), curfew.ErrorCode(err)
	note.Outcome, note.Reason = audit.Refused, string(code)
	if code == curfew.CodeLimited {
		if note.Event = audit.SignInLimited; !s.limited.now(note.From, now) {
			return
		}
	}
	ctx, cancel := detach(ctx)
	defer cancel()
	if err := s.store.AppendAudit(ctx, now, note); err != nil {
		s.log.Error("a refused sign-in is missing from the audit log", "origin", note.From, "error", err)
	}
}

// sometimes says yes once a minute for each key, of up to so many keys. Its zero value is ready to use.
type sometimes struct {
	mu   sync.Mutex
	last map[string]time.Time
}

const (
	sometimesEvery = time.Minute
	sometimesKeys  = 1000
)

func (s *sometimes) now(key string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if last, ok := s.last[key]; ok && now.Sub(last) < sometimesEvery {
		return false
	}
	if len(s.last) >= sometimesKeys {
		s.drop(now)
	}
	if len(s.last) >= sometimesKeys {
		return false
	}
	if s.last == nil {
		s.last = map[string]time.Time{}
	}
	s.last[key] = now
	return true
}

// drop forgets the keys whose minute is over.
func (s *sometimes) drop(now time.Time) {
	for key, last := range s.last {
		if now.Sub(last) >= sometimesEvery {
			delete(s.last, key)
		}
	}
}
