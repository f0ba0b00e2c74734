package main

import "testing"

func TestDomain(t *testing.T) {
	for text, want := range map[string]string{
		"example.com": "example.com", "Apps.Example.COM": "apps.example.com", "curfew.test": "curfew.test", "xn--bcher-kva.example": "xn--bcher-kva.example",
		"example.co.uk": "example.co.uk",
		"com":           "", "co.uk": "", "CO.UK": "", "github.io": "", "localhost": "", "test": "", "": "",
		"127.0.0.1": "", "::1": "", "[::1]": "", "1.2.3": "", "192.168.1": "",
		".example.com": "", "example.com.": "", "a..example.com": "", "-a.example.com": "", "example.com:443": "", "https://example.com": "",
		"example.com/x": "", "exa mple.com": "", "example.com;path": "", "bücher.example": "", "*.example.com": "",
	} {
		var got domain
		err := got.UnmarshalText([]byte(text))
		if (err == nil) != (want != "") || string(got) != want {
			t.Errorf("%q: got %q, error %v; want %q", text, got, err, want)
		}
	}
}
