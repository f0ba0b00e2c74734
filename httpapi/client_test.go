package httpapi_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
	"github.com/curfewhq/curfew/httpapi"
)

var status = httpapi.Status{Version: "1.2.3", PID: 42, Address: "http://127.0.0.1:8080"}

// runControl runs a test in process and over a Unix socket.
func runControl(t *testing.T, f func(*testing.T, *kit, *httpapi.Client)) {
	t.Run("in process", func(t *testing.T) {
		k := newKit(t)
		defer k.close()
		f(t, k, httpapi.NewClient(httpapi.HandlerTransport(k.control())))
	})
	t.Run("over a socket", func(t *testing.T) {
		k := newKit(t)
		defer k.close()
		socket := filepath.Join(t.TempDir(), "curfew.sock")
		l, err := net.Listen("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewUnstartedServer(k.control())
		server.Listener.Close()
		server.Listener = l
		server.Start()
		defer server.Close()
		f(t, k, httpapi.NewClient(httpapi.SocketTransport(socket)))
	})
}

// control is the API of who runs the machine; what it answers is kept too.
func (k *kit) control() http.Handler {
	h := httpapi.NewControl(httpapi.ControlOptions{Sessions: k.sessions, Accounts: k.accounts, Status: status})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		k.keep(rec.Body.String())
		for name, values := range rec.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(rec.Code)
		w.Write(rec.Body.Bytes())
	})
}

// ids goes through the sessions of a user.
func ids(t *testing.T, c *httpapi.Client, user string) []curfew.SessionID {
	t.Helper()
	var found []curfew.SessionID
	for s, err := range c.Sessions(t.Context(), httpapi.Filter{User: user}) {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, s.ID)
	}
	return found
}

func named(user string) *httpapi.Filter { return &httpapi.Filter{User: user} }

func wantCode(t *testing.T, err error, code curfew.Code, words ...string) {
	t.Helper()
	if got := curfew.ErrorCode(err); got != code {
		t.Errorf("error %v has code %q, want %q", err, got, code)
	}
	for _, w := range words {
		if err == nil || !strings.Contains(err.Error(), w) {
			t.Errorf("error %q doesn't say %q", err, w)
		}
	}
}

func TestControlUsers(t *testing.T) {
	runControl(t, func(t *testing.T, k *kit, c *httpapi.Client) {
		ctx := k.t.Context()
		if got, err := c.Status(ctx); err != nil || got != status {
			t.Errorf("status %+v, %v", got, err)
		}
		u, err := c.AddUser(ctx, httpapi.NewUser{Username: "Amara", FullName: "Amara Okafor", Role: account.Admin, LifetimeSeconds: 60, Password: password})
		if err != nil || u.Username != "amara" || u.FullName != "Amara Okafor" || u.Role != account.Admin || u.LifetimeSeconds != 60 || !u.Enabled || u.ID == "" {
			t.Fatalf("added %+v, %v", u, err)
		}
		if _, err := c.AddUser(ctx, httpapi.NewUser{Username: "arslan", Role: account.User, Password: password}); err != nil {
			t.Fatal(err)
		}
		var names []string
		for u, err := range c.Users(ctx) {
			names = append(names, fmt.Sprint(u.Username, " ", u.LifetimeSeconds, " ", err))
		}
		if got := strings.Join(names, ", "); got != "amara 60 <nil>, arslan 300 <nil>" {
			t.Errorf("users: %s", got)
		}
		k.signIn("arslan")
		off, seconds := false, httpapi.Seconds(90)
		arslan, err := c.UserNamed(ctx, "arslan")
		if err != nil {
			t.Fatal(err)
		}
		u, err = c.UpdateUser(ctx, arslan.ID, httpapi.UserChange{Enabled: &off, LifetimeSeconds: &seconds})
		if err != nil || u.Enabled || u.LifetimeSeconds != 90 || u.LastSignInAt.IsZero() || len(ids(t, c, "arslan")) != 0 {
			t.Errorf("disabled: %+v, %v", u, err)
		}
		if err := c.DeleteUser(ctx, arslan.ID); err != nil {
			t.Error(err)
		}
		_, err = c.User(ctx, arslan.ID)
		wantCode(t, err, curfew.CodeNotFound)
		_, err = c.UserNamed(ctx, "arslan")
		wantCode(t, err, curfew.CodeNotFound, `"arslan"`)
	})
}

