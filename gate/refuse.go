package gate

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/internal/mount"
)

// signInPath leads to the sign-in page and from there to the path and query that were asked for.
func signInPath(uri string) string {
	return mount.Base + "/signin?next=" + url.QueryEscape(uri)
}

// problem is the document that says why a request does not pass (RFC 9457).
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
}

// refuse says why a request does not pass. A Location is the caller's to set.
func refuse(w http.ResponseWriter, status int, err error) {
	h := w.Header()
	h["Cache-Control"] = noStore
	h.Set("X-Content-Type-Options", "nosniff")
	switch status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", "Cookie")
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", "5")
	case http.StatusSeeOther:
		w.WriteHeader(status)
		return
	}
	body, _ := json.Marshal(problem{"about:blank", http.StatusText(status), status, detail(err)}) // it holds nothing that could fail
	h.Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	w.Write(append(body, '\n')) // a client that has left needs no answer
}

// detail is what strangers may read of an error.
func detail(err error) string {
	var e *curfew.Error
	switch code := curfew.ErrorCode(err); {
	case code == curfew.CodeEnded:
		return "the session has ended; sign in again"
	case errors.Is(err, curfew.ErrNoSession):
		return "sign in first"
	case (code == curfew.CodeInvalid || code == curfew.CodeDenied || errors.Is(err, errNoApp)) && errors.As(err, &e):
		return e.Message
	case code == curfew.CodeNotFound:
		return "sign in first"
	default:
		return "nobody knows at the moment who may pass; try again in a few seconds"
	}
}
