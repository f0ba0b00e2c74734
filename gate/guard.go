// Package gate stands in front of web apps. Its guard is the script that reports activity from their pages, shows the
// Logout dialog in them, and takes them to sign-in when the session has ended. It asks below /.curfew/api/v1/session, which package
// httpapi answers, also for accounts that are kept elsewhere: the example "App" of package curfew has all of it.
package gate

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"net/http"
	"time"
)

// GuardPath is where pages expect the guard.
const GuardPath = "/.curfew/guard.js"

//go:embed guard.js
var guard []byte

// Guard returns a handler that serves the guard script. Browsers keep it, but ask each time whether it is still the
// same, so that a new version of Curfew and its script never disagree.
func Guard() http.Handler {
	sum := sha256.Sum256(guard)
	tag := `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD")
			http.Error(w, "405 method not allowed", http.StatusMethodNotAllowed)
			return
		}
		h.Set("Content-Type", "text/javascript; charset=utf-8")
		h.Set("Cache-Control", "no-cache")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("ETag", tag)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(guard))
	})
}