func TestControlPassword(t *testing.T) {
	runControl(t, func(t *testing.T, k *kit, c *httpapi.Client) {
		amara := k.user("amara", account.Admin)
		_, token := k.signIn("amara")
		if err := c.SetPassword(k.t.Context(), amara.ID, "another long password"); err != nil {
			t.Fatal(err)
		}
		_, err := k.sessions.Check(k.t.Context(), token, curfew.Passive)
		wantCode(t, err, curfew.CodeEnded)
		wantCode(t, c.SetPassword(k.t.Context(), amara.ID, "short"), curfew.CodeInvalid, "password")
		wantCode(t, c.SetPassword(k.t.Context(), "nobody", password), curfew.CodeNotFound)
	})
}

func TestControlRefusals(t *testing.T) {
	runControl(t, func(t *testing.T, k *kit, c *httpapi.Client) {
		ctx := k.t.Context()
		amara := k.user("amara", account.Admin)
		_, err := c.AddUser(ctx, httpapi.NewUser{Username: "amara", Role: account.User, Password: password})
		wantCode(t, err, curfew.CodeConflict)
		if e, ok := errors.AsType[*curfew.Error](err); !ok || e.Field != "username" {
			t.Errorf("a taken name: %#v", err)
		}
		_, err = c.AddUser(ctx, httpapi.NewUser{Username: "eve", Role: "root", Password: password})
		wantCode(t, err, curfew.CodeInvalid, "role")
		seconds := httpapi.Seconds(36028797018963998) // in nanoseconds this wraps around
		_, err = c.UpdateUser(ctx, amara.ID, httpapi.UserChange{LifetimeSeconds: &seconds})
		wantCode(t, err, curfew.CodeInvalid, "seconds")
		wantCode(t, c.DeleteUser(ctx, amara.ID), curfew.CodeConflict, "admin")
		for _, err := range c.Sessions(ctx, httpapi.Filter{User: "nobody"}) {
			wantCode(t, err, curfew.CodeNotFound, `"nobody"`)
		}
	})
}

func TestControlSessions(t *testing.T) {
	runControl(t, func(t *testing.T, k *kit, c *httpapi.Client) {
		k.user("amara", account.Admin)
		arslan := k.user("arslan", account.User)
		k.signIn("amara")
		const many = curfew.MaxPage + 1 // more than a page
		for range many {
			st := curfew.Start{User: curfew.User{ID: arslan.ID, Name: "arslan"}, Lifetime: time.Hour}
			if _, _, err := k.sessions.Start(k.t.Context(), st); err != nil {
				t.Fatal(err)
			}
		}
		for user, want := range map[string]int{"": many + 1, "arslan": many, "amara": 1} {
			q := httpapi.SessionQuery{Filter: httpapi.Filter{User: user}}
			if p, err := c.SessionPage(k.t.Context(), q); err != nil || p.Count != want || !p.CountExact {
				t.Errorf("count of %q: %d %v, %v", user, p.Count, p.CountExact, err)
			}
			var found []curfew.SessionID
			for s, err := range c.Sessions(k.t.Context(), httpapi.Filter{User: user}) {
				if err != nil {
					t.Fatal(err)
				}
				if found = append(found, s.ID); len(found) == 1 { // what happens meanwhile moves nothing
					if _, err := k.sessions.Extend(k.t.Context(), s.ID); err != nil {
						t.Fatal(err)
					}
				}
			}
			if n := len(found); n != want || len(slices.Compact(slices.Sorted(slices.Values(found)))) != n {
				t.Errorf("%d sessions of %q, want %d", n, user, want)
			}
		}
	})
}

