package console

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // so that zones are known on machines without a zone database
)

// clock tells times as the person who looks sees them: in their zone and from their moment.
type clock struct {
	now   time.Time
	zone  *time.Location
	known bool // the browser told its zone; otherwise times are in UTC and say so
}

// stamp is a moment, ready to be shown.
type stamp struct {
	Machine string // RFC 3339
	Full    string // "Monday, 23 November 2026, 08:14:05 CET"
	Day     string // "Today, 08:14"
	Ago     string // "42 min ago"
}

func (c clock) stamp(t time.Time) stamp {
	if t.IsZero() {
		return stamp{}
	}
	t = t.In(c.zone)
	return stamp{
		Machine: t.Format(time.RFC3339),
		Full:    t.Format("Monday, 2 January 2006, 15:04:05 MST"),
		Day:     c.day(t),
		Ago:     ago(c.now.Sub(t)),
	}
}

func (c clock) day(t time.Time) string {
	now := c.now.In(c.zone)
	s := t.Format("15:04")
	switch {
	case sameDay(t, now):
		s = "Today, " + s
	case sameDay(t, now.AddDate(0, 0, -1)):
		s = "Yesterday, " + s
	case t.Year() == now.Year():
		s = t.Format("2 Jan") + ", " + s
	default:
		s = t.Format("2 Jan 2006") + ", " + s
	}
	return s + c.suffix()
}

// at tells the clock time, with the date unless it is today's: "14:03", "21 Nov, 14:03".
func (c clock) at(t time.Time) string {
	if sameDay(t.In(c.zone), c.now.In(c.zone)) {
		return t.In(c.zone).Format("15:04") + c.suffix()
	}
	return c.day(t.In(c.zone))
}

func (c clock) suffix() string {
	if c.known {
		return ""
	}
	return " UTC"
}

func sameDay(a, b time.Time) bool {
	return a.Year() == b.Year() && a.YearDay() == b.YearDay()
}

func ago(d time.Duration) string {
	switch {
	case d < 5*time.Second:
		return "just now"
	case d < time.Minute:
		return fmt.Sprintf("%d s ago", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%d min ago", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h ago", d/time.Hour)
	default:
		return fmt.Sprintf("%d d ago", d/(24*time.Hour))
	}
}

const zoneCookie = "curfew-tz"

// zones finds time zones by name and keeps them. Only names that exist are kept, so it stays small. It may be used
// by many goroutines.
type zones struct{ known sync.Map }

// clock returns the clock of whoever sent the request.
func (z *zones) clock(r *http.Request, now time.Time) clock {
	if k, err := r.Cookie(zoneCookie); err == nil {
		if name, err := url.PathUnescape(k.Value); err == nil {
			if loc := z.find(name); loc != nil {
				return clock{now: now, zone: loc, known: true}
			}
		}
	}
	return clock{now: now, zone: time.UTC}
}

func (z *zones) find(name string) *time.Location {
	if !isZoneName(name) {
		return nil
	}
	if loc, ok := z.known.Load(name); ok {
		return loc.(*time.Location)
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil
	}
	z.known.Store(name, loc)
	return loc
}

// isZoneName allows what names in the zone database look like, and nothing that walks about in the file system.
func isZoneName(s string) bool {
	if s == "" || s == "Local" || len(s) > 40 || strings.Count(s, "/") > 2 {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("_+-/", r))
	})
}
