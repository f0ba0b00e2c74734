package storetest

import (
	"context"
	"maps"
	"testing"

	"github.com/curfewhq/curfew/audit"
)

func testAuditCursors(t *testing.T, s AuditedStore) {
	wantCursors(t, s, map[string]audit.Cursor{})
	for _, set := range []struct {
		name string
		to   audit.Cursor
	}{{"a", audit.Cursor{No: 7}}, {"b", audit.Cursor{}}, {"c", audit.Cursor{No: 1 << 40}}, {"a", audit.Cursor{No: 9, Off: true}}, {"c", audit.Cursor{No: 3}}} {
		if err := s.SetCursor(t.Context(), T0, set.name, set.to); err != nil {
			t.Fatal(err)
		}
	}
	wantCursors(t, s, map[string]audit.Cursor{"a": {No: 9, Off: true}, "b": {}, "c": {No: 3}})
	before, err := s.AuditEnd(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SetCursor(t.Context(), T0, "b", audit.Cursor{}, note(audit.WebhookRetried, "amara")); err != nil {
		t.Fatal(err)
	}
	if r, _, err := audit.NewLog(s).Get(t.Context(), before.No+1); err != nil || r.Event != audit.WebhookRetried || !r.At.Equal(T0) {
		t.Errorf("the record beside a cursor: %+v, %v", r, err)
	}
	if err := s.ForgetCursors(t.Context(), []string{"b", "a", "new"}); err != nil {
		t.Fatal(err)
	}
	wantCursors(t, s, map[string]audit.Cursor{"a": {No: 9, Off: true}, "b": {}})
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if s.SetCursor(gone, T0, "b", audit.Cursor{No: 1}, note(audit.WebhookRetried, "amara")) == nil || s.ForgetCursors(gone, nil) == nil {
		t.Error("no error for a caller that has gone")
	}
	if end, err := s.AuditEnd(t.Context()); err != nil || end.No != before.No+1 {
		t.Errorf("the log ends at %d, %v; want %d", end.No, err, before.No+1)
	}
	wantCursors(t, s, map[string]audit.Cursor{"a": {No: 9, Off: true}, "b": {}})
	if err := s.ForgetCursors(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	wantCursors(t, s, map[string]audit.Cursor{})
}

func wantCursors(t *testing.T, s audit.CursorStore, want map[string]audit.Cursor) {
	t.Helper()
	got, err := s.Cursors(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(got, want) {
		t.Errorf("cursors %v, want %v", got, want)
	}
}
