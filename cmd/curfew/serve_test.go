package main

import (
	"bytes"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
)

// TestTrustingEverybodyIsSaid has each address named as a proxy's: that is a loud warning, for one family as for the other.
func TestTrustingEverybodyIsSaid(t *testing.T) {
	for trusted, loud := range map[string]bool{"0.0.0.0/0": true, "::/0": true, "10.0.0.0/8": false, "127.0.0.1/32": false} {
		var said bytes.Buffer
		c := serveCmd{TrustedProxy: []proxy{proxy(netip.MustParsePrefix("192.0.2.1/32")), proxy(netip.MustParsePrefix(trusted))}}
		c.warn(slog.New(slog.NewTextHandler(&said, nil)), nil)
		if got := strings.Contains(said.String(), "believes EVERYBODY") && strings.Contains(said.String(), "range="+trusted); got != loud {
			t.Errorf("%s: %q", trusted, said.String())
		}
	}
}
