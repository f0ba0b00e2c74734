package curfew

// EventKind says what happened to a session.
type EventKind string

// The kinds of events.
const (
	EventStarted EventKind = "started"
	EventChanged EventKind = "changed" // its clock or its user's data; plain activity is told at most once a write
	EventEnded   EventKind = "ended"
)

// Event is a hint to look again: it says that something happened, not what is now true. Events that come faster than
// a watcher reads are merged into one without an ID.
type Event struct {
	Kind    EventKind
	Session SessionID // empty: more sessions than one, look at all you care for
	User    UserID    // empty: any user
}

// Concerns reports whether the event may be about the session.
func (e Event) Concerns(id SessionID) bool { return e.Session == "" || e.Session == id }
