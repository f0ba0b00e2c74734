package sqlite

import "testing"

// LimitCount is how many counters of sign-ins the database keeps, over or not.
func LimitCount(t *testing.T, db *DB) (n int) {
	t.Helper()
	if err := db.reads.QueryRowContext(t.Context(), "SELECT count(*) FROM sign_in_limit").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
