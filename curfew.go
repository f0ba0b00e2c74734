// Package curfew manages sessions: who is signed in, until when, and no longer.
//
// A session is one sign-in on one client. It has a public ID and a secret token, of which only the SHA-256 is kept. It is
// live until its user has been inactive for its lifetime and grace, or until its absolute limit, or until somebody ends
// it; from then on every check refuses it, to the millisecond, whether or not anything has come by to clean up.
//
// A Manager holds the rules, and a Store keeps the sessions:
//
//	store := memory.NewSessions() // or sqlite.Open
//	sessions, err := curfew.New(ctx, store, curfew.Options{})
//	if err != nil {
//		return err
//	}
//	defer sessions.Close()
//
//	// Who has proved who they are gets a session, and its token in a cookie.
//	_, token, err := sessions.Start(ctx, curfew.Start{
//		User:     curfew.User{ID: "7", Name: "amara"},
//		Lifetime: 15 * time.Minute,
//		Grace:    curfew.DefaultGrace, // where pages show the Logout dialog
//	})
//	curfew.SetCookie(w, r, token)
//
//	// Each request is checked once; what a person did keeps the session alive, what a page did does not.
//	handler := sessions.Authenticate(mux)
//	session, err := curfew.FromContext(r.Context())
//
//	// Anybody's session ends at once.
//	_, err = sessions.End(ctx, id, curfew.Ending{Reason: curfew.ReasonTerminated, By: admin})
//
// The example App is a whole app with its own accounts, the middleware, and the guard of package gate in its pages.
//
// # What holds
//
// Once End has returned, no check that begins later succeeds, after any crash or restart. What a crash loses makes
// sessions end early, never late: the activity of the last twentieth of their lifetime, but at most of a minute, or after a
// pause longer than that of the last second. A start that was
// acknowledged survives the end of the process, an end that was acknowledged the loss of power, if the store says so of its
// writes. A clock set back makes no session longer. If the store can't be asked the answer is an error, never access.
//
// # Where things are
//
//	session.go     what a session is, and its clock
//	policy.go      limits and defaults
//	manager.go     the calls; check.go the hot path, cache.go and sweep.go what makes it fast, clock.go the time
//	store.go       what a store must do; packages memory and sqlite are stores, storetest is their proof
//	middleware.go  net/http; cookie.go and origin.go read and write what goes over the wire
//	account/       who may sign in
//	audit/         the log of what was done, each record chained to the one before
//	webhook/       telling other programs
//	httpapi/       the API over HTTP, and a client
//	gate/          in front of other apps: reverse proxy, forward-auth, and the guard, which shows the Logout dialog in pages
//	console/       the web pages
//	cmd/curfew     the program
package curfew
