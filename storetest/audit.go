package storetest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
	"github.com/curfewhq/curfew/audit"
)

// AuditedStore keeps accounts and the audit log of them.
type AuditedStore interface {
	account.Store
	audit.Store
	audit.CursorStore
}

// RunAudit runs the suite that every audit.Store passes. open returns a new, empty store, and closes it when the test ends.
func RunAudit(t *testing.T, open func(t *testing.T) AuditedStore) {
	cases := []struct {
		name string
		test func(*testing.T, AuditedStore)
	}{
		{"Append", testAuditAppend},
		{"Filters", testAuditFilters},
		{"Pages", testAuditPages},
		{"Lines", testAuditLines},
		{"Blocks", testAuditBlocks},
		{"Since", testAuditSince},
		{"Forget", testAuditForget},
		{"OfAccounts", testAuditOfAccounts},
		{"Cancelled", testAuditCancelled},
		{"Cursors", testAuditCursors},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

func note(event audit.Event, user string) audit.Record {
	return audit.Record{Event: event, Outcome: audit.Success, User: &audit.Party{ID: curfew.UserID("id-" + user), Name: user}}
}

// appendNotes appends n records, a second apart from T0 on.
func appendNotes(t *testing.T, s audit.Store, n int) {
	t.Helper()
	for i := range n {
		if err := s.AppendAudit(t.Context(), T0.Add(time.Duration(i)*time.Second), note(audit.Unlocked, fmt.Sprint("user", i+1))); err != nil {
			t.Fatal(err)
		}
	}
}

// from returns a context as a request from the address has.
func from(t *testing.T, addr string) (ctx context.Context) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	r.RemoteAddr = netip.AddrPortFrom(netip.MustParseAddr(addr), 4711).String()
	curfew.Edge{}.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { ctx = r.Context() })).ServeHTTP(nil, r)
	return ctx
}

func listAudit(t *testing.T, s audit.Store, q audit.Query) audit.Page {
	t.Helper()
	page, err := audit.NewLog(s).List(t.Context(), q)
	if err != nil {
		t.Fatalf("List %+v: %v", q, err)
	}
	return page
}

