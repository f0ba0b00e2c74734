// Package webhook tells other programs what happens, by HTTP requests that are signed as Standard Webhooks say
// (https://www.standardwebhooks.com): sessions that start and end, and accounts that change.
//
// The audit log is the outbox: it has a record of each of these things, written in the transaction of the thing itself. An endpoint
// is a place in the log, up to which it was told all; so nothing is told that did not happen, and nothing is left out. What was told just
// before a crash is told again.
package webhook

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"
)

// Type says what a message tells of.
type Type string

// The types there are.
const (
	SessionStarted Type = "session.started"
	SessionEnded   Type = "session.ended"
	AccountChanged Type = "account.changed"
	Test           Type = "curfew.test" // only if somebody asks for it
)

// Types are those that an endpoint can be for.
var Types = []Type{SessionStarted, SessionEnded, AccountChanged}

// Endpoint is a program that wants to be told.
type Endpoint struct {
	Name    string // unique; its place in the log is kept under it
	URL     *url.URL
	Secrets []string // by which messages are signed, see CheckSecret; more than one while they are being changed
	Types   []Type   // empty: all
}

// Check returns an error that says what is wrong with the endpoint. HTTP without TLS is for programs on this machine alone: a message says who is signed in.
func (e Endpoint) Check() error {
	switch {
	case e.URL == nil || e.URL.Host == "":
		return errors.New("the URL is missing")
	case e.URL.Scheme == "http" && !isLoopback(e.URL.Hostname()):
		return errors.New("the URL must begin with https://, unless it is on this machine")
	case e.URL.Scheme != "http" && e.URL.Scheme != "https":
		return errors.New("the URL must begin with https://")
	case e.URL.User != nil:
		return errors.New("the URL must be without a password: messages are signed instead")
	case len(e.Secrets) == 0:
		return errors.New("there is no secret to sign with")
	}
	return nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// CheckSecret returns an error unless the secret is as Standard Webhooks want it: whsec_ and 24 to 64 random bytes in base64.
func CheckSecret(secret string) error {
	text, ok := strings.CutPrefix(secret, "whsec_")
	key, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil || len(key) < 24 || len(key) > 64 {
		return errors.New(`a secret is "whsec_" and 24 to 64 random bytes in base64`)
	}
	return nil
}

// Status is how an endpoint does.
type Status struct {
	Name      string
	URL       string // without its query, which may hold a secret
	Types     []Type
	Off       bool
	Upto      int64           // the last record that needs no telling any more
	Behind    int64           // how many records came after that
	Oldest    time.Time       // when the first of those was written; zero if there is none
	Delivered time.Time       // when it last took a message; zero: not since the server started
	Failed    time.Time       // when it last did not; zero: its last answer was good
	Error     string          // why; also why the audit log can't be read there
	Tries     int             // of the message that waits
	Next      time.Time       // when that is tried again
	Skipped   int             // messages that were given up since the server started
	Lost      int64           // records that were deleted because of their age before they could be told; counted since the server started
	Sent      map[Outcome]int // how often a message was sent since the server started, but for tests
}

// Outcome is what came of sending a message once.
type Outcome string

// The outcomes there are.
const (
	Taken      Outcome = "taken"
	Refused    Outcome = "refused"    // it answered that it wants this message at no time
	Failed     Outcome = "failed"     // it answered something else, such as 503
	Unanswered Outcome = "unanswered" // there was no answer
	Gone       Outcome = "gone"       // it answered 410: it wants no more messages
)

// Outcomes are all outcomes there are.
var Outcomes = []Outcome{Taken, Refused, Failed, Unanswered, Gone}

// String tells what a log line tells of an endpoint.
func (e Endpoint) String() string { return fmt.Sprintf("%s (%s)", e.Name, shownURL(e.URL)) }

func shownURL(u *url.URL) string {
	shown := *u
	shown.RawQuery, shown.Fragment = "", ""
	return shown.String()
}
