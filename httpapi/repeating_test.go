package httpapi_test

import (
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/account"
)

// repeating is a row of the table in docs/api.md of what becomes of a call that is made again.
type repeating struct {
	calls  []string // a method, or one with a path, whose end may be left out
	status int      // of the second answer; 0 for that of the first one
	named  bool     // with an Idempotency-Key
}

func repeatings(t *testing.T) (rows []repeating) {
	t.Helper()
	text, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "| call | repeated |\n")
	table, _, _ = strings.Cut(table, "\n\n")
	for _, line := range strings.Split(table, "\n")[1:] {
		cells := strings.Split(line, "|")
		row := repeating{named: strings.Contains(cells[2], "Idempotency-Key")}
		for _, call := range regexp.MustCompile("`([^`]*)`").FindAllStringSubmatch(cells[1], -1) {
			row.calls = append(row.calls, call[1])
		}
		row.status, _ = strconv.Atoi(regexp.MustCompile(`^\d+`).FindString(strings.TrimSpace(cells[2])))
		rows = append(rows, row)
	}
	return rows
}

// has reports whether the row names the call itself, or all with its method.
func (r repeating) has(p permission, method bool) bool {
	path := strings.TrimPrefix(p.path, "/api/v1")
	return slices.ContainsFunc(r.calls, func(call string) bool {
		if method {
			return call == p.method
		}
		start, open := strings.CutSuffix(call, "…")
		return call == p.method+" "+path || open && strings.HasPrefix(p.method+" "+path, start)
	})
}

// TestRepeatedCalls makes each call twice: the second answer is the one that the table says.
func TestRepeatedCalls(t *testing.T) {
	rows := repeatings(t)
	for _, p := range permissions(t) {
		i := slices.IndexFunc(rows, func(r repeating) bool { return r.has(p, false) })
		if i < 0 {
			i = slices.IndexFunc(rows, func(r repeating) bool { return r.has(p, true) })
		}
		if i < 0 {
			t.Errorf("no row has %s %s", p.method, p.path)
			continue
		}
		if strings.HasSuffix(p.path, "/events") {
			continue // goes on for ever
		}
		onScene(t, account.Admin, func(s *scene) {
			call := func() (int, string) {
				r := s.request(p, false)
				if rows[i].named {
					r.Header.Set("Idempotency-Key", "the same")
				}
				w := s.do(r)
				return w.Code, w.Body.String()
			}
			first, answer := call()
			second, again := call()
			want := rows[i].status
			if want == 0 {
				want = first
			}
			if !ok(first) || second != want || rows[i].named && again != answer {
				t.Errorf("%s %s: %d %s, then %d %s; the table says %d", p.method, p.path, first, answer, second, again, want)
			}
		})
	}
}