func shown(t *testing.T, records []audit.Record) string {
	t.Helper()
	text, err := json.Marshal(records)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func numbers(records []audit.Record) []int64 {
	all := []int64{}
	for _, r := range records {
		all = append(all, r.No)
	}
	return all
}

func verify(t *testing.T, s audit.Store, marks ...audit.Mark) (first, last audit.Mark) {
	t.Helper()
	first, last, err := audit.NewLog(s).Verify(t.Context(), marks...)
	if err != nil {
		t.Fatalf("Verify: %v", err)
	}
	return first, last
}

func testAuditAppend(t *testing.T, s AuditedStore) {
	if page := listAudit(t, s, audit.Query{}); len(page.Records) != 0 || page.Next != 0 {
		t.Errorf("an empty log has %+v", page)
	}
	first := note(audit.PasswordChanged, "amara")
	first.By, first.Changes = &audit.Party{ID: "id-mia", Name: "mia", Session: "s"}, []audit.Change{{Field: "role", From: "user", To: "admin"}}
	second := note(audit.Unlocked, "line\nbreak \u202e \x1b[31m</script>\xff")
	second.At, second.From = audit.Time{Time: T0.Add(time.Minute)}, "192.0.2.1"
	if err := s.AppendAudit(from(t, "203.0.113.9"), T0, first, audit.Record{}, second); err != nil {
		t.Fatal(err)
	}
	first.No, first.At, first.From = 1, audit.Time{Time: T0}, "203.0.113.9"
	second.No, second.User = 2, note("", "line\nbreak \u202e \x1b[31m</script>\ufffd").User
	if got, want := shown(t, listAudit(t, s, audit.Query{}).Records), shown(t, []audit.Record{second, first}); got != want {
		t.Errorf("the log has %s, want %s", got, want)
	}
	if start, end := verify(t, s); start != (audit.Mark{}) || end.No != 2 {
		t.Errorf("the log is from %v to %v", start, end)
	}
}

func testAuditFilters(t *testing.T, s AuditedStore) {
	refused := note(audit.SignInFailed, "mia")
	refused.Outcome, refused.From = audit.Refused, "192.0.2.7"
	byMia := note(audit.AccountChanged, "amara")
	byMia.By = &audit.Party{ID: "id-mia", Name: "mia"}
	for i, r := range []audit.Record{note(audit.AccountCreated, "amara"), note(audit.AccountCreated, "mia"), refused, byMia} {
		if err := s.AppendAudit(t.Context(), T0.Add(time.Duration(i)*time.Second), r); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		q    audit.Query
		want []int64
	}{
		"all":                {audit.Query{}, []int64{4, 3, 2, 1}},
		"an event":           {audit.Query{Events: []audit.Event{audit.AccountCreated}}, []int64{2, 1}},
		"two events":         {audit.Query{Events: []audit.Event{audit.SignInFailed, audit.AccountChanged}}, []int64{4, 3}},
		"refused":            {audit.Query{Outcome: audit.Refused}, []int64{3}},
		"to or by a user":    {audit.Query{User: "id-mia"}, []int64{4, 3, 2}},
		"a word":             {audit.Query{Search: "AMARA"}, []int64{4, 1}},
		"two words":          {audit.Query{Search: "mia 192.0.2"}, []int64{3}},
		"from on":            {audit.Query{From: T0.Add(2 * time.Second)}, []int64{4, 3}},
		"until":              {audit.Query{Until: T0.Add(2 * time.Second)}, []int64{2, 1}},
		"between":            {audit.Query{From: T0.Add(time.Second), Until: T0.Add(2 * time.Second)}, []int64{2}},
		"after all":          {audit.Query{From: T0.Add(time.Hour)}, []int64{}},
		"before a record":    {audit.Query{Before: 3}, []int64{2, 1}},
		"a user, between":    {audit.Query{User: "id-amara", Until: T0.Add(time.Second)}, []int64{1}},
		"nothing has it all": {audit.Query{User: "id-amara", Outcome: audit.Refused}, []int64{}},
	} {
		if page := listAudit(t, s, c.q); !slices.Equal(numbers(page.Records), c.want) || page.Next != 0 {
			t.Errorf("%s: records %v, next %d; want %v", name, numbers(page.Records), page.Next, c.want)
		}
	}
}

func testAuditPages(t *testing.T, s AuditedStore) {
	var many []audit.Record
	for i := range audit.BlockSize + 10 {
		many = append(many, note(audit.Unlocked, fmt.Sprint("user", i+1)))
	}
	if err := s.AppendAudit(t.Context(), T0, many...); err != nil { // more than one block
		t.Fatal(err)
	}
	var got []int64
	q := audit.Query{Limit: 100}
	for range 5 {
		page := listAudit(t, s, q)
		got = append(got, numbers(page.Records)...)
		if q.Before = page.Next; page.Next == 0 {
			break
		}
	}
	if len(got) != len(many) || got[0] != int64(len(many)) || got[len(got)-1] != 1 || !slices.IsSortedFunc(got, func(a, b int64) int { return int(b - a) }) {
		t.Errorf("pages have %d records, %v to %v; want %d to 1", len(got), got[0], got[len(got)-1], len(many))
	}
}

func testAuditLines(t *testing.T, s AuditedStore) {
	appendNotes(t, s, 5)
	var file []byte
	for line, err := range audit.NewLog(s).Lines(t.Context(), 1) {
		if err != nil {
			t.Fatal(err)
		}
		file = append(append(file, line.Text...), '\n')
	}
	_, end := verify(t, s)
	if first, last, err := audit.VerifyFile(bytes.NewReader(file)); err != nil || first.No != 1 || last != end {
		t.Errorf("the file of all records is from %v to %v, %v; want to %v", first, last, err, end)
	}
	var some []int64
	for line, err := range audit.NewLog(s).Lines(t.Context(), 4) {
		if err != nil {
			t.Fatal(err)
		}
		some = append(some, line.No)
		if !bytes.Contains(file, append(line.Text, '\n')) {
			t.Errorf("record %d alone is %s, which it is not among all:\n%s", line.No, line.Text, file)
		}
	}
	if !slices.Equal(some, []int64{4, 5}) {
		t.Errorf("lines from 4 on are %v", some)
	}
}

func testAuditBlocks(t *testing.T, s AuditedStore) {
	appendNotes(t, s, 2)
	if err := s.AppendAudit(t.Context(), T0.Add(time.Minute), note(audit.Unlocked, "a"), note(audit.Unlocked, "b"), note(audit.Unlocked, "c")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		no   int64
		back bool
		most int
		want []int64
	}{
		{1, false, 10, []int64{1, 2, 3}},
		{2, false, 1, []int64{2}},
		{4, false, 10, []int64{3}},
		{5, false, 10, []int64{3}},
		{6, false, 10, nil},
		{0, false, 1, []int64{1}},
		{99, true, 2, []int64{3, 2}},
		{4, true, 10, []int64{3, 2, 1}},
		{2, true, 10, []int64{2, 1}},
		{0, true, 10, nil},
	} {
		blocks, err := s.AuditBlocks(t.Context(), c.no, c.back, c.most)
		var got []int64
		for _, b := range blocks {
			got = append(got, b.No)
		}
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("AuditBlocks(%d, %v, %d) = %v, %v; want %v", c.no, c.back, c.most, got, err, c.want)
		}
	}
}

