package curfew_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/memory"
)

func Example() {
	ctx := context.Background()
	m, err := curfew.New(ctx, memory.NewSessions(), curfew.Options{})
	if err != nil {
		panic(err)
	}
	defer m.Close()

	// Somebody has given the right password:
	session, token, err := m.Start(ctx, curfew.Start{
		User:     curfew.User{ID: "u1", Name: "amara"},
		Lifetime: curfew.DefaultLifetime,
		Grace:    curfew.DefaultGrace,
	})
	if err != nil {
		panic(err)
	}
	fmt.Println(session.User.Name, "signed in with", token)

	// With every request:
	session, err = m.Check(ctx, token, curfew.Active)
	fmt.Println("accepted:", session.State(m.Now()), err)

	// From any other place, at any time:
	by := curfew.Actor{User: "u2", Name: "arslan"}
	if _, err := m.End(ctx, session.ID, curfew.Ending{Reason: curfew.ReasonTerminated, By: by}); err != nil {
		panic(err)
	}
	_, err = m.Check(ctx, token, curfew.Active)
	var ended *curfew.EndedError
	if errors.As(err, &ended) {
		fmt.Println("refused:", ended.Ended.Ending.Reason, "by", ended.Ended.Ending.By.Name)
	}
	// Output:
	// amara signed in with [token]
	// accepted: active <nil>
	// refused: terminated by arslan
}

func ExampleManager_Authenticate() {
	m, err := curfew.New(context.Background(), memory.NewSessions(), curfew.Options{})
	if err != nil {
		panic(err)
	}
	defer m.Close()

	mux := http.NewServeMux()
	mux.HandleFunc("POST /signin", func(w http.ResponseWriter, r *http.Request) {
		if r.PostFormValue("password") != "correct horse" { // ask your own accounts here
			http.Error(w, "wrong name or password", http.StatusUnauthorized)
			return
		}
		user := curfew.User{ID: "u1", Name: r.PostFormValue("username")} // without Grace, since no page shows a Logout dialog
		_, token, err := m.Start(r.Context(), curfew.Start{User: user, Lifetime: curfew.DefaultLifetime})
		if err != nil {
			http.Error(w, "try again later", http.StatusServiceUnavailable)
			return
		}
		curfew.SetCookie(w, r, token)
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		session, err := curfew.FromContext(r.Context())
		switch {
		case err == nil:
			fmt.Fprintf(w, "hello, %s", session.User.Name)
		case curfew.ErrorCode(err) == curfew.CodeUnavailable:
			http.Error(w, "try again later", http.StatusServiceUnavailable)
		default:
			http.Error(w, "please sign in", http.StatusUnauthorized)
		}
	})
	server := httptest.NewServer(http.NewCrossOriginProtection().Handler(m.Authenticate(mux)))
	defer server.Close()

	jar, _ := cookiejar.New(nil)
	browser := &http.Client{Jar: jar}
	show := func(r *http.Response, err error) {
		if err != nil {
			panic(err)
		}
		defer r.Body.Close()
		body, _ := io.ReadAll(r.Body)
		fmt.Println(r.StatusCode, string(body))
	}
	show(browser.Get(server.URL))
	show(browser.PostForm(server.URL+"/signin", map[string][]string{"username": {"amara"}, "password": {"correct horse"}}))
	// Output:
	// 401 please sign in
	//
	// 200 hello, amara
}

func ExampleManager_EndAll() {
	ctx := context.Background()
	m, err := curfew.New(ctx, memory.NewSessions(), curfew.Options{})
	if err != nil {
		panic(err)
	}
	defer m.Close()
	amara := curfew.User{ID: "u1", Name: "amara"}
	var tokens []curfew.Token
	for range 3 { // on a telephone, at home, at work
		_, token, err := m.Start(ctx, curfew.Start{User: amara, Lifetime: curfew.DefaultLifetime})
		if err != nil {
			panic(err)
		}
		tokens = append(tokens, token)
	}

	n, err := m.EndAll(ctx, curfew.Selection{User: amara.ID}, curfew.Ending{Reason: curfew.ReasonPasswordChanged})
	fmt.Println("ended:", n, err)
	for _, token := range tokens {
		_, err := m.Check(ctx, token, curfew.Active)
		fmt.Println(curfew.ErrorCode(err))
	}
	// Output:
	// ended: 3 <nil>
	// ended
	// ended
	// ended
}
