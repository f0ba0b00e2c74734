package console

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"sync"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
)

// setupLife is how long a setup code is good.
const setupLife = 15 * time.Minute

// Setup keeps the one-time code by which whoever started the server proves it, to make the first account. It may be
// used by many goroutines.
type Setup struct {
	now func() time.Time

	mu      sync.Mutex
	hash    [sha256.Size]byte
	expires time.Time // zero: there is no code
}

// NewSetup returns a Setup without a code; see NewCode. A nil now means time.Now.
func NewSetup(now func() time.Time) *Setup {
	if now == nil {
		now = time.Now
	}
	return &Setup{now: now}
}

// NewCode makes a code of 130 random bits that is good once, for 15 minutes, and takes the place of any before it. It is
// kept as a hash, so nobody but the caller can show it.
func (s *Setup) NewCode() string {
	code := rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hash, s.expires = sha256.Sum256([]byte(code)), s.now().Add(setupLife)
	return code
}

// Valid reports whether there is a code that is still good.
func (s *Setup) Valid() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now().Before(s.expires)
}

var errSetupCode = &curfew.Error{Code: curfew.CodeDenied, Message: "This setup link is wrong or no longer good."}

// check returns nil for the right code in time. Wrong ones are not counted: nobody guesses 130 bits, and a limit would
// let strangers keep the owner out.
func (s *Setup) check(code string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	hash := sha256.Sum256([]byte(code))
	if subtle.ConstantTimeCompare(hash[:], s.hash[:]) == 1 && s.now().Before(s.expires) {
		return nil
	}
	return errSetupCode
}

// finish makes the code useless.
func (s *Setup) finish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expires = time.Time{}
}

type setupPage struct {
	frame
	Code     string // empty: the link is not good, and Message says why
	Message  string
	Username string
	FullName string
	Errors   fieldErrors
}

func (*setupPage) file() string { return "setup" }

// home leads to the page that somebody without an address wants.
func (c *console) home(r *request) (answer, error) {
	if r.absent == nil {
		return answer{location: homePath}, nil
	}
	if !signedOut(r.absent) {
		return answer{}, r.absent
	}
	return c.firstPage(r)
}

func (c *console) firstPage(r *request) (answer, error) {
	empty, err := c.Accounts.Empty(r.Context())
	switch {
	case err != nil:
		return answer{}, err
	case empty:
		return answer{location: "/setup"}, nil
	default:
		return answer{location: r.signInPath(r.base() + homePath)}, nil // and not to the app, if there is one
	}
}

func (c *console) setupForm(r *request) (answer, error) {
	code := r.URL.Query().Get("code")
	if closed, err := c.setupClosed(r, code); err != nil {
		return answer{}, err
	} else if closed != nil {
		return *closed, nil
	}
	return answer{page: newSetupPage(r, code, nil)}, nil
}

func (c *console) setUp(r *request) (answer, error) {
	code := r.field("code")
	if closed, err := c.setupClosed(r, code); err != nil {
		return answer{}, err
	} else if closed != nil {
		return *closed, nil
	}
	fields := account.Fields{
		Name: r.field("username"), FullName: r.field("full_name"), Role: account.Admin, Password: r.field("password"),
	}
	errs := fieldErrors{}
	errs.add(fields.Mistakes()...)
	errs.needSame(r)
	if len(errs) > 0 {
		return refusal{}.with(errs).answer(newSetupPage(r, code, errs)), nil
	}
	if _, err := c.Accounts.CreateFirst(r.Context(), fields); err != nil {
		f, err := refused(err, "", "username", "full_name", "password")
		return f.answer(newSetupPage(r, code, f.errs)), err
	}
	c.Setup.finish()
	a, err := c.signIn(r)
	if a.away != "" {
		a.away, a.location = "", homePath // whoever sets up Curfew wants to see it
	}
	return a, err
}

const differs = "The two passwords differ."

// setupClosed answers where there is nothing to set up, or not with this code; nil where there is.
func (c *console) setupClosed(r *request, code string) (*answer, error) {
	empty, err := c.Accounts.Empty(r.Context())
	switch {
	case err != nil:
		return nil, err
	case !empty:
		return &answer{location: "/signin"}, nil
	case c.Setup == nil || code == "":
		return setupShut(http.StatusForbidden, "To make the first account, open the setup link that Curfew printed when it started."), nil
	}
	if c.Setup.check(code) != nil {
		return setupShut(http.StatusForbidden, "This setup link is wrong, used, or older than 15 minutes. Restart Curfew: it prints a new one."), nil
	}
	return nil, nil
}

func setupShut(status int, message string) *answer {
	return &answer{status: status, page: &setupPage{frame: setupFrame(), Message: message}}
}

func newSetupPage(r *request, code string, errs fieldErrors) *setupPage {
	return &setupPage{frame: setupFrame(), Code: code, Username: r.field("username"), FullName: r.field("full_name"), Errors: errs}
}

// setupFrame keeps the code out of the page's own address, which stands in the page.
func setupFrame() frame { return frame{Title: "Set up Curfew", Here: "/setup"} }
