// Package mount serves Curfew's pages below a path of their own, where the rest of the host is an app's.
package mount

import (
	"context"
	"net/http"
	"net/url"
	"path"
	"strings"
)

// Base is the path below which all of Curfew is, on every host.
const Base = "/.curfew"

type key struct{}

// Of returns the base of a request: what must stand before a path of ours for the same client to come back to us. It is
// Base below Under, and else "".
func Of(r *http.Request) string {
	base, _ := r.Context().Value(key{}).(string)
	return base
}

// Has reports whether a path is Base or below it.
func Has(path string) bool {
	return strings.HasPrefix(path, Base) && (len(path) == len(Base) || path[len(Base)] == '/')
}

// Under takes Base off the path of each request, and answers those that are not below it with 404. A path that
// http.ServeMux would tidy is tidied here: the mux would redirect to where the app is.
func Under(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == Base {
			redirect(w, r, Base+"/")
			return
		}
		if !Has(r.URL.Path) {
			http.NotFound(w, r)
			return
		}
		below := r.URL.Path[len(Base):]
		if clean := tidy(below); clean != below {
			redirect(w, r, Base+clean)
			return
		}
		next.ServeHTTP(w, strip(r, below))
	})
}

// strip returns the request for the path below the base.
func strip(r *http.Request, below string) *http.Request {
	stripped := r.WithContext(context.WithValue(r.Context(), key{}, Base))
	u := *r.URL
	u.Path = below
	u.RawPath = "" // nothing of ours needs it; with the base's own slash escaped, the mux would redirect by it, and knows no base
	stripped.URL = &u
	return stripped
}

func tidy(p string) string {
	clean := path.Clean(p)
	if strings.HasSuffix(p, "/") && clean != "/" {
		clean += "/"
	}
	return clean
}

func redirect(w http.ResponseWriter, r *http.Request, to string) {
	u := url.URL{Path: to, RawQuery: r.URL.RawQuery}
	http.Redirect(w, r, u.String(), http.StatusPermanentRedirect)
}
