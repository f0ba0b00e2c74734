package webhook

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/audit"
)

// message is what is told of a record.
type message struct {
	id   string // the same each time it is told
	typ  Type
	at   time.Time
	body []byte
}

// payload is the body of a message, in the form that Standard Webhooks recommend.
type payload struct {
	Type      Type       `json:"type"`
	Timestamp audit.Time `json:"timestamp"` // when it happened
	Data      any        `json:"data"`
}

// Session is the data of session.started and session.ended.
type Session struct {
	Session *SessionRef  `json:"session,omitempty"` // absent if all sessions ended at once
	By      *audit.Party `json:"by,omitempty"`      // who ended it; absent if it ended by itself
	Reason  string       `json:"reason,omitempty"`  // why it ended
	All     *All         `json:"all,omitempty"`     // instead of session: all that had started by then have ended
}

// SessionRef says which session it is.
type SessionRef struct {
	ID         curfew.SessionID `json:"id"`
	User       audit.Party      `json:"user"`
	Origin     string           `json:"origin,omitempty"` // the client's network address, as it signed in
	Device     string           `json:"device,omitempty"`
	Credential string           `json:"credential,omitempty"`
}

// All says that all sessions of everybody ended at once.
type All struct {
	Count  int              `json:"count"`            // how many those were
	Except curfew.SessionID `json:"except,omitempty"` // the one that was spared
}

// Account is the data of account.changed.
type Account struct {
	Account audit.Party    `json:"account"`
	Change  string         `json:"change"` // created, updated, deleted or password
	Changes []audit.Change `json:"changes,omitempty"`
	By      *audit.Party   `json:"by,omitempty"`
}

// messageOf returns what is to be told of a record, if anything is.
func messageOf(r audit.Record, at audit.Mark) (m message, ok bool) {
	typ, data := dataOf(r)
	if typ == "" {
		return message{}, false
	}
	// A database that was restored gives numbers anew; the hash tells those records apart.
	m = message{id: fmt.Sprintf("msg_%d_%x", at.No, at.Hash[:8]), typ: typ, at: r.At.Time}
	m.body = bodyOf(typ, r.At, data)
	return m, true
}

func bodyOf(typ Type, at audit.Time, data any) []byte {
	body, err := json.Marshal(payload{typ, at, data})
	if err != nil {
		panic(err) // strings and numbers have no errors
	}
	return body
}

func dataOf(r audit.Record) (Type, any) {
	switch r.Event {
	case audit.SignedIn:
		return SessionStarted, Session{Session: sessionOf(r, r.From, r.Reason)}
	case audit.SignedOut, audit.SessionExpired, audit.SessionTerminated:
		return SessionEnded, Session{Session: sessionOf(r, "", ""), By: r.By, Reason: r.Reason}
	case audit.SessionsTerminated:
		return SessionEnded, Session{By: r.By, Reason: r.Reason, All: &All{r.Count, r.Session}}
	case audit.Restored:
		return SessionEnded, Session{Reason: string(curfew.ReasonRestored), All: &All{Count: r.Count}}
	}
	if change := accountChanges[r.Event]; change != "" && r.User != nil {
		return AccountChanged, Account{Account: *r.User, Change: change, Changes: r.Changes, By: r.By}
	}
	return "", nil
}

var accountChanges = map[audit.Event]string{
	audit.AccountCreated: "created", audit.AccountChanged: "updated", audit.AccountDeleted: "deleted", audit.PasswordChanged: "password",
}

func sessionOf(r audit.Record, origin, credential string) *SessionRef {
	ref := &SessionRef{ID: r.Session, Origin: origin, Device: r.Device, Credential: credential}
	if r.User != nil {
		ref.User = *r.User
	}
	return ref
}
