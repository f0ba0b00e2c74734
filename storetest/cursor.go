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
		if err := s.SetCursor(t.Context(), set.name, set.to); err != nil {
			t.Fatal(err)
		}
	}
	wantCursors(t, s, map[string]audit.Cursor{"a": {No: 9, Off: true}, "b": {}, "c": {No: 3}})
	if err := s.ForgetCursors(t.Context(), []string{"b", "a", "new"}); err != nil {
		t.Fatal(err)
	}
	wantCursors(t, s, map[string]audit.Cursor{"a": {No: 9, Off: true}, "b": {}})
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if s.SetCursor(gone, "b", audit.Cursor{No: 1}) == nil || s.ForgetCursors(gone, nil) == nil {
		t.Error("no error for a caller that has gone")
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
