// Package weborigin writes origins as browsers do: a scheme, a host in lower case, and the port unless it is the scheme's own (RFC 6454, 6.2).
package weborigin

import (
	"strings"

	"github.com/curfewhq/curfew"
)

// Scheme is that of a client's own connection.
func Scheme(o curfew.Origin) string {
	if o.Secure {
		return "https"
	}
	return "http"
}

// Of is the origin that a client asked.
func Of(o curfew.Origin) string { return Join(Scheme(o), o.Host) }

// Join is the origin of a scheme, http or https, and a host with a port or without.
func Join(scheme, host string) string { return scheme + "://" + Host(scheme, host) }

// Host is what Join writes behind the scheme.
func Host(scheme, host string) string {
	port := ":80"
	if scheme == "https" {
		port = ":443"
	}
	return strings.TrimSuffix(strings.ToLower(host), port)
}
