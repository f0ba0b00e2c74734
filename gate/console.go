package gate

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/curfewhq/curfew"
)

// CheckConsoleHost returns an error of curfew.CodeInvalid unless the host can be Options.ConsoleHost: it is written as apps' hosts are, and
// has no app. "" can be.
func CheckConsoleHost(host string, apps []App) error {
	if host == "" {
		return nil
	}
	if err := CheckHost(host); err != nil {
		return err
	}
	if slices.ContainsFunc(apps, func(a App) bool { return a.Host == host }) {
		return invalid("host", fmt.Sprintf("%s has an app; give the console a host of its own", host))
	}
	return nil
}

// IsConsole reports whether the host, with a port or without, is Options.ConsoleHost.
func (g *Gate) IsConsole(host string) bool {
	host, ok := canonicalHost(host)
	return ok && g.ConsoleHost != "" && host == g.ConsoleHost
}

// Elsewhere answers for what of Curfew is on Options.ConsoleHost alone: a page is led to the same address there, and anything
// else gets 404 with a problem document. The port and the scheme are those by which the client came.
func (g *Gate) Elsewhere() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isNavigation(r.Method, r.Header) || !strings.HasPrefix(r.URL.Path, "/") {
			refuse(w, errElsewhere.status, errElsewhere)
			return
		}
		w.Header().Set("Location", g.consoleOrigin(curfew.OriginOf(r))+r.URL.RequestURI())
		refuse(w, http.StatusSeeOther, errElsewhere)
	})
}

var errElsewhere = &statusError{http.StatusNotFound, "this part of Curfew is on a host of its own"}

// consoleOrigin is the origin of the console for a client that came from o.
func (g *Gate) consoleOrigin(o curfew.Origin) string {
	scheme, port := "http://", ""
	if o.Secure {
		scheme = "https://"
	}
	if i := strings.LastIndexByte(o.Host, ':'); i >= 0 && !strings.HasSuffix(o.Host, "]") {
		port = o.Host[i:]
	}
	return scheme + g.ConsoleHost + port
}
