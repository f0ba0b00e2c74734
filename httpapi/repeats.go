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
	repeatsKept = time.Hour
	maxRepeats  = 1000
)

// repeats are the answers to calls that must have no second effect when they are repeated, by what the client calls them. They are in
// memory: after a restart, what would have a second effect is refused by the account's name or finds nothing more to end.
type repeats struct {
	mu     sync.Mutex
	secret []byte // what a body is compared by is of no use elsewhere, for it may hold a password
	first  map[string]*repeat
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
	name := fmt.Sprintf("%s\x00%s\x00%s %s\x00%s", c.account.ID, c.caller.name, c.Method, c.URL.Path, p.Key)
	for {
		earlier, mine, err := a.repeats.enter(name, body, a.Sessions.Now())
		if err != nil {
			return zero, err
		}
		if mine {
			return perform(a, name, earlier, f)
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
func perform[T any](a *api, name string, r *repeat, f func() (T, error)) (answer T, err error) {
	var kept any
	defer func() { a.repeats.leave(name, r, kept) }() // after a panic, too
	if answer, err = f(); err == nil {
		kept = answer
	}
	return answer, err
}

// enter returns the call that was made under the name, or a new one, which is mine to make.
func (rs *repeats) enter(name string, body any, now time.Time) (r *repeat, mine bool, err error) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.forget(now)
	sum, err := rs.sum(body)
	if err != nil {
		return nil, false, err
	}
	if r, ok := rs.first[name]; ok {
		if r.body != sum {
			return nil, false, errOtherCall
		}
		return r, false, nil
	}
	if len(rs.first) >= maxRepeats {
		return nil, false, errTooMany
	}
	r = &repeat{body: sum, at: now, done: make(chan struct{})}
	rs.first[name] = r
	return r, true, nil
}

// leave lets those who wait see how it went.
func (rs *repeats) leave(name string, r *repeat, answer any) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if r.answer = answer; answer == nil {
		delete(rs.first, name)
	}
	close(r.done)
}

// forget forgets calls that were made long ago.
func (rs *repeats) forget(now time.Time) {
	if rs.first == nil {
		rs.first, rs.secret = map[string]*repeat{}, []byte(rand.Text())
	}
	for name, r := range rs.first {
		if r.answer != nil && now.Sub(r.at) >= repeatsKept {
			delete(rs.first, name)
		}
	}
}

func (rs *repeats) sum(body any) (sum [sha256.Size]byte, err error) {
	text, err := json.Marshal(body)
	mac := hmac.New(sha256.New, rs.secret)
	mac.Write(text)
	mac.Sum(sum[:0])
	return sum, err
}
