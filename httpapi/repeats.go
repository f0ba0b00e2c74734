package httpapi

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/curfewhq/curfew"
)

const (
	repeatsKept   = time.Hour
	maxRepeats    = 1000   // of one account, so that nobody uses up those of others
	maxAllRepeats = 50_000 // some 30 MB
)

// repeats are the answers to calls that must have no second effect when they are repeated, by what the client calls them. They are in
// memory: after a restart, what would have a second effect is refused by the account's name or finds nothing more to end.
type repeats struct {
	mu     sync.Mutex
	secret []byte // what a body is compared by is of no use elsewhere, for it may hold a password
	first  map[curfew.UserID]map[string]*repeat
	all    int
}

// repeat is a call that was made.
type repeat struct {
	body   [sha256.Size]byte
	at     time.Time
	done   chan struct{} // closed once there is an answer
	answer any           // nil if it failed, and may be tried again
}

var (
	errOtherCall = &curfew.Error{Code: curfew.CodeConflict, Message: "the Idempotency-Key was used for another call"}
	errTooMany   = &curfew.Error{Code: curfew.CodeLimited, Message: "too many calls with an Idempotency-Key", RetryAfter: time.Minute}
)

// once makes a call, but only the first time that the client makes it under this key. Who repeats it meanwhile waits. A call that
// failed changed nothing, and is made again.
func once[T any](a *api, c *call, p repeatable, body any, f func() (T, error)) (T, error) {
	var zero T
	if p.Key == "" {
		return f()
	}
	name := fmt.Sprintf("%s\x00%s %s\x00%s", c.caller.name, c.Method, c.URL.Path, p.Key)
	for {
		earlier, mine, err := a.repeats.enter(c.account.ID, name, body, a.Sessions.Now())
		if err != nil {
			return zero, err
		}
		if mine {
			return perform(a, c.account.ID, name, earlier, f)
		}
		select {
		case <-earlier.done:
		case <-c.Context().Done():
			return zero, c.Context().Err()
		}
		if answer, ok := earlier.answer.(T); ok {
			return answer, nil
		}
	}
}

// perform makes the call, and keeps its answer.
func perform[T any](a *api, owner curfew.UserID, name string, r *repeat, f func() (T, error)) (answer T, err error) {
	var kept any
	defer func() { a.repeats.leave(owner, name, r, kept) }() // after a panic, too
	if answer, err = f(); err == nil {
		kept = answer
	}
	return answer, err
}

// enter returns the call that was made under the name, or a new one, which is mine to make.
func (rs *repeats) enter(owner curfew.UserID, name string, body any, now time.Time) (r *repeat, mine bool, err error) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.first == nil {
		rs.first, rs.secret = map[curfew.UserID]map[string]*repeat{}, []byte(rand.Text())
	}
	sum, err := rs.sum(body)
	if err != nil {
		return nil, false, err
	}
	if r, ok := rs.first[owner][name]; ok && !r.isOver(now) {
		if r.body != sum {
			return nil, false, errOtherCall
		}
		return r, false, nil
	} else if ok {
		rs.drop(owner, name)
	}
	if !rs.hasRoom(owner, now) {
		return nil, false, errTooMany
	}
	r = &repeat{body: sum, at: now, done: make(chan struct{})}
	if rs.first[owner] == nil {
		rs.first[owner] = map[string]*repeat{}
	}
	rs.first[owner][name] = r
	rs.all++
	return r, true, nil
}

// isOver reports whether the call was made long ago.
func (r *repeat) isOver(now time.Time) bool { return r.answer != nil && now.Sub(r.at) >= repeatsKept }

// hasRoom forgets calls that were made long ago, if that makes the room for another.
func (rs *repeats) hasRoom(owner curfew.UserID, now time.Time) bool {
	if len(rs.first[owner]) >= maxRepeats {
		rs.forget(owner, now)
	}
	if rs.all >= maxAllRepeats {
		for one := range rs.first {
			rs.forget(one, now)
		}
	}
	return len(rs.first[owner]) < maxRepeats && rs.all < maxAllRepeats
}

// leave lets those who wait see how it went.
func (rs *repeats) leave(owner curfew.UserID, name string, r *repeat, answer any) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if r.answer = answer; answer == nil {
		rs.drop(owner, name)
	}
	close(r.done)
}

func (rs *repeats) forget(owner curfew.UserID, now time.Time) {
	for name, r := range rs.first[owner] {
		if r.isOver(now) {
			rs.drop(owner, name)
		}
	}
}

func (rs *repeats) drop(owner curfew.UserID, name string) {
	own := rs.first[owner]
	delete(own, name)
	rs.all--
	if len(own) == 0 {
		delete(rs.first, owner)
	}
}

func (rs *repeats) sum(body any) (sum [sha256.Size]byte, err error) {
	text, err := json.Marshal(body)
	mac := hmac.New(sha256.New, rs.secret)
	mac.Write(text)
	mac.Sum(sum[:0])
	return sum, err
}
