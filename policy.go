package curfew

import (
	"fmt"
	"slices"
	"time"
)

// Bounds and defaults of the clock. The lifetimes are those of the TrueNAS Sessions widget: 2147482 s is the most
// whole seconds that a browser timer, 32 bits of milliseconds, can hold.
const (
	MinLifetime     = 30 * time.Second
	MaxLifetime     = 2147482 * time.Second
	DefaultLifetime = 300 * time.Second

	DefaultGrace  = 30 * time.Second
	DefaultMaxAge = 30 * 24 * time.Hour // NIST SP 800-63B-4, 2.1.3: at most 30 days at AAL1
	DefaultKeep   = 90 * 24 * time.Hour
)

// Policy holds the rules that an installation sets for all its sessions. The zero Policy means the defaults.
type Policy struct {
	// MaxAge is the absolute limit: a session ends this long after its start, however active. 0 means DefaultMaxAge.
	MaxAge time.Duration
	// MaxSessions is how many live sessions one user may have; 0 means as many as they like.
	MaxSessions int
	// AtMax says what happens to a sign-in past MaxSessions.
	AtMax AtMax
	// Keep is how long history stays. 0 means DefaultKeep.
	Keep time.Duration
}

// AtMax is what happens when a user at the cap signs in once more.
type AtMax string

// What can happen at the cap.
const (
	EndOldest AtMax = ""       // the sessions started first end, with ReasonReplaced
	RefuseNew AtMax = "refuse" // the sign-in fails with CodeConflict
)

// CheckLifetime returns an error with CodeInvalid unless d is a lifetime that an account may have: whole seconds
// from MinLifetime to MaxLifetime.
func CheckLifetime(d time.Duration) error {
	if d < MinLifetime || d > MaxLifetime || d%time.Second != 0 {
		return &Error{Code: CodeInvalid, Field: "seconds", Message: fmt.Sprintf(
			"must be a whole number of seconds from %d to %d", MinLifetime/time.Second, MaxLifetime/time.Second)}
	}
	return nil
}

// check returns an error with CodeInvalid if no session can be made so. One without a user's ID nobody could select.
func (st Start) check() error {
	switch {
	case st.User.ID == "":
		return &Error{Code: CodeInvalid, Field: "user", Message: "must have an ID"}
	case st.Grace < 0 || st.Grace%time.Millisecond != 0:
		return &Error{Code: CodeInvalid, Field: "grace", Message: "must be whole milliseconds, and not negative"}
	}
	return CheckLifetime(st.Lifetime)
}

func (s Sort) check() error {
	if !slices.Contains(Sorts, s) {
		return &Error{Code: CodeInvalid, Field: "sort", Message: fmt.Sprintf("must be one of %q", Sorts)}
	}
	return nil
}

func (p Policy) withDefaults() Policy {
	if p.MaxAge == 0 {
		p.MaxAge = DefaultMaxAge
	}
	if p.Keep == 0 {
		p.Keep = DefaultKeep
	}
	return p
}

func (p Policy) check() error {
	switch {
	case p.MaxAge < MinLifetime:
		return &Error{Code: CodeInvalid, Field: "max-age", Message: fmt.Sprintf("must be at least %v", MinLifetime)}
	case p.MaxSessions < 0:
		return &Error{Code: CodeInvalid, Field: "max-sessions", Message: "must not be negative"}
	case p.AtMax != EndOldest && p.AtMax != RefuseNew:
		return &Error{Code: CodeInvalid, Field: "at-max", Message: fmt.Sprintf("must be empty or %q", RefuseNew)}
	case p.Keep < 0:
		return &Error{Code: CodeInvalid, Field: "keep-history", Message: "must not be negative"}
	}
	return nil
}

// writeInterval is how long activity of a session may stay in memory before it is written: a twentieth of its
// lifetime, so that a crash costs little of it, but neither a write a second nor more than a minute.
func writeInterval(lifetime time.Duration) time.Duration {
	return min(max(lifetime/20, time.Second), time.Minute)
}

// writeMargin is how close the deadline that the store knows may come before activity is written ahead of the
// answer. It leaves the writer two rounds, so no sweeper ends a session whose activity was acknowledged.
func writeMargin(lifetime time.Duration) time.Duration {
	return 2*writeInterval(lifetime) + 2*time.Second
}

// minWriteMargin is no more than any writeMargin.
const minWriteMargin = 4 * time.Second