func TestControlEnd(t *testing.T) {
	runControl(t, func(t *testing.T, k *kit, c *httpapi.Client) {
		ctx := k.t.Context()
		c.Operator = "root"
		k.user("amara", account.Admin)
		k.user("arslan", account.User)
		first, _ := k.signIn("amara")
		second, _ := k.signIn("amara")
		third, token := k.signIn("arslan")

		r, err := c.End(ctx, httpapi.End{IDs: []curfew.SessionID{third.ID, third.ID}, DryRun: true})
		if err != nil || r.Count != 1 || len(r.Sessions) != 1 || r.Sessions[0].ID != third.ID || len(ids(t, c, "")) != 3 {
			t.Fatalf("dry run: %+v, %v", r, err)
		}
		if r, err = c.End(ctx, httpapi.End{IDs: []curfew.SessionID{third.ID}}); err != nil || r.Count != 1 {
			t.Fatalf("end: %+v, %v", r, err)
		}
		_, err = k.sessions.Check(ctx, token, curfew.Passive)
		if ended, ok := errors.AsType[*curfew.EndedError](err); !ok || ended.Ended.Ending.By.Name != "root (command line)" || ended.Ended.Ending.Reason != curfew.ReasonTerminated {
			t.Errorf("the end reads %+v", err)
		}

		_, err = c.End(ctx, httpapi.End{IDs: []curfew.SessionID{first.ID, "nosuchid", third.ID}})
		wantCode(t, err, curfew.CodeNotFound, "nosuchid", "nothing was ended")
		two := 2
		_, err = c.End(ctx, httpapi.End{IDs: []curfew.SessionID{first.ID, third.ID}, Expect: &two})
		wantCode(t, err, curfew.CodeConflict, string(third.ID), "nothing was ended")
		for _, stranger := range []string{"nobody", " "} { // who runs the machine has no name, and is not meant by none
			_, err = c.End(ctx, httpapi.End{Filter: named(stranger)})
			wantCode(t, err, curfew.CodeNotFound, `"`+stranger+`"`)
		}
		for _, e := range []httpapi.End{{}, {Filter: named("")}, {Others: true, Filter: named("amara")}, {Others: true, IDs: []curfew.SessionID{first.ID}}} {
			_, err = c.End(ctx, e)
			wantCode(t, err, curfew.CodeInvalid)
		}
		if left := ids(t, c, ""); !slices.Contains(left, first.ID) || !slices.Contains(left, second.ID) {
			t.Errorf("left: %v", left)
		}

		if r, err = c.End(ctx, httpapi.End{Filter: named("amara"), DryRun: true}); err != nil || r.Count != 2 || len(r.Sessions) != 2 {
			t.Errorf("dry run of a user: %+v, %v", r, err)
		}
		if r, err = c.End(ctx, httpapi.End{Filter: named("arslan")}); err != nil || r.Count != 0 || len(ids(t, c, "")) != 2 {
			t.Errorf("a user without sessions: %+v, %v", r, err)
		}
		if r, err = c.End(ctx, httpapi.End{Others: true}); err != nil || r.Count != 2 || len(ids(t, c, "")) != 0 {
			t.Errorf("all: %+v, %v", r, err)
		}
	})
}

