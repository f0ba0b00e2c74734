package audit

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
)

// FuzzLine compares lines with what encoding/json makes of the same records.
func FuzzLine(f *testing.F) {
	f.Add(int64(1), int64(1_772_366_400_123), 0, "anna", "")
	f.Add(int64(2), int64(0), 3, `a"b\c`, "\x00\x1f\x7f\u2028\u2029<&>é\xff")
	f.Fuzz(func(t *testing.T, no, at int64, count int, a, b string) {
		at %= 1 << 47 // up to a year of four digits
		for _, r := range []Record{
			{No: no, At: Time{time.UnixMilli(at)}, Event: Event(a), Count: count, Note: b},
			filled(no, Time{time.UnixMilli(at)}, count, a, b),
		} {
			line := r.appendLine(nil)
			if want := reference(t, r); !bytes.Equal(line, want) {
				t.Errorf("%s\nwant %s", line, want)
			}
		}
	})
}

func filled(no int64, at Time, count int, a, b string) Record {
	return Record{
		No: no, At: at, Event: Event(a), Outcome: Outcome(b), By: &Party{curfew.UserID(a), b, curfew.SessionID(a), a}, From: b,
		User: &Party{Name: b}, Session: curfew.SessionID(a), Device: a, Key: b, Webhook: a, Reason: a, Count: count,
		Changes: []Change{{a, b, a}, {b, "", a}}, Version: b, Note: a,
	}
}

// TestLineHasAllFields fails if Record has a field of which appendLine knows nothing.
func TestLineHasAllFields(t *testing.T) {
	r := filled(1, Time{time.UnixMilli(1)}, 2, "a", "b")
	for v := reflect.ValueOf(r); ; {
		for i := range v.NumField() {
			if v.Field(i).IsZero() {
				t.Fatalf("the test leaves %s.%s empty", v.Type(), v.Type().Field(i).Name)
			}
		}
		if v.Type() == reflect.TypeFor[Party]() {
			break
		}
		v = reflect.ValueOf(*r.By)
	}
	if line, want := r.appendLine(nil), reference(t, r); !bytes.Equal(line, want) {
		t.Errorf("%s\nwant %s", line, want)
	}
}

func reference(t *testing.T, r Record) []byte {
	t.Helper()
	var line bytes.Buffer
	e := json.NewEncoder(&line)
	e.SetEscapeHTML(false)
	if err := e.Encode(r); err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSuffix(line.Bytes(), []byte("\n"))
}
