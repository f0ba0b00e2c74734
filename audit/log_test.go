package audit_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/audit"
	"github.com/curfewhq/curfew/memory"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// forgetful is a store that forgets its first records right after it said where they begin.
type forgetful struct {
	*memory.Audit
	before time.Time
}

func (f *forgetful) AuditStart(ctx context.Context) (audit.Mark, error) {
	m, err := f.Audit.AuditStart(ctx)
	if !f.before.IsZero() && err == nil {
		_, err = f.ForgetAudit(ctx, f.before, f.before)
		f.before = time.Time{}
	}
	return m, err
}

func newForgetful(t *testing.T) *forgetful {
	t.Helper()
	s := &forgetful{Audit: memory.NewAudit(), before: start.Add(2 * time.Second)}
	for i := range 4 {
		r := audit.Record{Event: audit.Unlocked, Outcome: audit.Success}
		if err := s.AppendAudit(t.Context(), start.Add(time.Duration(i)*time.Second), r); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func TestVerifyWhileForgetting(t *testing.T) {
	first, last, err := audit.NewLog(newForgetful(t)).Verify(t.Context())
	if err != nil || first.No != 2 || last.No != 5 {
		t.Errorf("from after %d to %d, %v; want from after 2 to 5", first.No, last.No, err)
	}
}

func TestLinesWhileForgetting(t *testing.T) {
	var file strings.Builder
	for line, err := range audit.NewLog(newForgetful(t)).Lines(t.Context(), 1) {
		if err != nil {
			t.Fatal(err)
		}
		file.Write(append(line.Text, '\n'))
	}
	if first, last, err := audit.VerifyFile(strings.NewReader(file.String())); err != nil || first.No != 3 || last.No != 4 {
		t.Errorf("from %d to %d, %v; want 3 to 4\n%s", first.No, last.No, err, file.String())
	}
}

func TestVerifyFile(t *testing.T) {
	var file strings.Builder
	s := newForgetful(t)
	s.before = time.Time{}
	for line, err := range audit.NewLog(s).Lines(t.Context(), 1) {
		if err != nil {
			t.Fatal(err)
		}
		file.Write(append(line.Text, '\n'))
	}
	whole := file.String()
	lines := strings.SplitAfter(whole, "\n")
	for name, c := range map[string]struct {
		file, want string // in the error
	}{
		"whole":            {whole, ""},
		"line ends of DOS": {strings.ReplaceAll(whole, "\n", "\r\n"), ""},
		"a part":           {strings.Join(lines[2:], ""), ""},
		"nothing":          {"", "no record"},
		"another file":     {"{}\n", "line 1"},
		"a line too long":  {lines[0] + strings.Repeat("x", 2<<20), "too long"},
		"a change":         {strings.Replace(whole, "12:00:01", "12:00:07", 1), "record 2"},
		"the first":        {strings.Replace(whole, "12:00:00", "12:00:07", 1), "record 1"},
		"one missing":      {lines[0] + strings.Join(lines[2:], ""), "record 2"},
	} {
		_, _, err := audit.VerifyFile(strings.NewReader(c.file))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