// Every error comes through as it was.
func TestErrorsRoundTrip(t *testing.T) {
	for want, code := range map[error]curfew.Code{
		&curfew.Error{Code: curfew.CodeInvalid, Field: "username", Message: "is odd"}: curfew.CodeInvalid,
		&curfew.EndedError{}: curfew.CodeEnded,
		&curfew.Error{Code: curfew.CodeDenied, Message: "not you"}:                                  curfew.CodeDenied,
		&curfew.Error{Code: curfew.CodeConflict, Message: "not now"}:                                curfew.CodeConflict,
		&curfew.Error{Code: curfew.CodeLimited, Message: "too often", RetryAfter: 90 * time.Second}: curfew.CodeLimited,
		&curfew.Error{Code: curfew.CodeUnavailable, Message: "write", Err: errors.New("disk full")}: curfew.CodeUnavailable,
		context.DeadlineExceeded:     curfew.CodeUnavailable,
		errors.New("something else"): curfew.CodeUnavailable, // as package account has it
	} {
		runControl(t, func(t *testing.T, k *kit, c *httpapi.Client) {
			k.store.find = func() error { return want }
			_, err := c.UserNamed(k.t.Context(), "amara")
			wantCode(t, err, code)
			got, ok := errors.AsType[*curfew.Error](err)
			if !ok {
				t.Fatalf("%v came through as %T %v", want, err, err)
			}
			if e, ok := errors.AsType[*curfew.Error](want); ok && e.Err == nil && (got.Field != e.Field || got.Message != e.Message || got.RetryAfter != e.RetryAfter) {
				t.Errorf("%+v came through as %+v", e, got)
			}
			if code == curfew.CodeUnavailable && !strings.Contains(err.Error(), want.Error()) {
				t.Errorf("%v came through without its cause: %v", want, err)
			}
		})
	}
}

func TestServerGone(t *testing.T) {
	c := httpapi.NewClient(httpapi.SocketTransport(filepath.Join(t.TempDir(), "curfew.sock")))
	if _, err := c.Status(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a socket: %v", err)
	}
}

func TestControlUnlock(t *testing.T) {
	runControl(t, func(t *testing.T, k *kit, c *httpapi.Client) {
		amara := k.user("amara", account.Admin)
		u, err := c.Unlock(k.t.Context(), amara.ID)
		if err != nil {
			t.Fatal(err)
		}
		device := account.DeviceOf(httptest.NewRequest("POST", "/", nil))
		if err := k.accounts.KnowDevice(k.t.Context(), u.Code, device); err != nil {
			t.Errorf("the code: %v", err)
		}
		_, err = c.Unlock(k.t.Context(), "nobody")
		wantCode(t, err, curfew.CodeNotFound)
	})
}

// remote is a client of the API of people in their sessions, over HTTP.
func (k *kit) remote(token curfew.Token) *httpapi.Client {
	server := httptest.NewServer(k.api)
	k.t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	c := httpapi.NewClient(http.DefaultTransport)
	c.Server = server.URL + "/"
	c.Authorize = func(r *http.Request) { r.AddCookie(&http.Cookie{Name: curfew.PlainCookie, Value: token.Reveal()}) }
	return c
}

