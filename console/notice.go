package console

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/curfewhq/curfew"
)

// notice is a sentence for the page that comes after a change: one of fixed sentences, and a name or number in it.
type notice struct {
	Code string
	Arg  string
	At   string // the address of the page that says it
}

const noticeCookie = "curfew-notice"

var noticeTexts = map[string]string{
	"signed-out":       "You are signed out.",
	"browser-known":    "You can sign in with this browser now.",
	"session-ended":    "Ended %s’s session.",
	"sessions-ended":   "Ended %s.",
	"lifetime-saved":   "Token lifetime is now %s.",
	"password-changed": "Your password is changed.",
	"others-ended":     "Your password is changed, and %s ended.",
	"user-added":       "Added %s.",
	"user-saved":       "Saved %s.",
	"user-password":    "%s has a new password.",
	"user-deleted":     "Deleted %s.",
	"key-revoked":      "Revoked the API key %s.",
	"hook-tested":      "%s took the test message.",
	"hook-refused":     "Not taken by %s.",
	"hook-retried":     "Trying %s.",
}

func (n notice) text() string {
	format, ok := noticeTexts[n.Code]
	switch {
	case !ok:
		return ""
	case n.Arg == "":
		return format
	default:
		return fmt.Sprintf(format, n.Arg)
	}
}

// set keeps the notice for the page at the address: another tab, which loads at the same time, must not take it. It
// holds nothing secret, and only fixed sentences come of it.
func (n notice) set(w http.ResponseWriter, r *request, at string) {
	if n.Code == "" {
		return
	}
	n.At = at
	b, err := json.Marshal(n)
	if err != nil {
		return
	}
	http.SetCookie(w, noticeOf(r, base64.RawURLEncoding.EncodeToString(b), 60))
}

// takeNotice returns the text of the notice that waits for this page, and takes it away.
func takeNotice(w http.ResponseWriter, r *request) string {
	k, err := r.Cookie(noticeCookie)
	if err != nil || r.fragment {
		return ""
	}
	n := parseNotice(k.Value)
	if n.At != "" && n.At != r.URL.RequestURI() {
		return ""
	}
	http.SetCookie(w, noticeOf(r, "", -1))
	return n.text()
}

// parseNotice reads a cookie; what can't be read is no notice.
func parseNotice(value string) notice {
	var n notice
	b, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil || len(b) > 512 || json.Unmarshal(b, &n) != nil {
		return notice{}
	}
	return n
}

func noticeOf(r *request, value string, maxAge int) *http.Cookie {
	return &http.Cookie{
		Name: noticeCookie, Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: true, Secure: curfew.OriginOf(r.Request).Secure, SameSite: http.SameSiteLaxMode,
	}
}
