package weborigin

import (
	"testing"

	"github.com/curfewhq/curfew"
)

func TestOf(t *testing.T) {
	for host, want := range map[string][2]string{
		"app.example.com":      {"http://app.example.com", "https://app.example.com"},
		"App.Example.com:80":   {"http://app.example.com", "https://app.example.com:80"},
		"app.example.com:443":  {"http://app.example.com:443", "https://app.example.com"},
		"app.example.com:8443": {"http://app.example.com:8443", "https://app.example.com:8443"},
		"[::1]:80":             {"http://[::1]", "https://[::1]:80"},
		"[::80]":               {"http://[::80]", "https://[::80]"},
	} {
		for i, secure := range []bool{false, true} {
			if got := Of(curfew.Origin{Secure: secure, Host: host}); got != want[i] {
				t.Errorf("%s: %s, want %s", host, got, want[i])
			}
		}
	}
}