func TestClientOfPeople(t *testing.T) {
	k := newKit(t)
	defer k.close()
	k.user("amara", account.Admin)
	k.user("arslan", account.User)
	own, token := k.signIn("amara")
	ctx, c := t.Context(), k.remote(token)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	s, err := c.Session(ctx)
	if must(err); s.ID != own.ID || !s.Current {
		t.Errorf("own session: %+v", s)
	}
	_, err = c.Extend(ctx)
	must(err)
	_, err = c.Report(ctx, time.Second)
	must(err)
	_, err = c.Prove(ctx, password)
	must(err)
	_, err = c.Prove(ctx, "wrong")
	wantCode(t, err, curfew.CodeDenied, "current_password")
	u, err := c.UpdateAccount(ctx, httpapi.AccountChange{FullName: "Amara Okafor", LifetimeSeconds: 900})
	if must(err); u.FullName != "Amara Okafor" || u.LifetimeSeconds != 900 {
		t.Errorf("changed: %+v", u)
	}
	must(c.SetLifetime(ctx, time.Minute))
	if u, err = c.Account(ctx); err != nil || u.LifetimeSeconds != 60 {
		t.Errorf("account: %+v, %v", u, err)
	}
	wantCode(t, c.SetLifetime(ctx, time.Second), curfew.CodeInvalid, "seconds")

	other, _ := k.signIn("arslan")
	if s, err = c.FindSession(ctx, other.ID); err != nil || s.Username != "arslan" {
		t.Errorf("found %+v, %v", s, err)
	}
	p, err := c.SessionPage(ctx, httpapi.SessionQuery{Filter: httpapi.Filter{User: "arslan", StartedAfter: time.Now().Add(-time.Hour)}, Sort: "-started"})
	if must(err); p.Count != 1 || len(p.Sessions) != 1 {
		t.Errorf("page: %+v", p)
	}
	wantCode(t, c.EndSession(ctx, own.ID), curfew.CodeConflict)
	must(c.EndSession(ctx, other.ID))
	k.signIn("arslan")
	e, err := c.EndUserSessions(ctx, other.User.ID)
	if must(err); e.Count != 1 {
		t.Errorf("%d sessions ended", e.Count)
	}
	n := 0
	for s, err := range c.History(ctx, httpapi.HistoryQuery{Actor: "amara", Reason: "terminated"}) {
		if must(err); s.Username == "arslan" && s.EndedBy == "amara" {
			n++
		}
	}
	var lines strings.Builder
	must(c.Export(ctx, httpapi.HistoryQuery{Format: "csv"}, &lines))
	if n != 2 || strings.Count(lines.String(), "\r\n") != 3 {
		t.Errorf("history: %d, %s", n, &lines)
	}
	_, err = c.ChangePassword(ctx, httpapi.PasswordChange{CurrentPassword: password, Password: "another long password"})
	must(err)
	_, err = c.Status(ctx)
	wantCode(t, err, curfew.CodeNotFound) // only who runs the machine has it
	must(c.SignOut(ctx))
	_, err = c.Account(ctx)
	wantCode(t, err, curfew.CodeEnded)
}

func TestClientWatches(t *testing.T) {
	k := newKit(t)
	defer k.close()
	k.user("amara", account.Admin)
	k.user("arslan", account.User)
	_, token := k.signIn("amara")
	c := k.remote(token)
	var last string
	for e, err := range watch(t, c, "") {
		if err != nil || !e.Reset {
			t.Fatalf("%+v, %v", e, err)
		}
		last = e.ID
		break
	}
	first, _ := k.signIn("arslan")
	if _, err := k.sessions.End(t.Context(), first.ID, curfew.Ending{Reason: curfew.ReasonTerminated}); err != nil {
		t.Fatal(err)
	}
	want := []curfew.EventKind{curfew.EventStarted, curfew.EventEnded}
	for e, err := range watch(t, c, last) {
		if err != nil || e.Kind != want[0] || e.Session.ID != first.ID {
			t.Fatalf("%+v, %v; want %s", e, err, want[0])
		}
		if want = want[1:]; len(want) == 0 {
			break
		}
	}
	var err error
	close(k.stopping)
	for _, err = range watch(t, c, "") {
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the end of the stream: %v", err)
	}
}

// watch must be let in.
func watch(t *testing.T, c *httpapi.Client, after string) iter.Seq2[httpapi.SessionEvent, error] {
	t.Helper()
	events, err := c.Watch(t.Context(), after)
	if err != nil {
		t.Fatal(err)
	}
	return events
}

func TestClientIsToldOfProof(t *testing.T) {
	run(t, func(k *kit) {
		k.user("amara", account.Admin)
		_, token := k.signIn("amara")
		c := httpapi.NewClient(httpapi.HandlerTransport(k.api))
		c.Authorize = func(r *http.Request) { r.AddCookie(&http.Cookie{Name: curfew.PlainCookie, Value: token.Reveal()}) }
		for range 3 {
			time.Sleep(4 * time.Minute)
			if _, err := c.Extend(k.t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := c.End(k.t.Context(), httpapi.End{Others: true}); !errors.Is(err, httpapi.ErrProofNeeded) {
			t.Errorf("%v", err)
		}
		if _, err := c.Prove(k.t.Context(), password); err != nil {
			t.Fatal(err)
		}
		if _, err := c.End(k.t.Context(), httpapi.End{Others: true}); err != nil {
			t.Error(err)
		}
	})
}
