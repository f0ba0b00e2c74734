package gate

import (
	"net/http"
	"strings"
	"testing"

	"github.com/curfewhq/curfew"
)

func TestCookiesOfApps(t *testing.T) {
	for in, want := range map[string]string{
		"":                                   "",
		"a=b":                                "a=b",
		"a=b;c=d;":                           "a=b;c=d;", // untouched
		"curfew=x":                           "",
		"__Host-curfew=x; a=b":               "a=b",
		"a=b; __Secure-curfew=x; c=d":        "a=b; c=d",
		"a=b;CURFEW=x;c=d":                   "a=b; c=d",
		"a=b; curfew =x; \tcurfew=y":         "a=b",
		"a=b; $curfew=x; \"curfew\"=y":       "a=b",
		"curfew":                             "",
		"curfew-device=x; a=b":               "a=b",
		"__host-Curfew-Notice=x":             "",
		"__Host-__Secure-curfew=x":           "",
		"curfew-anything=x":                  "",
		"curfewer=x; my-curfew=y; acurfew=z": "curfewer=x; my-curfew=y; acurfew=z",
		`q="x; curfew=y"`:                    `q="x`,
		"a=curfew=x":                         "a=curfew=x",
	} {
		h := http.Header{"Cookie": {in}}
		hideCookies(h)
		if got := h.Get("Cookie"); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	h := http.Header{"Cookie": {"a=b", "curfew=x", "c=d"}}
	if hideCookies(h); len(h["Cookie"]) != 1 || h.Get("Cookie") != "a=b; c=d" {
		t.Errorf("of several lines: %q", h["Cookie"])
	}
	h = http.Header{"Cookie": {"curfew=x"}}
	if hideCookies(h); len(h) != 0 {
		t.Errorf("of none but ours: %q", h)
	}
}

func TestCookiesThatAppsMayNotSet(t *testing.T) {
	for line, want := range map[string]bool{
		"curfew=x; Path=/":                   true,
		"__Host-curfew=; Max-Age=0":          true,
		"CURFEW-theme=dark":                  true,
		" curfew =x":                         true,
		"session=x; Path=/; Comment=curfew=": false,
		"curfews=x":                          false,
	} {
		if got := setsOurs(line); got != want {
			t.Errorf("%q: %v", line, got)
		}
	}
}

// FuzzCookies holds that nothing that Curfew would take for its own cookie, or refuse to for a spelling of it, reaches an app.
func FuzzCookies(f *testing.F) {
	f.Add("a=b; curfew=x", "__Host-curfew=y")
	f.Add("\x00curfew\x1f=x", "CURFEW=;;=")
	f.Fuzz(func(t *testing.T, a, b string) {
		h := http.Header{"Cookie": {a, b}}
		hideCookies(h)
		left := http.Header{"Cookie": append(h["Cookie"], curfew.PlainCookie+"=real")}
		if value, _ := curfew.CookieOf(&http.Request{Header: left}, curfew.PlainCookie); value != "real" {
			t.Errorf("%q, %q: %q is left", a, b, h["Cookie"])
		}
		for _, line := range h["Cookie"] {
			if strings.Contains(line, "\n") && !strings.Contains(a+b, "\n") {
				t.Errorf("%q", line)
			}
		}
	})
}
