package gate

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/internal/mount"
)

// App is a web app that Curfew protects. The zero Rules mean that any account may use all of it.
type App struct {
	Host     string   // the host name that people ask for, without a port; "" takes the hosts that no other app has
	Upstream *url.URL // where the proxy finds it: http, https, or unix with the path of a socket; not for forward-auth
	OwnHost  bool     // ask it under its upstream's host, instead of the one that the client asked for, and as if from that origin
	Rules    []Rule   // the first that matches counts; where none does, any account may
	NoGuard  bool     // the guard is put into none of its pages
}

// Rule says who may use a part of an app.
type Rule struct {
	Path    string // "/a" is /a and all that is below it, by whole segments; in the case it is written in
	Exact   bool   // only Path itself
	Access  Access // the zero Access is any account
	Passive bool   // requests never count as activity
	NoGuard bool   // the guard is not put into pages
}

// Access says who may. Of roles and users it is enough to be one.
type Access struct {
	Public bool     // anybody, signed in or not
	Roles  []string // accounts with one of these roles
	Users  []string // accounts with one of these user names
}

// allows reports whether somebody who is signed in may.
func (a Access) allows(user curfew.User, role string) bool {
	return a.Public || len(a.Roles) == 0 && len(a.Users) == 0 ||
		slices.Contains(a.Roles, role) || slices.Contains(a.Users, user.Name)
}

func (a Access) check() error {
	if a.Public && (len(a.Roles) > 0 || len(a.Users) > 0) {
		return invalid("access", "is either public or for some roles and users")
	}
	if slices.Contains(a.Roles, "") {
		return invalid("roles", "must not be empty")
	}
	if slices.Contains(a.Users, "") {
		return invalid("users", "must not be empty")
	}
	return nil
}

// Check returns an error of curfew.CodeInvalid, with the field that is wrong, unless the rule can be followed.
func (r Rule) Check() error {
	if path, plain := canonicalPath(r.Path); !plain || path != r.Path {
		return invalid("path", fmt.Sprintf("%q must begin with / and be written out, without // or ., and without escapes such as %%2f", r.Path))
	}
	if len(r.Path) > 1 && strings.HasSuffix(r.Path, "/") && !r.Exact {
		return invalid("path", fmt.Sprintf("%q must not end with /: it is for all that is below it anyway", r.Path))
	}
	if mount.Has(r.Path) {
		return invalid("path", fmt.Sprintf("%q is Curfew's own; no rule changes it", r.Path))
	}
	return r.Access.check()
}

// matches reports whether the rule is for the path, which is canonical. Near means that it would be in another case: to
// an app that does not tell a from A it is the rule's path.
func (r Rule) matches(path string) (ok, near bool) {
	n := len(r.Path)
	switch {
	case r.Path == "/" && !r.Exact:
		return true, false
	case strings.HasPrefix(path, r.Path) && (len(path) == n || !r.Exact && path[n] == '/'):
		return true, false
	}
	head := segments(path, strings.Count(r.Path, "/"))
	return false, (!r.Exact || head == path) && strings.EqualFold(head, r.Path)
}

// segments returns the first n segments of a path. In another case they may be longer: "K" is also a letter of three bytes.
func segments(path string, n int) string {
	for i := range len(path) {
		if path[i] == '/' {
			if n == 0 {
				return path[:i]
			}
			n--
		}
	}
	return path
}

// rule returns the first rule for the path. It refuses a path that different programs read differently, where that
// could lead past a rule.
func (a *App) rule(path string, plain bool) (Rule, error) {
	if len(a.Rules) == 0 {
		return Rule{Path: "/"}, nil
	}
	if !plain {
		return Rule{}, errAmbiguous
	}
	for _, r := range a.Rules {
		ok, near := r.matches(path)
		if ok {
			return r, nil
		}
		if near {
			return Rule{}, errAmbiguous
		}
	}
	return Rule{Path: "/"}, nil
}

// Check returns an error of curfew.CodeInvalid, with the field that is wrong, unless the app can be served.
func (a App) Check() error {
	if a.Host != "" {
		if err := CheckHost(a.Host); err != nil {
			return err
		}
	}
	if err := checkUpstream(a.Upstream); err != nil {
		return err
	}
	for i, r := range a.Rules {
		if err := r.Check(); err != nil {
			return err
		}
		if slices.ContainsFunc(a.Rules[:i], func(before Rule) bool { return before.covers(r) }) {
			return invalid("path", fmt.Sprintf("%q comes after a rule for the same or all of it, so it is never reached", r.Path))
		}
	}
	return nil
}

// CheckHost returns an error of curfew.CodeInvalid unless the host is written as apps' hosts are: a name or an address in lower
// case, without a port.
func CheckHost(host string) error {
	canonical, ok := canonicalHost(host)
	switch {
	case ok && canonical == host:
		return nil
	case strings.Contains(host, "/"):
		return invalid("host", fmt.Sprintf("%q must be a host name alone, such as app.example.com, without https:// and path", host))
	default:
		return invalid("host", fmt.Sprintf("%q must be a host name in lower case, without a port, such as app.example.com", host))
	}
}

// covers reports whether nothing of a later rule is left by this one.
func (r Rule) covers(later Rule) bool {
	ok, _ := r.matches(later.Path)
	return ok && (!r.Exact || later.Exact)
}

func checkUpstream(u *url.URL) error {
	if u == nil { // for forward-auth there is none
		return nil
	}
	switch {
	case u.Scheme == "unix":
		if u.Host != "" || !strings.HasPrefix(u.Path, "/") {
			return invalid("upstream", "must be such as unix:///run/app.sock, with the whole path of the socket")
		}
	case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return invalid("upstream", "must be such as http://127.0.0.1:3000, https://app.internal or unix:///run/app.sock")
	case u.Path != "" && u.Path != "/":
		return invalid("upstream", "must not have a path: the app gets the paths that people ask for")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return invalid("upstream", fmt.Sprintf("has the port %s; ports are from 1 to 65535", port))
		}
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return invalid("upstream", "must not have a user, a query or a fragment")
	}
	return nil
}

// CheckApps checks each app, and that no two have one host.
func CheckApps(apps []App) error {
	hosts := map[string]bool{}
	for _, a := range apps {
		if err := a.Check(); err != nil {
			return err
		}
		if hosts[a.Host] && a.Host == "" {
			return invalid("host", "is missing: only one app can be without")
		}
		if hosts[a.Host] {
			return invalid("host", fmt.Sprintf("%q has two apps", a.Host))
		}
		hosts[a.Host] = true
	}
	return nil
}

func invalid(field, message string) error {
	return &curfew.Error{Code: curfew.CodeInvalid, Field: field, Message: message}
}