func testAuditSince(t *testing.T, s AuditedStore) {
	appendNotes(t, s, 3)
	for after, want := range map[time.Duration]int64{-time.Hour: 1, 0: 1, 1500 * time.Millisecond: 3, 2 * time.Second: 3, time.Hour: 4} {
		if no, err := s.AuditSince(t.Context(), T0.Add(after)); err != nil || no != want {
			t.Errorf("since %v: %d, %v; want %d", after, no, err, want)
		}
	}
}

func testAuditForget(t *testing.T, s AuditedStore) {
	appendNotes(t, s, 5)
	_, end := verify(t, s)
	now := T0.Add(time.Hour)
	if n, err := s.ForgetAudit(t.Context(), now, T0); n != 0 || err != nil {
		t.Errorf("of what is new, %d were forgotten, %v", n, err)
	}
	if n, err := s.ForgetAudit(t.Context(), now, T0.Add(3*time.Second)); n != 3 || err != nil {
		t.Errorf("%d were forgotten, %v; want 3", n, err)
	}
	start, last := verify(t, s, end)
	if start.No != 3 || last.No != 6 {
		t.Errorf("the log is from %v to %v; want from after 3 to 6", start, last)
	}
	page := listAudit(t, s, audit.Query{})
	if got := numbers(page.Records); !slices.Equal(got, []int64{6, 5, 4}) {
		t.Errorf("the log has %v", got)
	} else if r := page.Records[0]; r.Event != audit.Forgotten || r.Count != 3 || r.Note != start.String() {
		t.Errorf("the record of it is %+v", r)
	}
	if n, err := s.ForgetAudit(t.Context(), now.Add(time.Hour), now.Add(time.Minute)); n != 3 || err != nil {
		t.Errorf("of the rest %d were forgotten, %v; want 3", n, err)
	}
	if start, last := verify(t, s, end); start.No != 6 || last.No != 7 {
		t.Errorf("the log is from %v to %v; want one record after 6", start, last)
	}
}

// testAuditOfAccounts has each change of accounts, made or refused.
func testAuditOfAccounts(t *testing.T, s AuditedStore) {
	amara, wrong := sampleAccount("amara", account.Admin), errors.New("wrong")
	ctx, id, key := from(t, "192.0.2.1"), amara.ID, sampleKey("amara", "backup")
	change := func(err error) func(*account.Stored) error { return func(*account.Stored) error { return err } }
	limit := func(err error) func([]time.Time) ([]time.Time, error) {
		return func(at []time.Time) ([]time.Time, error) { return at, err }
	}
	update := func(id curfew.UserID, err error) error {
		_, got := s.UpdateAccount(ctx, T0, id, false, change(err), note(audit.AccountChanged, "amara"))
		return got
	}
	for _, step := range []struct {
		name string
		do   func() error
		want audit.Event // "" if it is refused
	}{
		{"insert", func() error { return s.InsertAccount(ctx, T0, amara, true, note(audit.AccountCreated, "amara")) }, audit.AccountCreated},
		{"insert again", func() error { return s.InsertAccount(ctx, T0, amara, false, note(audit.AccountCreated, "amara")) }, ""},
		{"update", func() error { return update(id, nil) }, audit.AccountChanged},
		{"update, refused", func() error { return update(id, wrong) }, ""},
		{"update of nobody", func() error { return update("nobody", nil) }, ""},
		{"limit", func() error { return s.Limit(ctx, T0, []string{"k"}, limit(nil), note(audit.Unlocked, "amara")) }, audit.Unlocked},
		{"limit, refused", func() error { return s.Limit(ctx, T0, []string{"k"}, limit(wrong), note(audit.Unlocked, "amara")) }, ""},
		{"insert a key", func() error { return s.InsertKey(ctx, T0, key, 1, note(audit.KeyCreated, "amara")) }, audit.KeyCreated},
		{"insert it again", func() error { return s.InsertKey(ctx, T0, key, 1, note(audit.KeyCreated, "amara")) }, ""},
		{"delete somebody else's key", func() error { return s.DeleteKey(ctx, T0, "nobody", key.ID, note(audit.KeyRevoked, "amara")) }, ""},
		{"delete the key", func() error { return s.DeleteKey(ctx, T0, id, key.ID, note(audit.KeyRevoked, "amara")) }, audit.KeyRevoked},
		{"delete it again", func() error { return s.DeleteKey(ctx, T0, id, key.ID, note(audit.KeyRevoked, "amara")) }, ""},
		{"delete the last admin", func() error { return s.DeleteAccount(ctx, T0, id, note(audit.AccountDeleted, "amara")) }, ""},
		{"insert another", func() error {
			return s.InsertAccount(ctx, T0, sampleAccount("mia", account.Admin), false, note(audit.AccountCreated, "mia"))
		}, audit.AccountCreated},
		{"delete", func() error { return s.DeleteAccount(ctx, T0, id, note(audit.AccountDeleted, "amara")) }, audit.AccountDeleted},
		{"delete again", func() error { return s.DeleteAccount(ctx, T0, id, note(audit.AccountDeleted, "amara")) }, ""},
	} {
		before := listAudit(t, s, audit.Query{}).Records
		if err := step.do(); (err == nil) != (step.want != "") {
			t.Fatalf("%s: %v", step.name, err)
		}
		after := listAudit(t, s, audit.Query{}).Records
		switch added := after[:len(after)-len(before)]; {
		case step.want == "" && len(added) == 0:
		case step.want != "" && len(added) == 1 && added[0].Event == step.want && added[0].From == "192.0.2.1" && added[0].At.Equal(T0):
		default:
			t.Errorf("%s: noted are %+v, want one %q", step.name, added, step.want)
		}
	}
	// What f says of the change is noted.
	notes := make([]audit.Record, 1)
	_, err := s.UpdateAccount(ctx, T0, "id-mia", false, func(*account.Stored) error {
		notes[0] = note(audit.PasswordChanged, "mia")
		return nil
	}, notes...)
	if last := listAudit(t, s, audit.Query{Limit: 1}).Records; err != nil || last[0].Event != audit.PasswordChanged {
		t.Errorf("noted is %+v, %v", last, err)
	}
	verify(t, s)
}

