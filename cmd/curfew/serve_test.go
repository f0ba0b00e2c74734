package main

import (
	"bytes"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/gate"
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

// listenerAt says that it listens somewhere.
type listenerAt struct {
	net.Listener
	at string
}

func (l listenerAt) Addr() net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(l.at)) }

// TestAddressAsPeopleWriteIt has servers at the ports that addresses leave out, and at others.
func TestAddressAsPeopleWriteIt(t *testing.T) {
	upstream, _ := url.Parse("http://192.0.2.2:3000")
	for _, c := range []struct {
		at, cert, console string
		apps              []gate.App
		want              string
	}{
		{"192.0.2.1:443", "c.pem", "", nil, "https://192.0.2.1"},
		{"192.0.2.1:80", "", "", nil, "http://192.0.2.1"},
		{"192.0.2.1:80", "c.pem", "", nil, "https://192.0.2.1:80"},
		{"192.0.2.1:443", "", "", nil, "http://192.0.2.1:443"},
		{"[::1]:443", "c.pem", "", nil, "https://[::1]"},
		{"192.0.2.1:443", "c.pem", "", []gate.App{{Upstream: upstream}}, "https://192.0.2.1/.curfew"},
		{"192.0.2.1:443", "c.pem", "console.example.com", nil, "https://console.example.com"},
		{"192.0.2.1:8443", "c.pem", "console.example.com", nil, "https://console.example.com:8443"},
	} {
		g, err := gate.New(gate.Options{Apps: c.apps})
		if err != nil {
			t.Fatal(err)
		}
		s := &service{site: site{gate: g}, listener: listenerAt{at: c.at}}
		s.set.TLSCert, s.set.ConsoleHost = c.cert, hostName(c.console)
		if got := s.address(); got != c.want {
			t.Errorf("%s, %q: %s, want %s", c.at, c.console, got, c.want)
		}
	}
}
