package gate

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/curfewhq/curfew"
)

func TestAppCookies(t *testing.T) {
	for _, tt := range []struct {
		lines []string
		want  string
	}{
		{nil, ""},
		{[]string{""}, ""},
		{[]string{"a=b"}, "a=b"},
		{[]string{"a=b; c=d"}, "a=b; c=d"},
		{[]string{"curfew=x"}, ""},
		{[]string{"__Host-curfew=x"}, ""},
		{[]string{"__Secure-curfew=x"}, ""},
		{[]string{"curfew-theme=dark; __Host-curfew-device=x; curfew-notice=y"}, ""},
		{[]string{"a=b; __Host-curfew=x; c=d"}, "a=b; c=d"},
		{[]string{"a=b;__Host-curfew=x;c=d"}, "a=b; c=d"},
		{[]string{"a=b", "__Host-curfew=x", "c=d"}, "a=b; c=d"},
		{[]string{"CURFEW=x; __HOST-Curfew=y; __secure-curfew=z; a=b"}, "a=b"},
		{[]string{`a=b; "curfew"=x; $curfew=y; curfew =z;	curfew=t; curfew; a`}, "a=b; a"},
		{[]string{"\u2003curfew=x; \u00a0__Host-curfew\u00a0=y; a=b"}, "a=b"},
		{[]string{"curfewer=x; mycurfew=y; few=z; fewer=curfew"}, "curfewer=x; mycurfew=y; few=z; fewer=curfew"},
		{[]string{"a=curfew=x"}, "a=curfew=x"},
		{[]string{"=curfew=x"}, "=curfew=x"},
		{[]string{" ; ;a=b; "}, " ; ;a=b; "},
		{[]string{" ; ;a=b; curfew=x"}, "a=b"},
	} {
		if got := appCookies(tt.lines); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.lines, got, tt.want)
		}
	}
	alone := []string{"__Host-curfew=cft_x"}
	if n := testing.AllocsPerRun(100, func() { appCookies(alone) }); n != 0 {
		t.Errorf("%v allocations for our cookie alone", n)
	}
}

// FuzzAppCookies reads what is left as an app may do: no cookie of ours is there, and every other one is.
func FuzzAppCookies(f *testing.F) {
	f.Add("a=b; curfew=x", "c=d")
	f.Add(`"curfew"=x`, "__Host-CURFEW=y;; =")
	f.Fuzz(func(t *testing.T, one, two string) {
		names := func(lines ...string) (own, others int) {
			for _, c := range (&http.Request{Header: http.Header{"Cookie": lines}}).Cookies() {
				name := strings.ToLower(strings.Trim(c.Name, "$")) // more than the standard parser reads is ours
				name = strings.TrimPrefix(strings.TrimPrefix(name, "__host-"), "__secure-")
				if name == "curfew" || strings.HasPrefix(name, "curfew-") {
					own++
				} else {
					others++
				}
			}
			return own, others
		}
		_, want := names(one, two)
		if own, others := names(appCookies([]string{one, two})); own > 0 || others != want {
			t.Errorf("%q, %q: %d of ours and %d of %d others are left", one, two, own, others, want)
		}
	})
}

func TestHideCookies(t *testing.T) {
	for in, want := range map[string]string{
		"a=b;c=d;":                    "a=b;c=d;", // untouched
		"curfew=x":                    "",
		"a=b;curfew=x;c=d":            "a=b; c=d",
		"fewer=x;c=d":                 "fewer=x; c=d",
		"__Host-curfew=x; q=\"a; b\"": "q=\"a; b\"",
	} {
		h := http.Header{"Cookie": {in}}
		hideCookies(h)
		if _, ok := h["Cookie"]; h.Get("Cookie") != want || ok != (want != "") {
			t.Errorf("%q: %q, want %q", in, h["Cookie"], want)
		}
	}
	h := http.Header{"Cookie": {"a=b", "c=d"}}
	if hideCookies(h); len(h["Cookie"]) != 1 || h.Get("Cookie") != "a=b; c=d" {
		t.Errorf("of two lines: %q", h["Cookie"])
	}
}

func TestSetsOwnCookie(t *testing.T) {
	for line, want := range map[string]bool{
		"curfew=x; Path=/":                    true,
		"__Host-curfew=; Max-Age=0":           true,
		"CURFEW-theme=dark":                   true,
		" curfew =x":                          true,
		"=curfew=x":                           true,
		" = __Secure-curfew=x; Path=/":        true,
		"==curfew=x":                          false,
		"session=x; Path=/; Comment=curfew=x": false,
		"curfews=x":                           false,
	} {
		if got := setsOwnCookie(line); got != want {
			t.Errorf("%q: %v", line, got)
		}
	}
}

// TestKeyReachesNoApp sends API keys to an app that lets anybody in.
func TestKeyReachesNoApp(t *testing.T) {
	f := newFront(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%q", r.Header["Authorization"])
	}), frontOptions{app: App{Rules: []Rule{{Path: "/", Access: Access{Public: true}}}}})
	for sent, want := range map[string]string{
		"Bearer curfew_key_abc": `[]`, "bearer  curfew_key_abc": `[]`, "Bearer abc": `["Bearer abc"]`, "Basic YTpi": `["Basic YTpi"]`,
	} {
		r := f.request("GET", "/", nil, curfew.Token{})
		r.Header.Set("Authorization", sent)
		res, err := f.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != 200 || string(got) != want {
			t.Errorf("%s: the app gets %s, status %d, %v", sent, got, res.StatusCode, err)
		}
	}
}
