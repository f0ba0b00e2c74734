package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/curfewhq/curfew/httpapi"
)

// filterFlags narrow down sessions. All that are given must hold. None comes from the environment: what a command ends or shows is
// in its words.
type filterFlags struct {
	User           string   `env:"-" placeholder:"NAME" help:"Only of this user."`
	Search         string   `env:"-" placeholder:"WORDS" help:"Only where each word begins a word of the user name, the full name or the device, or begins the address."`
	Origin         string   `env:"-" placeholder:"ADDRESS" help:"Only from this address, or from this network, such as 192.0.2.0/24."`
	Credential     string   `env:"-" placeholder:"KIND" help:"Only signed in in this way, such as password."`
	Device         string   `env:"-" placeholder:"WORDS" help:"Only where each word begins a word of the device."`
	StartedAfter   moment   `env:"-" placeholder:"TIME" help:"Only started after this."`
	IdleLongerThan duration `env:"-" placeholder:"TIME" help:"Only without activity for longer than this, such as 90s or 12h."`
}

// filter is what the API is asked for. Part of a second counts as a whole one.
func (f filterFlags) filter() httpapi.Filter {
	return httpapi.Filter{
		Q: f.Search, User: f.User, Origin: f.Origin, Credential: f.Credential, Device: f.Device, StartedAfter: f.StartedAfter.Time,
		IdleLongerThan: int64((time.Duration(f.IdleLongerThan) + time.Second - 1) / time.Second),
	}
}

// moment is a point in time: a date, with or without a time of day, or how long ago.
type moment struct{ time.Time }

var momentLayouts = []string{time.RFC3339, "2006-01-02T15:04:05", time.DateTime, "2006-01-02 15:04", time.DateOnly}

// UnmarshalText reads a time such as "2026-03-31 08:00", in the zone of this machine if it names none, or such as "12h": so long ago.
func (m *moment) UnmarshalText(text []byte) error {
	var ago duration
	if ago.UnmarshalText(text) == nil {
		m.Time = time.Now().Add(-time.Duration(ago))
		return nil
	}
	for _, layout := range momentLayouts {
		if t, err := time.ParseInLocation(layout, string(text), time.Local); err == nil {
			m.Time = t
			return nil
		}
	}
	return fmt.Errorf("%q is not a time such as 2026-03-31, 2026-03-31 08:00, 2026-03-31T08:00:00Z or, for so long ago, 12h or 30d", text)
}

// limit is how many of a list are asked for at most. The zero limit, which is what nobody asked for, is none.
type limit int

// UnmarshalText reads a number of 1 or more.
func (l *limit) UnmarshalText(text []byte) error {
	n, err := strconv.Atoi(string(text))
	if err != nil || n < 1 {
		return fmt.Errorf("%q is not a number of 1 or more", text)
	}
	*l = limit(n)
	return nil
}
