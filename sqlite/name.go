package sqlite

import "github.com/curfewhq/curfew"

// names are the numbers of persons and devices that were asked for lately.
type names struct {
	person map[curfew.User]int64
	device map[string]int64
}

// namesKept bounds each kind of names in memory.
const namesKept = 50_000

func newNames() names {
	return names{map[curfew.User]int64{}, map[string]int64{}}
}

// personNo returns the number of the account under its present names.
func (t *tx) personNo(u curfew.User) (int64, error) {
	return number(t, t.names.person, u, "person", "user_id, user_name, full_name", []any{string(u.ID), u.Name, u.FullName}, u.Name+" "+u.FullName)
}

// byNo returns the number of who ended sessions, or nil if that was Curfew itself.
func (t *tx) byNo(by curfew.Actor) (any, error) {
	if by.Name == "" {
		return nil, nil
	}
	return t.personNo(curfew.User{ID: by.User, Name: by.Name})
}

func (t *tx) deviceNo(name string) (int64, error) {
	return number(t, t.names.device, name, "device", "name", []any{name}, name)
}

// number returns the number of the row that has the values in the columns, which it makes if there is none. If the change that
// it is made for is undone alone, it may stay: it does no harm, is made whole when it is asked for again, and goes with others
// that nobody has.
func number[K comparable](t *tx, known map[K]int64, key K, table, columns string, values []any, text string) (no int64, err error) {
	if no, ok := known[key]; ok {
		return no, nil
	}
	places := "?"
	for range values[1:] {
		places += ", ?"
	}
	// Values that stand there already are set again, so that the number is returned.
	err = t.queryRow("INSERT INTO "+table+" ("+columns+") VALUES ("+places+") ON CONFLICT ("+columns+") DO UPDATE SET no = no RETURNING no", values, &no)
	if err != nil {
		return 0, err
	}
	if _, err := t.exec("INSERT OR IGNORE INTO "+table+"_word SELECT value, ? FROM json_each(?)", no, list(curfew.Words(text))); err != nil {
		return 0, err
	}
	if len(known) >= namesKept {
		clear(known)
	}
	known[key] = no
	t.onRollback(func() { delete(known, key) })
	return no, nil
}

// countLive adds sessions to the numbers of person.live, or takes them off.
func (t *tx) countLive(sign, where string, arg any) error {
	_, err := t.exec("UPDATE OR FAIL person SET live = live "+sign+" n FROM (SELECT person_no, count(*) AS n FROM session WHERE "+where+
		" GROUP BY person_no) WHERE no = person_no", arg)
	return err
}

// forgetNames deletes the names that nobody has any more.
func (t *tx) forgetNames() error {
	for _, column := range []string{"person", "device"} {
		unused := "NOT EXISTS (SELECT 1 FROM session WHERE indexed = 1 AND " + column + "_no = no) " +
			"AND no NOT IN (SELECT " + column + "_no FROM session WHERE indexed = 0) " +
			"AND NOT EXISTS (SELECT 1 FROM history WHERE " + column + "_no = no)"
		if column == "person" {
			unused += " AND NOT EXISTS (SELECT 1 FROM history WHERE by_no = no)"
		}
		if _, err := t.exec("DELETE FROM " + column + " WHERE " + unused); err != nil {
			return err
		}
	}
	t.names = newNames()
	return nil
}
