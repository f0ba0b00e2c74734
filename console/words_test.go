package console

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestWords(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 seconds", time.Second: "1 second", 30 * time.Second: "30 seconds", 5 * time.Minute: "5 minutes",
		61 * time.Second: "1 minute, 1 second", 3600 * time.Second: "1 hour", 86400 * time.Second: "1 day",
		90000 * time.Second: "1 day, 1 hour", 2147482 * time.Second: "24 days, 20 hours, 31 minutes, 22 seconds",
		1500 * time.Millisecond: "1 second", 90 * 24 * time.Hour: "90 days",
	} {
		if got := Words(d); got != want {
			t.Errorf("Words(%v) = %q, want %q", d, got, want)
		}
	}
	if got := shortWords(2147482 * time.Second); got != "24 days, 20 hours" {
		t.Errorf("shortWords: %q", got)
	}
}

func TestCountdown(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0:00", 999 * time.Millisecond: "0:00", 59 * time.Second: "0:59", 899 * time.Second: "14:59",
		time.Hour: "1:00:00", 8*time.Hour - time.Second: "7:59:59", 2147482 * time.Second: "24 d 20 h",
	} {
		if got := countdown(d); got != want {
			t.Errorf("countdown(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestNumbers(t *testing.T) {
	for n, want := range map[int]string{0: "0 users", 1: "1 user", 999: "999 users", 1000: "1,000 users", 1234567: "1,234,567 users"} {
		if got := plural(n, "user", "users"); got != want {
			t.Errorf("plural(%d) = %q", n, got)
		}
	}
}

func TestClock(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 3, 29, 12, 0, 0, 0, berlin) // the night before had no 02:30
	c := clock{now: now, zone: berlin, known: true}
	for t0, want := range map[time.Time][2]string{
		now.Add(-2 * time.Second):                       {"Today, 11:59", "just now"},
		now.Add(-42 * time.Minute):                      {"Today, 11:18", "42 min ago"},
		time.Date(2026, 3, 29, 0, 0, 0, 0, berlin):      {"Today, 00:00", "11 h ago"},
		time.Date(2026, 3, 28, 23, 59, 59, 0, berlin):   {"Yesterday, 23:59", "11 h ago"},
		time.Date(2026, 3, 27, 9, 0, 0, 0, time.UTC):    {"27 Mar, 10:00", "2 d ago"},
		time.Date(2025, 12, 31, 23, 30, 0, 0, time.UTC): {"1 Jan, 00:30", "87 d ago"},
		time.Date(2025, 12, 31, 12, 0, 0, 0, time.UTC):  {"31 Dec 2025, 13:00", "87 d ago"},
		now.Add(time.Second):                            {"Today, 12:00", "just now"},
	} {
		s := c.stamp(t0)
		if [2]string{s.Day, s.Ago} != want {
			t.Errorf("%v: %q, %q, want %q", t0, s.Day, s.Ago, want)
		}
	}
	if got := (clock{now: now, zone: time.UTC}).at(now); got != "10:00 UTC" {
		t.Errorf("at: %q", got)
	}
	if (c.stamp(time.Time{}) != stamp{}) {
		t.Error("never has a stamp")
	}
}

func TestZones(t *testing.T) {
	var z zones
	for name, want := range map[string]string{
		"Europe/Berlin": "Europe/Berlin", "America%2FArgentina%2FUshuaia": "America/Argentina/Ushuaia", "UTC": "UTC",
		"": "", "Local": "", "Nowhere/Land": "", "../../etc/passwd": "", "/etc/localtime": "", "%00": "", "a%2F..%2Fb": "",
		strings.Repeat("A", 41): "", "%zz": "",
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Cookie", zoneCookie+"="+name)
		c := z.clock(r, time.Now())
		if got := c.zone.String(); c.known != (want != "") || c.known && got != want {
			t.Errorf("%q: %s, %v", name, got, c.known)
		}
	}
}

// FuzzQueries sends any address and form to pages that read them: never a 500.
func FuzzQueries(f *testing.F) {
	for _, s := range []string{"q=a&sort=user&dir=asc", "after=AAA&before=BBB", "from=2026-01-01&until=x", "seconds=1e3", "reason=idle", "%zz", "q=%00%ff"} {
		f.Add(s)
	}
	h := newHouse(f)
	h.add("amara", "admin")
	c := h.in("amara")
	f.Fuzz(func(t *testing.T, query string) {
		if strings.ContainsFunc(query, func(r rune) bool { return r <= ' ' || r > '~' || r == '#' }) {
			return
		}
		for _, path := range []string{"/sessions", "/history", "/users", "/settings/token", "/signin", "/setup", "/account"} {
			if w := c.get(path + "?" + query); w.Code >= 500 {
				t.Errorf("%s?%s: %d", path, query, w.Code)
			}
			if w := c.do("POST", "/settings/token", strings.NewReader(query)); w.Code >= 500 {
				t.Errorf("form %q: %d", query, w.Code)
			}
		}
	})
}
