package main

import (
	"context"
	"encoding/gob"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/curfewhq/curfew"
	"github.com/gorilla/sessions"
)

// signedIn is a handler behind somebody's middleware, and the cookie by which it knows amara.
type signedIn struct {
	handler http.Handler
	cookie  *http.Cookie
}

// measureMiddleware compares a request with a good cookie, from the middleware to a handler that reads the user's name.
func (b *bench) measureMiddleware() error {
	ours, stop, err := b.curfewHandler()
	if err != nil {
		return err
	}
	defer stop()
	theirs, err := scsHandler()
	if err != nil {
		return err
	}
	cookies, err := gorillaHandler()
	if err != nil {
		return err
	}
	slow, fast, ratio := compare(theirs.cost, ours.cost)
	b.add("middleware, against scs v2.9.0 (memory store, IdleTimeout)", "≥ 20 × as fast", fmt.Sprintf("%s: %s, scs %s",
		showSpread(ratio, showTimes), show(fast.median()), show(slow.median())), ratio.median() >= 20)
	allocs := ours.allocs()
	b.add("middleware: allocations", "≤ 2", fmt.Sprintf("%v, scs %v", allocs, theirs.allocs()), allocs <= 2)
	b.figure("gorilla/sessions v1.4.0, cookie store, which can end no session",
		fmt.Sprintf("%s, %v allocations", showSpread(rounds(compareRounds, cookies.cost), show), cookies.allocs()))
	return nil
}

func (b *bench) curfewHandler() (signedIn, func() error, error) {
	w, err := b.newWarm(1000)
	if err != nil {
		return signedIn{}, nil, err
	}
	rec := httptest.NewRecorder()
	curfew.SetCookie(rec, newRequest(nil), w.tokens[0])
	name := userOf(0).Name
	handler := w.Authenticate(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if s, err := curfew.FromContext(r.Context()); err != nil || s.User.Name != name {
			panic("nobody is signed in")
		}
	}))
	return signedIn{handler, rec.Result().Cookies()[0]}, w.Close, nil
}

func scsHandler() (signedIn, error) {
	m := scs.New()
	m.IdleTimeout = 20 * time.Minute
	ctx, err := m.Load(context.Background(), "")
	if err != nil {
		return signedIn{}, err
	}
	m.Put(ctx, "user", "amara")
	token, _, err := m.Commit(ctx)
	if err != nil {
		return signedIn{}, err
	}
	handler := m.LoadAndSave(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if m.GetString(r.Context(), "user") != "amara" {
			panic("nobody is signed in")
		}
	}))
	return signedIn{handler, &http.Cookie{Name: m.Cookie.Name, Value: token}}, nil
}

func gorillaHandler() (signedIn, error) {
	gob.Register("")
	store := sessions.NewCookieStore(make([]byte, 32))
	rec, r := httptest.NewRecorder(), newRequest(nil)
	s, err := store.Get(r, "session")
	if err != nil {
		return signedIn{}, err
	}
	s.Values["user"] = "amara"
	if err := s.Save(r, rec); err != nil {
		return signedIn{}, err
	}
	handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		r = r.WithContext(r.Context()) // it keeps what it has read in the request
		if s, err := store.Get(r, "session"); err != nil || s.Values["user"] != "amara" {
			panic("nobody is signed in")
		}
	})
	return signedIn{handler, rec.Result().Cookies()[0]}, nil
}

// cost is of one request, without what net/http does before and after the handler.
func (s signedIn) cost() float64 {
	type client struct {
		w blankWriter
		r *http.Request
	}
	clients := make([]client, runtime.GOMAXPROCS(0))
	for i := range clients {
		clients[i] = client{blankWriter{}, newRequest(s.cookie)}
	}
	return cost(func(worker int, _ uint64) {
		c := clients[worker]
		clear(c.w)
		s.handler.ServeHTTP(c.w, c.r)
	})
}

func (s signedIn) allocs() float64 {
	w, r := blankWriter{}, newRequest(s.cookie)
	return testing.AllocsPerRun(1000, func() {
		clear(w)
		s.handler.ServeHTTP(w, r)
	})
}

// newRequest is a click on a link, as a browser sends it.
func newRequest(cookie *http.Cookie) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "https://app.example/inbox", nil)
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	r.Header.Set("Sec-Fetch-Dest", "document")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Sec-Fetch-User", "?1")
	if cookie != nil {
		r.AddCookie(cookie)
	}
	return r
}

// blankWriter is a response that nobody reads.
type blankWriter http.Header

func (w blankWriter) Header() http.Header         { return http.Header(w) }
func (w blankWriter) Write(p []byte) (int, error) { return len(p), nil }
func (w blankWriter) WriteHeader(int)             {}
