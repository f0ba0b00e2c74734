package console

import (
	"errors"
	"net/http"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
	"github.com/curfewhq/curfew/internal/landing"
	"github.com/curfewhq/curfew/internal/useragent"
)

type signInPage struct {
	frame
	Username string
	Next     string
	Ended    string // how the last session ended, if that is known
	Error    string
}

func (*signInPage) file() string { return "signin" }

func (c *console) signInForm(r *request) (answer, error) {
	next := c.next(r, r.URL.Query().Get("next"))
	if r.absent == nil {
		return answer{away: r.afterSignIn(next)}, nil
	}
	if !signedOut(r.absent) {
		return answer{}, r.absent
	}
	empty, err := c.Accounts.Empty(r.Context())
	if err != nil {
		return answer{}, err
	}
	if empty {
		return answer{location: "/setup"}, nil
	}
	p := newSignInPage(r, "", next)
	p.Ended = lastEnded(r)
	return answer{page: p, formTo: landing.Origin(next)}, nil
}

// lastEnded tells how the session ended whose token the client holds. Signing out takes the token away, in all tabs at some
// moment: those that are led here meanwhile all say the same, by what the guard or the token knows.
func lastEnded(r *request) string {
	ended, ok := endedOf(r.absent)
	switch {
	case ok && ended.Ending.Reason != curfew.ReasonSignedOut:
		return endedText(ended, "Your", r.clock)
	case ok, r.URL.Query().Get("ended") == string(curfew.ReasonSignedOut):
		return noticeTexts["signed-out"]
	default:
		return ""
	}
}

func newSignInPage(r *request, username, next string) *signInPage {
	return &signInPage{frame: frame{Title: "Sign in", Here: r.signInPath(next)}, Username: username, Next: next}
}

func (c *console) signIn(r *request) (answer, error) {
	device := account.DeviceOf(r.Request)
	_, token, err := c.Accounts.SignIn(r.Context(), account.Attempt{
		Name:     r.field("username"),
		Password: r.field("password"),
		Client:   curfew.Client{Origin: curfew.OriginOf(r.Request).Addr, Device: useragent.Describe(r.Header)},
		Device:   device,
	})
	if err != nil {
		return c.signInRefused(r, err)
	}
	c.leave(r)
	return answer{away: r.afterSignIn(c.next(r, r.field("next"))), token: &token, device: &device}, nil
}

// leave ends the session in which somebody signs in anew. The new one stands already, so a failure only leaves the old
// one to its clock.
func (c *console) leave(r *request) {
	if r.session.ID == "" {
		return
	}
	_, err := c.Sessions.End(r.Context(), r.session.ID, curfew.Ending{Reason: curfew.ReasonSignedOut, By: r.actor()})
	if err != nil {
		c.Logger.WarnContext(r.Context(), "can't end the session before", "session", r.session.ID, "error", err)
	}
}

// signInRefused shows the form again. Whatever was wrong with name and password, it says the same.
func (c *console) signInRefused(r *request, err error) (answer, error) {
	p := newSignInPage(r, r.field("username"), c.next(r, r.field("next")))
	a := answer{page: p, formTo: landing.Origin(p.Next)}
	var e *curfew.Error
	errors.As(err, &e)
	switch curfew.ErrorCode(err) {
	case curfew.CodeDenied, curfew.CodeInvalid, curfew.CodeNotFound:
		a.status, p.Error = http.StatusUnauthorized, account.ErrSignIn.Message
	case curfew.CodeLimited:
		a.status, p.Error, a.retryAfter = http.StatusTooManyRequests, tooOften(e.RetryAfter), max(e.RetryAfter, time.Second)
	case curfew.CodeConflict:
		a.status, p.Error = http.StatusConflict, atMax
	case curfew.CodeUnavailable:
		c.report(r, err)
		a.status, a.retryAfter = http.StatusServiceUnavailable, 5*time.Second
		p.Error = "Signing in does not work at the moment, whatever the password. Try again in a few seconds."
	default:
		return answer{}, err
	}
	return a, nil
}

const atMax = "This account has as many sessions as it may have. Sign out somewhere else first, or ask an administrator to end one."

// signOut ends the session, and only then takes the cookie away: if it can't be ended, the person must know.
func (c *console) signOut(r *request) (answer, error) {
	if r.absent != nil && !signedOut(r.absent) {
		return answer{}, r.absent
	}
	if r.absent == nil {
		_, err := c.Sessions.End(r.Context(), r.session.ID, curfew.Ending{Reason: curfew.ReasonSignedOut, By: r.actor()})
		if err != nil {
			return answer{}, err
		}
	}
	return answer{location: "/signin", signedOut: true, notice: notice{Code: "signed-out"}}, nil
}