func testAuditCancelled(t *testing.T, s AuditedStore) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.AppendAudit(ctx, T0, note(audit.Unlocked, "amara")); err == nil {
		t.Error("AppendAudit went on for a caller who had gone")
	}
	if _, err := audit.NewLog(s).List(ctx, audit.Query{}); err == nil {
		t.Error("List went on for a caller who had gone")
	}
	if _, err := s.ForgetAudit(ctx, T0, T0.Add(time.Hour)); err == nil {
		t.Error("ForgetAudit went on for a caller who had gone")
	}
	if page := listAudit(t, s, audit.Query{}); len(page.Records) != 0 {
		t.Errorf("the log has %+v", page.Records)
	}
}

// CheckAudit compares the audit log with the sessions of a store: each start must be in it once, and each end once and as history has it,
// but for ends of everybody at once. Nothing else may change the store meanwhile.
func CheckAudit(t *testing.T, s interface {
	curfew.Store
	audit.Store
}) {
	t.Helper()
	verify(t, s)
	starts, ends := auditOfSessions(t, s)
	ended := 0
	for e := range entries(t, s) {
		ended++
		want, got := audit.End(e.Session.User, e.Session.ID, e.Ending, ""), ends[e.Session.ID]
		if got.User == nil || got.Event != want.Event || got.Reason != want.Reason || !got.At.Equal(want.At.Time) || got.User.Name != want.User.Name {
			t.Errorf("of the end of %s there is %s, want %s", e.Session.ID, shown(t, []audit.Record{got}), shown(t, []audit.Record{want}))
		}
	}
	if len(ends) != ended {
		t.Errorf("%d ends are noted, %d sessions ended", len(ends), ended)
	}
	live, err := s.Count(t.Context(), curfew.Query{})
	if err != nil {
		t.Fatal(err)
	}
	if n := live.Sessions + ended; n != len(starts) {
		t.Errorf("%d starts are noted of %d sessions", len(starts), n)
	}
}

// auditOfSessions returns the records of starts and ends, by session.
func auditOfSessions(t *testing.T, s audit.Store) (starts, ends map[curfew.SessionID]audit.Record) {
	t.Helper()
	starts, ends = map[curfew.SessionID]audit.Record{}, map[curfew.SessionID]audit.Record{}
	noted := map[audit.Event]map[curfew.SessionID]audit.Record{
		audit.SignedIn: starts, audit.SignedOut: ends, audit.SessionExpired: ends, audit.SessionTerminated: ends,
	}
	for q := (audit.Query{Limit: curfew.MaxPage}); ; {
		page := listAudit(t, s, q)
		for _, r := range page.Records {
			sessions := noted[r.Event]
			if before, twice := sessions[r.Session]; twice {
				t.Errorf("session %s is noted twice: %s", r.Session, shown(t, []audit.Record{before, r}))
			}
			if sessions != nil {
				sessions[r.Session] = r
			}
		}
		if q.Before = page.Next; q.Before == 0 {
			return starts, ends
		}
	}
}

// entries returns the whole history.
func entries(t *testing.T, s curfew.Store) iter.Seq[curfew.Ended] {
	t.Helper()
	return func(yield func(curfew.Ended) bool) {
		for q := (curfew.HistoryQuery{Limit: curfew.MaxPage}); ; {
			page, err := s.History(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range page.Ended {
				if !yield(e) {
					return
				}
			}
			if page.Next == nil {
				return
			}
			q.Cursor = *page.Next
		}
	}
}
