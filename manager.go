package curfew

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Activity says whether a check is made for something a person did.
type Activity bool

// What a check can be made for.
const (
	Passive Activity = false // a poll, a sub-resource, a look: the counter goes on
	Active  Activity = true  // a navigation, a change, input: the counter starts anew
)

// Options configure a Manager. The zero Options mean the defaults.
type Options struct {
	Policy Policy
	// Now is the wall clock; nil means time.Now. A clock set back is not followed: the manager's time goes on.
	Now func() time.Time
	// Logger gets what an operator should know. Nil means slog.Default().
	Logger *slog.Logger
	// CacheSize is how many sessions are kept in memory at most, at about 300 bytes each; 0 means 100,000.
	CacheSize int
}

// Start is what a new session is made of. Its user's ID and its lifetime are required.
type Start struct {
	User       User
	Credential Credential
	Client     Client
	Lifetime   time.Duration // of the user's account, see CheckLifetime
	Grace      time.Duration // DefaultGrace where a Logout dialog can be shown, else 0; whole milliseconds
}

// Manager holds all rules about sessions. Its methods may be called from many goroutines. Errors have a Code; when
// the store can't be reached it is CodeUnavailable, and no access may be given.
//
// What has begun to change sessions goes on when its context ends, for ten seconds at most, so that a client that hangs up
// leaves nothing half done. The context's values go with it: by OriginFrom the audit log knows where a change came from.
type Manager struct {
	store  Store
	policy Policy
	log    *slog.Logger
	clock  *clock
	cache  *cache
	hub    hub
	queue  queue
	// collected is when the queue last got what it did not have yet, in Unix milliseconds.
	collected  atomic.Int64
	collecting sync.Mutex

	flushing turn         // one batch of activity is written at a time
	changing turn         // the sessions of one user at a time
	starting sync.RWMutex // no session starts while everybody ends, first in the store and then in the cache

	stop context.CancelFunc
	done sync.WaitGroup
}

// storeTimeout bounds a change, which goes on when the request that asked for it is cancelled, so that what the
// store and the cache know can't part ways.
const storeTimeout = 10 * time.Second

