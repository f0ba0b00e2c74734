package console

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
	"github.com/curfewhq/curfew/internal/fault"
	"github.com/curfewhq/curfew/internal/landing"
)

// answer is what a handler wants to be done: show a page or go to a location.
type answer struct {
	status     int // 0 means 200
	page       page
	location   string          // for 303: an address of ours, without the base; takes precedence over page
	away       string          // likewise: any address on this host, such as a page of an app
	notice     notice          // said on the page that comes next
	token      *curfew.Token   // handed to the client
	device     *account.Device // likewise
	signedOut  bool            // take the token away, and what the browser has cached
	cookie     *http.Cookie
	changed    bool   // the page behind the dialog is to look again
	formTo     string // another origin to which the page's forms may lead; empty: none
	retryAfter time.Duration
}

// handler answers one route: it lets in, runs, and renders before the first byte goes out.
func (c *console) handler(rt route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, hr *http.Request) {
		r := &request{Request: hr, clock: clock{now: time.Now(), zone: time.UTC}}
		a, err := c.run(rt, r)
		if err == nil {
			err = c.write(w, r, a)
		}
		if err != nil {
			c.fail(w, r, err)
		}
	})
}

// run is the handler with a net under it: a panic becomes an error, and the process lives.
func (c *console) run(rt route, r *request) (a answer, err error) {
	defer func() {
		if p := fault.Recovered(recover()); p != nil {
			err = p
		}
	}()
	*r = *c.newRequest(r.Request)
	if account.HoldsKeySecret(r.URL.Path) { // before a failure could put it into the log
		return answer{}, errNotFound
	}
	if err := r.admit(rt.access); signedOut(err) {
		return r.toSignIn(), nil
	} else if err != nil {
		return answer{}, err
	}
	if err := r.readForm(); err != nil {
		return answer{}, err
	}
	return rt.handler(c, r)
}

// toSignIn leads to the sign-in page and from there back to the page that was asked for.
func (r *request) toSignIn() answer {
	next := r.base() + r.URL.RequestURI()
	switch {
	case r.fragment:
		next = landing.Path(currentPath(r.Request))
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		next = ""
	}
	return answer{location: r.signInPath(next)}
}

func (r *request) signInPath(next string) string {
	if next == "" || next == r.afterSignIn("") {
		return "/signin"
	}
	return "/signin?next=" + url.QueryEscape(next)
}

// currentPath is the page on which htmx runs, which is what a person wants back, and not the part it asked for.
func currentPath(r *http.Request) string {
	u, err := url.Parse(r.Header.Get("HX-Current-URL"))
	if err != nil {
		return ""
	}
	return u.RequestURI()
}

func (c *console) write(w http.ResponseWriter, r *request, a answer) error {
	if a.location != "" || a.away != "" {
		c.setCookies(w, r, a)
		return c.redirect(w, r, a)
	}
	f := a.page.base()
	c.fillFrame(f, w, r)
	var b bytes.Buffer
	if err := c.pages[r.base()][a.page.file()].Execute(&b, a.page); err != nil {
		return err
	}
	if a.formTo != "" {
		w.Header().Set("Content-Security-Policy", strings.Replace(contentPolicy, "form-action 'self'", "form-action 'self' "+a.formTo, 1))
	}
	c.setCookies(w, r, a)
	if a.changed && r.fragment {
		w.Header().Set("HX-Trigger", "curfew:changed")
	}
	if a.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(retrySeconds(a.retryAfter)))
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(a.statusFor(r))
	_, err := w.Write(b.Bytes())
	if err != nil {
		c.Logger.DebugContext(r.Context(), "the client left", "error", err)
	}
	return nil
}

// statusFor is the page's status. To htmx a form with messages in it is an answer like any other: browsers log a
// failed fetch as an error of the page, which this is not.
func (a answer) statusFor(r *request) int {
	if a.status == 0 || r.fragment && a.status == http.StatusUnprocessableEntity {
		return http.StatusOK
	}
	return a.status
}

func (c *console) setCookies(w http.ResponseWriter, r *request, a answer) {
	if a.token != nil {
		curfew.SetCookie(w, r.Request, *a.token)
	}
	if a.device != nil {
		account.SetDevice(w, r.Request, *a.device)
	}
	if a.signedOut {
		curfew.ClearCookie(w, r.Request)
		w.Header().Set("Clear-Site-Data", `"cache"`)
	}
	if a.cookie != nil {
		http.SetCookie(w, a.cookie)
	}
}

// redirect sends the browser on. htmx, which can't see a redirect, is told in its own headers: to go there or, if
// there is a notice, to say it where it is and look again.
func (c *console) redirect(w http.ResponseWriter, r *request, a answer) error {
	to := a.away
	if to == "" {
		to = r.base() + a.location
	}
	switch {
	case r.fragment && a.notice.Code != "":
		detail, err := json.Marshal(map[string]map[string]string{"curfew:done": {"message": a.notice.text()}})
		if err != nil {
			return err
		}
		w.Header().Set("HX-Trigger", asciiJSON(detail))
		w.WriteHeader(http.StatusNoContent)
	case r.fragment:
		w.Header().Set("HX-Redirect", to)
		w.WriteHeader(http.StatusNoContent)
	default:
		a.notice.set(w, r, a.location)
		w.Header().Set("Location", to)
		w.WriteHeader(http.StatusSeeOther)
	}
	return nil
}

// asciiJSON escapes what a header can't carry.
func asciiJSON(b []byte) string {
	var out []byte
	for _, r := range string(b) {
		switch {
		case r < 0x80:
			out = append(out, byte(r))
		case r < 0x10000:
			out = appendUnit(out, r)
		default:
			r -= 0x10000
			out = appendUnit(appendUnit(out, 0xd800+r>>10), 0xdc00+r&0x3ff)
		}
	}
	return string(out)
}

func appendUnit(b []byte, unit rune) []byte {
	const hex = "0123456789abcdef"
	return append(b, '\\', 'u', hex[unit>>12&15], hex[unit>>8&15], hex[unit>>4&15], hex[unit&15])
}
