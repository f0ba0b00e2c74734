package sqlite_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/sqlite"
	"github.com/curfewhq/curfew/storetest"
)

// TestUpgrade opens databases of every former schema, with live sessions in the indexes and in none, one under a former name, history, and rows
// behind a fence.
func TestUpgrade(t *testing.T) {
	for schema := int64(2); schema < sqlite.NewestMigration(); schema++ {
		t.Run(fmt.Sprint("from ", schema), func(t *testing.T) {
			dir := t.TempDir()
			sqlite.Former(t, dir, schema,
				"INSERT INTO person (no, user_id, user_name, full_name) VALUES "+
					"(1, 'id-amara', 'amara', 'Full amara'), (2, 'id-mia', 'mia', 'Full mia'), (3, 'id-amara', 'amara', 'Former amara')",
				"UPDATE person SET live = 3 - no WHERE no < 3",
				"INSERT INTO person_word VALUES ('amara', 1), ('mia', 2), ('full', 1), ('full', 2)",
				"INSERT INTO device VALUES (1, '')",
				formerSession(1, 1, "own", "amara", 1), formerSession(2, 1, "behind", "amara", 1), formerSession(3, 1, "behind2", "mia", 2),
				formerSession(4, 0, "behind3", "mia", 2), formerSession(5, 0, "new", "mia", 2), formerSession(6, 0, "former", "amara", 3),
				fmt.Sprintf("INSERT INTO fence (upto, but, reason, by_user, by_name, by_session, at) VALUES (4, 'own', 'terminated', '', '', '', %d)",
					storetest.T0.Add(time.Minute).UnixMilli()),
				formerPast("past", "amara", 1, time.Second), formerPast("past2", "amara", 1, time.Second), formerPast("past3", "mia", 2, 0))
			db := open(t, dir)
			settle(db)
			now := storetest.T0.Add(time.Minute)
			page, err := db.List(t.Context(), curfew.Query{Now: now, Sort: curfew.SortStarted})
			if err != nil || !slices.Equal(records(page.Records), []curfew.SessionID{"own", "new", "former"}) {
				t.Errorf("live are %+v, %v; want own, new and former", page.Records, err)
			}
			for _, search := range []string{"", "192."} {
				if n, err := db.Count(t.Context(), curfew.Query{Now: now, Search: search}); err != nil || n != (curfew.Count{Sessions: 3, Users: 2}) {
					t.Errorf("Count of %q = %+v, %v; want 3 of 2", search, n, err)
				}
			}
			if past := history(t, db); len(past) != 6 {
				t.Errorf("the history is %+v; want 6 sessions", past)
			}
			first, err := db.History(t.Context(), curfew.HistoryQuery{Search: "mia", Limit: 1, Until: now})
			if err != nil || len(first.Ended) != 1 || first.Ended[0].Session.ID != "past3" {
				t.Errorf("of mia's past is %+v, %v", first, err)
			}
			for _, id := range []string{"own", "behind", "behind3", "past", "new"} {
				if _, err := db.Insert(t.Context(), now, storetest.Record(id, "amara", time.Minute), 0, false); err == nil {
					t.Errorf("%s is used twice", id)
				}
			}
			insert(t, db, storetest.Record("newer", "amara", time.Minute))
		})
	}
}

func formerSession(seq, indexed int, id, user string, person int) string {
	return fmt.Sprintf("INSERT INTO session (seq, indexed, %s) VALUES (%d, %d, %s)", formerColumns, seq, indexed, formerValues(id, user, person))
}

func formerPast(id, user string, person int, at time.Duration) string {
	return fmt.Sprintf("INSERT INTO history (%s, reason, by_user, by_name, by_session, ended_at) VALUES (%s, 'idle', '', '', '', %d)",
		formerColumns, formerValues(id, user, person), storetest.T0.Add(at).UnixMilli())
}

const formerColumns = "id, hash, user_id, user_name, full_name, credential, origin, device, created_at, authenticated_at, last_active, " +
	"lifetime, grace, expires_at, person_no, device_no"

func formerValues(id, user string, person int) string {
	r := storetest.Record(id, user, 0)
	at := r.Session.CreatedAt.UnixMilli()
	return fmt.Sprintf("'%s', x'%x', 'id-%s', '%s', 'Full %[3]s', 'password', '192.0.2.7', '', %[5]d, %[5]d, %[5]d, 300000, 30000, %[6]d, %[7]d, 1",
		id, r.Hash, user, user, at, r.Session.ExpiresAt.UnixMilli(), person)
}
