package gate

import (
	"errors"
	"net/http"
	"strings"

	"github.com/curfewhq/curfew"
)

var errUpgrade = &curfew.Error{Code: curfew.CodeInvalid, Message: "the connection can't be changed to a protocol that carries further requests"}

// leadsPast reports whether the request wants to change to a protocol that carries further requests: HTTP/2 (h2c), SPDY, or
// HTTP within TLS (RFC 2817). Those would go to the app past every rule, with whatever they say of who sends them. A server may
// ignore such a wish (RFC 9110, 7.8).
func leadsPast(h http.Header) bool {
	if len(h["Upgrade"]) == 0 {
		return false
	}
	for item := range items(h, "Upgrade") {
		name, _, _ := strings.Cut(strings.ToLower(item), "/")
		switch name {
		case "h2", "h2c", "h3", "http", "spdy", "tls", "ssl":
			return true
		}
	}
	return false
}

// isUnaskedSwitch reports whether an app changes to another protocol without having been asked to (RFC 9110, 15.2.2). Whatever its
// client sent next would get to it unseen.
func isUnaskedSwitch(res *http.Response) bool {
	return res.StatusCode == http.StatusSwitchingProtocols && len(res.Request.Header["Upgrade"]) == 0
}

var errUnasked = errors.New("the app changes the protocol, and nobody asked it to")
