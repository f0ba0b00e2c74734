package gate_test

import (
	"context"
	"net/http"
	"net/url"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/gate"
	"github.com/curfewhq/curfew/memory"
)

// An app with its own accounts: the engine keeps its sessions, and the middleware keeps out who has none. Another app, which can't
// be changed, stands behind the same sign-in. The guard in the page asks at /.curfew/api/v1/session, which package httpapi answers
// for accounts of package account; for others the app must.
func Example() {
	passwords := map[string]string{"amara": "a horse, a battery"} // yours are hashed
	sessions, err := curfew.New(context.Background(), memory.NewSessions(), curfew.Options{})
	if err != nil {
		panic(err)
	}
	defer sessions.Close()
	wiki, err := gate.New(gate.Options{Sessions: sessions, SignIn: "/login", Apps: []gate.App{
		{Upstream: &url.URL{Scheme: "http", Host: "127.0.0.1:3000"}, NoGuard: true},
	}})
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		name := r.FormValue("name")
		if want, ok := passwords[name]; !ok || r.FormValue("password") != want {
			http.Error(w, "wrong", http.StatusForbidden)
			return
		}
		user := curfew.User{ID: curfew.UserID(name), Name: name}
		_, token, err := sessions.Start(r.Context(), curfew.Start{User: user, Lifetime: curfew.DefaultLifetime, Grace: curfew.DefaultGrace})
		if err == nil {
			curfew.SetCookie(w, r, token)
		}
	})
	mux.Handle("/", curfew.Require("/login", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, _ := curfew.FromContext(r.Context())
		w.Write([]byte(`<script src="/.curfew/guard.js" defer></script>Hello, ` + session.User.Name))
	})))
	mux.Handle("GET /.curfew/guard.js", gate.Guard())
	mux.Handle("wiki.example.com/", wiki.Proxy())
	_ = &http.Server{Addr: "127.0.0.1:8080", Handler: sessions.Authenticate(mux)} // ListenAndServe
}