// New returns a manager of the sessions in the store. Close it before the store, to write what is still in memory. The
// context is for New alone. The error has CodeInvalid without a store, or for a policy that can't be followed.
func New(ctx context.Context, store Store, opt Options) (*Manager, error) {
	if store == nil {
		return nil, &Error{Code: CodeInvalid, Field: "store", Message: "must not be nil; memory.NewSessions and sqlite.Open return one"}
	}
	policy := opt.Policy.withDefaults()
	if err := policy.check(); err != nil {
		return nil, err
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Logger == nil {
		opt.Logger = slog.Default()
	}
	if opt.CacheSize == 0 {
		opt.CacheSize = 100_000
	}
	floor, err := store.Clock(ctx)
	if err != nil {
		return nil, unavailable("read the clock", err)
	}
	background, stop := context.WithCancel(context.Background())
	m := &Manager{
		store: store, policy: policy, log: opt.Logger,
		clock: newClock(opt.Now, floor), cache: newCache(opt.CacheSize), queue: newQueue(),
		flushing: newTurn(), changing: newTurn(), stop: stop,
	}
	if behind := m.clock.behind(); behind > time.Second {
		m.log.Warn("the clock was set back; sessions go on by the later time", "behind", behind)
	}
	m.done.Go(func() { m.sweep(background) })
	return m, nil
}

// Close writes activity that is still in memory and stops the background work. Watchers' channels are closed. It is for
// when no more requests come, after http.Server.Shutdown: what is active later is not written. Close does no harm twice.
func (m *Manager) Close() error {
	m.stop()
	m.done.Wait()
	m.hub.close()
	ctx, cancel := change(context.Background())
	defer cancel()
	if err := m.flush(ctx, all); err != nil {
		return err
	}
	return m.tick(ctx)
}

// Now is the time by which the manager decides: the wall clock, but never set back.
func (m *Manager) Now() time.Time { return m.clock.Now() }

// Policy returns the rules in force, with defaults filled in.
func (m *Manager) Policy() Policy { return m.policy }

// Start makes a session. It is durable before Start returns. At the cap of Policy.MaxSessions the oldest sessions of
// the user end in the same step, or the error has CodeConflict. It has CodeInvalid, with the field, if no session can be
// made of st.
func (m *Manager) Start(ctx context.Context, st Start) (Session, Token, error) {
	if err := st.check(); err != nil {
		return Session{}, Token{}, err
	}
	ctx, cancel := change(ctx)
	defer cancel()
	now, token := m.clock.Now(), NewToken()
	r := Record{Hash: token.Hash(), Session: Session{
		ID: newSessionID(), User: st.User, Credential: st.Credential, Client: st.Client,
		CreatedAt: now, AuthenticatedAt: now, LastActive: now, Lifetime: st.Lifetime, Grace: st.Grace, ExpiresAt: now.Add(m.policy.MaxAge),
	}}
	if err := m.settle(ctx, now); err != nil {
		return Session{}, Token{}, err
	}
	if err := m.insert(ctx, now, r); err != nil {
		return Session{}, Token{}, err
	}
	m.hub.publish(Event{EventStarted, r.Session.ID, st.User.ID})
	return r.Session, token, nil
}

// insert puts a new session into the store and into the cache.
func (m *Manager) insert(ctx context.Context, now time.Time, r Record) error {
	m.starting.RLock()
	defer m.starting.RUnlock()
	epoch := m.cache.begin(r.Hash)
	replaced, err := m.store.Insert(ctx, now, r, m.policy.MaxSessions, m.policy.AtMax == RefuseNew)
	if err != nil {
		if m.policy.MaxSessions > 0 && ErrorCode(err) != CodeConflict {
			m.doubt(func(s Session) bool { return s.User.ID == r.Session.User.ID })
		}
		return unavailable("start session", err)
	}
	m.forgetEnded(replaced)
	m.cache.add(r, epoch)
	return nil
}

// doubt has the store say of sessions whether they have ended, after an error that leaves that open.
func (m *Manager) doubt(ended func(Session) bool) {
	m.cache.doubt(ended)
	m.hub.publish(Event{Kind: EventEnded})
}

// Check returns the session that has the token, as of now. If act is Active, the session's inactivity starts anew.
// The error is ErrNoSession for a token that no session has, and an *EndedError for a session that has ended.
func (m *Manager) Check(ctx context.Context, t Token, act Activity) (s Session, err error) {
	now := m.clock.milli()
	active := now
	if act == Passive {
		active = never
	}
	err = m.check(ctx, &s, t.Hash(), now, active)
	return s, err
}

// CheckLate is Check for something that a person did a while ago, and that is told only now: the session's inactivity
// starts anew from then. It brings back no session that has ended meanwhile.
func (m *Manager) CheckLate(ctx context.Context, t Token, ago time.Duration) (s Session, err error) {
	now := m.clock.milli()
	err = m.check(ctx, &s, t.Hash(), now, now-max(ago, 0).Milliseconds())
	return s, err
}

// Get returns the live session with the ID, or an error as Check does.
func (m *Manager) Get(ctx context.Context, id SessionID) (s Session, err error) {
	r, err := m.find(ctx, nil, id)
	if err != nil {
		return Session{}, err
	}
	err = m.check(ctx, &s, r.Hash, m.clock.milli(), never)
	return s, err
}

// Extend starts the inactivity of a live session anew, as the Extend Session button does; the absolute limit stays.
func (m *Manager) Extend(ctx context.Context, id SessionID) (Session, error) {
	return m.writeNow(ctx, Touch{ID: id})
}

// Authenticated notes that the user of a live session has just proved once more who they are, which is activity too.
func (m *Manager) Authenticated(ctx context.Context, id SessionID) (Session, error) {
	return m.writeNow(ctx, Touch{ID: id, Authenticated: true})
}

// writeNow writes activity of this moment, and returns the session with it.
func (m *Manager) writeNow(ctx context.Context, t Touch) (s Session, err error) {
	r, err := m.find(ctx, nil, t.ID)
	if err != nil {
		return Session{}, err
	}
	t.At = m.clock.Now()
	if err := m.check(ctx, &s, r.Hash, t.At.UnixMilli(), never); err != nil {
		return Session{}, err
	}
	if err := m.write(ctx, s, r.Hash, t.At, t); err != nil {
		return Session{}, err
	}
	err = m.check(ctx, &s, r.Hash, m.clock.milli(), never)
	return s, err
}

// End ends a session and returns its entry in the history. Ending an ended session changes nothing and returns the
// entry it has. ReasonTerminated from within the session itself, which e.By.Session is then, is ErrOwnSession; who signs out
// ends it with ReasonSignedOut. The error is ErrNoSession for an ID that no session has, and has CodeInvalid if e gives no
// reason.
func (m *Manager) End(ctx context.Context, id SessionID, e Ending) (Ended, error) {
	if e.Reason == ReasonTerminated && e.By.Session == id {
		return Ended{}, ErrOwnSession
	}
	n, err := m.EndAll(ctx, Selection{IDs: []SessionID{id}}, e)
	if err != nil {
		return Ended{}, err
	}
	ctx, cancel := change(ctx)
	defer cancel()
	_, err = m.find(ctx, nil, id)
	var ended *EndedError
	switch {
	case errors.As(err, &ended):
		return ended.Ended, nil
	case err == nil:
		return Ended{}, &Error{Code: CodeUnavailable, Message: fmt.Sprintf("session %s did not end (%d ended)", id, n)}
	default:
		return Ended{}, err
	}
}

// EndAll ends all selected sessions, or none if there is an error, and returns how many. A session from within which
// they are terminated, as e.By.Session says, is left out. The error has CodeInvalid if e gives no reason.
func (m *Manager) EndAll(ctx context.Context, sel Selection, e Ending) (int, error) {
	if e.Reason == "" {
		return 0, &Error{Code: CodeInvalid, Field: "reason", Message: "must say why the sessions end"}
	}
	if e.Reason == ReasonTerminated && e.By.Session != "" {
		if sel.Except != "" && sel.Except != e.By.Session {
			return 0, &Error{Code: CodeInvalid, Field: "except", Message: "can only be your own session"}
		}
		sel.Except = e.By.Session
	}
	ctx, cancel := change(ctx)
	defer cancel()
	now := m.clock.Now()
	if err := m.settle(ctx, now); err != nil {
		return 0, err
	}
	if sel.Everybody() {
		return m.endEverybody(ctx, now, sel, e)
	}
	n, ended, err := m.store.End(ctx, now, sel, e)
	if err != nil {
		m.doubt(func(s Session) bool { return sel.Selects(s, now) })
		return 0, unavailable("end sessions", err)
	}
	m.forgetEnded(ended)
	return n, nil
}

func (m *Manager) endEverybody(ctx context.Context, now time.Time, sel Selection, e Ending) (int, error) {
	m.starting.Lock()
	defer m.starting.Unlock()
	keep, err := m.kept(ctx, sel)
	if err != nil {
		return 0, err
	}
	n, _, err := m.store.End(ctx, now, sel, e)
	if err != nil {
		m.doubt(func(s Session) bool { return sel.Selects(s, now) })
		return 0, unavailable("end sessions", err)
	}
	m.cache.clear(keep)
	m.hub.publish(Event{Kind: EventEnded})
	return n, nil
}

// kept returns the hash of the session that a selection of everybody spares, if it is live.
func (m *Manager) kept(ctx context.Context, sel Selection) (TokenHash, error) {
	if sel.Except == "" {
		return TokenHash{}, nil
	}
	r, err := m.find(ctx, nil, sel.Except)
	if err != nil && ErrorCode(err) == CodeUnavailable {
		return TokenHash{}, err
	}
	return r.Hash, nil
}

// eventsAtOnce is how many ends watchers are told of one by one.
const eventsAtOnce = 16

// forgetEnded forgets sessions that have ended in the store, and tells watchers.
func (m *Manager) forgetEnded(ended []Key) {
	for _, k := range ended {
		m.cache.remove(k.Hash)
	}
	if len(ended) > eventsAtOnce {
		m.hub.publish(Event{Kind: EventEnded})
		return
	}
	for _, k := range ended {
		m.hub.publish(Event{EventEnded, k.ID, k.User})
	}
}

// SetLifetime gives all live sessions of the user the lifetime, for the idle time already passed too. The error has
// CodeInvalid for a lifetime that CheckLifetime refuses.
func (m *Manager) SetLifetime(ctx context.Context, user UserID, d time.Duration) error {
	if err := CheckLifetime(d); err != nil {
		return err
	}
	return m.update(ctx, user, Change{Lifetime: &d})
}

// SetFullName shows a new full name in the user's live sessions. History keeps the old one.
func (m *Manager) SetFullName(ctx context.Context, user UserID, name string) error {
	return m.update(ctx, user, Change{FullName: &name})
}

// update makes a change in the store and then in memory. What was acknowledged before must be judged by the old lifetime,
// and what comes later by the new one; so nothing is acknowledged in between that the store does not know.
func (m *Manager) update(ctx context.Context, user UserID, c Change) error {
	ctx, cancel := change(ctx)
	defer cancel()
	if err := m.changing.enter(ctx); err != nil {
		return err
	}
	defer m.changing.leave()
	m.cache.hold(user)
	if err := m.flush(ctx, of(user)); err != nil {
		m.cache.release(user)
		return err
	}
	now := m.clock.Now()
	if err := m.store.Update(ctx, now, user, c); err != nil {
		m.doubt(func(s Session) bool { return s.User.ID == user })
		m.cache.release(user)
		return unavailable("change sessions", err)
	}
	m.cache.update(user, now.UnixMilli(), c)
	m.hub.publish(Event{Kind: EventChanged, User: user})
	return nil
}

// Apply makes the change in a session.
func (c Change) Apply(s *Session) {
	if c.Lifetime != nil {
		s.Lifetime = *c.Lifetime
	}
	if c.FullName != nil {
		s.User.FullName = *c.FullName
	}
}

// List returns a page of live sessions. A cursor must come from a page of the same query: any other leads to a page, but nobody
// knows where it begins. The error has CodeInvalid for an order that is none of Sorts.
func (m *Manager) List(ctx context.Context, q Query) (Page, error) {
	q.Sort = cmp.Or(q.Sort, SortActivity)
	if err := q.Sort.check(); err != nil {
		return Page{}, err
	}
	q.Now, q.Limit = m.clock.Now(), PageSize(q.Limit)
	if err := m.settle(ctx, q.Now); err != nil {
		return Page{}, err
	}
	page, err := m.store.List(ctx, q)
	if err != nil {
		return Page{}, unavailable("list sessions", err)
	}
	for i := range page.Records {
		m.refresh(&page.Records[i])
	}
	if q.Sort == SortActivity {
		slices.SortStableFunc(page.Records, func(a, b Record) int {
			if q.Desc {
				a, b = b, a
			}
			return a.Session.LastActive.Compare(b.Session.LastActive)
		})
	}
	return page, nil
}

// refresh brings a record from the store up to the activity that is not yet written.
func (m *Manager) refresh(r *Record) {
	m.cache.look(r.Hash, func(e *entry) {
		r.Session.LastActive = later(r.Session.LastActive, fromMilli(e.lastActive.Load()))
	})
}

// Count counts the live sessions that List would go through.
func (m *Manager) Count(ctx context.Context, q Query) (Count, error) {
	q.Now = m.clock.Now()
	if err := m.settle(ctx, q.Now); err != nil {
		return Count{}, err
	}
	n, err := m.store.Count(ctx, q)
	if err != nil {
		return Count{}, unavailable("count sessions", err)
	}
	return n, nil
}

// History returns a page of ended sessions.
func (m *Manager) History(ctx context.Context, q HistoryQuery) (HistoryPage, error) {
	q.Limit = PageSize(q.Limit)
	page, err := m.store.History(ctx, q)
	if err != nil {
		return HistoryPage{}, unavailable("read history", err)
	}
	return page, nil
}

// Watch returns events from now on until ctx ends or the manager is closed; then the channel is closed. A session whose time
// is over is told of within a second or so, but refused before that. Who reads slowly holds up nobody: see Event.
func (m *Manager) Watch(ctx context.Context) <-chan Event { return m.hub.watch(ctx) }

// change is the context of a change to the store.
func change(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
}
