package curfew

import (
	"testing"
	"time"
)

// TestQueuePast has the queue forget an end that is written: on a busy server, whose queue is never empty, it would
// otherwise be walked for every sign-in and every list.
func TestQueuePast(t *testing.T) {
	start := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	q := newQueue()
	for _, at := range []time.Time{start, start.Add(time.Hour)} {
		e := newEntry(Record{Session: Session{LastActive: at, Lifetime: time.Minute, ExpiresAt: start.Add(24 * time.Hour)}}, newIntern(1))
		q.put(e.wait(e.timing()))
	}
	now := start.Add(time.Minute).UnixMilli()
	if q.isPast(now-1) || !q.isPast(now) {
		t.Error("the end of the first session is not noticed to the millisecond")
	}
	if n := len(q.begin(dueBy(now))); n != 1 {
		t.Fatalf("%d sessions are due, want the first", n)
	}
	if !q.isPast(now) {
		t.Error("an end is not noticed while the activity is being written")
	}
	q.done()
	if q.isPast(now) {
		t.Error("the queue still looks past an end that was taken out")
	}
	if !q.isPast(start.Add(time.Hour + time.Minute).UnixMilli()) {
		t.Error("the end of the second session is not noticed")
	}
	n := len(q.begin(all))
	q.done()
	if n != 1 || q.isPast(start.Add(24*time.Hour).UnixMilli()) {
		t.Errorf("%d were left, or an empty queue is past something", n)
	}
}
