package curfew_test

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/gate"
	"github.com/curfewhq/curfew/httpapi"
	"github.com/curfewhq/curfew/memory"
)

// An app with its own accounts: the engine keeps its sessions, the middleware keeps out who has none, and the guard shows the
// Logout dialog in its pages. Another app, which can't be changed, has a host of its own behind the same sign-in. Guard and gate
// look for sign-in and sign-out below /.curfew/, where no app has anything, unless they are told of others.
func Example_app() {
	sessions, err := curfew.New(context.Background(), memory.NewSessions(), curfew.Options{})
	if err != nil {
		panic(err)
	}
	defer sessions.Close()
	app := newApp(sessions, &url.URL{Scheme: "http", Host: "127.0.0.1:3000"}, curfew.DefaultLifetime)
	_ = &http.Server{Addr: "127.0.0.1:8080", Handler: app} // ListenAndServe
}

func newApp(sessions *curfew.Manager, wiki *url.URL, lifetime time.Duration) http.Handler {
	passwords := map[string]string{"amara": "a horse, a battery"} // yours are hashed
	protected, err := gate.New(gate.Options{Sessions: sessions, Apps: []gate.App{{Host: "wiki.example.com", Upstream: wiki}}})
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux() // what each host has
	mux.HandleFunc("GET /.curfew/signin", func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte(`<!doctype html><title>Log in</title><form method=post><input name=name><input name=password type=password><button>Log in`))
	})
	mux.HandleFunc("POST /.curfew/signin", func(w http.ResponseWriter, r *http.Request) {
		name := r.FormValue("name")
		if want, ok := passwords[name]; !ok || r.FormValue("password") != want {
			http.Error(w, "wrong", http.StatusForbidden)
			return
		}
		user := curfew.User{ID: curfew.UserID(name), Name: name}
		_, token, err := sessions.Start(r.Context(), curfew.Start{User: user, Lifetime: lifetime, Grace: curfew.DefaultGrace})
		if err != nil {
			http.Error(w, "try again later", http.StatusServiceUnavailable)
			return
		}
		curfew.SetCookie(w, r, token)
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.Handle("POST /.curfew/signout", sessions.SignOut("/.curfew/signin"))
	mux.Handle("GET /.curfew/guard.js", gate.Guard())
	mux.Handle("/.curfew/api/", http.StripPrefix("/.curfew", httpapi.New(httpapi.Options{Sessions: sessions})))
	apps := http.NewServeMux() // what each has of its own
	apps.Handle("/", curfew.Require("/.curfew/signin", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, _ := curfew.FromContext(r.Context())
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Write([]byte(`<!doctype html><script src="/.curfew/guard.js" defer></script>Hello, ` + session.User.Name))
	})))
	apps.Handle("wiki.example.com/", protected.Proxy())
	mux.Handle("/", apps)
	return http.NewCrossOriginProtection().Handler(sessions.Authenticate(mux))
}
