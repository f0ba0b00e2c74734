package sqlite

import (
	"context"
	"database/sql"
	"slices"
	"strings"

	"github.com/curfewhq/curfew"
)

// A search must be quick whether it finds nearly all rows or one in a million. So a page is read in one of two ways. What
// is frequent is met soon by walking in the order of the page and passing over what does not match. What is rare is looked up
// in its own index, and sorted.

// effort is how many rows a search takes on.
type effort struct {
	sort  int // to look them up and sort them; more are walked through
	count int // to count them; of more it is said that there are more
}

var usualEffort = effort{sort: 5000, count: 10_000}

// clue is a condition that a search or a filter sets. In where an "@" is before each column of session or history.
type clue struct {
	column string // if it is about one column alone
	where  string
	args   []any
	ways   []clue // if it is about several: one of these must hold
}

// passing returns the condition in a form for which no index is used.
func (c clue) passing() string { return strings.ReplaceAll(c.where, "@", "+") }

// direct returns the condition in a form for which its column's index is used.
func (c clue) direct() string { return strings.ReplaceAll(c.where, "@", "") }

// searched is a table in which is searched.
type searched struct {
	table, where string
	key          string   // the rows' number
	people       []string // the columns that name persons
}

var (
	liveSessions  = searched{"session", "indexed = 1", "seq", []string{"person_no"}}
	endedSessions = searched{"history", "1", "no", []string{"person_no", "by_no"}}
)

// clues returns conditions that hold for all rows that match, indexed or not.
func (s searched) clues(user curfew.UserID, search string) []clue {
	clues := ofOneUser(user)
	for _, word := range curfew.SearchWords(search) {
		clues = append(clues, either(slices.Concat(s.inNames(word), []clue{begins(word)})))
	}
	return clues
}

// inNames returns the ways in which a word can be in the names of a row.
func (s searched) inNames(word string) (ways []clue) {
	for _, column := range s.people {
		ways = append(ways, named(column, "person", word))
	}
	return append(ways, named("device_no", "device", word))
}

func ofOneUser(user curfew.UserID) []clue {
	if user == "" {
		return nil
	}
	return []clue{{column: "person_no", where: "@" + ofUser, args: []any{string(user)}}}
}

func named(column, kind, word string) clue {
	return clue{column: column, where: "@" + column + " IN (SELECT no FROM " + kind + "_word WHERE word >= ? AND word < ?)", args: prefix(word)}
}

func begins(word string) clue {
	return clue{column: "origin", where: "@origin >= ? AND @origin < ?", args: prefix(word)}
}

// prefix returns the bounds between which all words are that begin with one.
func prefix(word string) []any { return []any{word, word + "\U0010FFFF"} }

func either(ways []clue) clue {
	if len(ways) == 1 {
		return ways[0]
	}
	c := clue{ways: ways}
	var list []string
	for _, way := range ways {
		list, c.args = append(list, way.where), append(c.args, way.args...)
	}
	c.where = "(" + strings.Join(list, ") OR (") + ")"
	return c
}

// find returns the conditions for indexed rows, without those ways to match that no row takes. What words say of one column
// alone is brought together, so that words which contradict each other are seen to. It reports whether there may be a match.
func (s searched) find(ctx context.Context, view *sql.Tx, user curfew.UserID, search string) (clues []clue, ok bool, err error) {
	clues = ofOneUser(user)
	for _, word := range curfew.SearchWords(search) {
		var ways []clue
		for _, way := range append(s.inNames(word), begins(word)) {
			if ok, err = s.taken(ctx, view, way, word); err != nil {
				return nil, false, err
			} else if ok {
				ways = append(ways, way)
			}
		}
		if len(ways) == 0 {
			return nil, false, nil
		}
		clues = append(clues, either(ways))
	}
	clues = merge(clues)
	for _, c := range clues {
		if n, err := s.count(ctx, view, c, 1); err != nil || n == 0 {
			return nil, false, err
		}
	}
	return clues, true, nil
}

// taken reports whether the way may lead to a row.
func (s searched) taken(ctx context.Context, view *sql.Tx, way clue, word string) (ok bool, err error) {
	from := map[string]string{"origin": s.table + " WHERE " + s.where + " AND origin", "device_no": "device_word WHERE word"}[way.column]
	if from == "" {
		from = "person_word WHERE word"
	}
	err = view.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM "+from+" BETWEEN ? AND ?)", prefix(word)...).Scan(&ok)
	return ok, err
}

// merge makes one clue of those that want a number to be in several sets.
func merge(clues []clue) (merged []clue) {
	for _, c := range clues {
		i := slices.IndexFunc(merged, func(m clue) bool { return m.column == c.column && strings.HasSuffix(c.column, "_no") })
		if i < 0 {
			merged = append(merged, c)
			continue
		}
		m := &merged[i]
		set := strings.TrimPrefix(c.where, "@"+c.column+" IN (")
		m.where = strings.TrimSuffix(m.where, ")") + " INTERSECT " + set
		m.args = slices.Concat(m.args, c.args)
	}
	return merged
}

// either returns the ways in which the condition can hold.
func (c clue) either() []clue {
	if len(c.ways) == 0 {
		return []clue{c}
	}
	return c.ways
}

// count counts the rows for which a condition holds, up to most or somewhat beyond. What it counts in two ways counts twice.
func (s searched) count(ctx context.Context, view *sql.Tx, c clue, most int) (n int, err error) {
	for _, way := range c.either() {
		var m int
		err := view.QueryRowContext(ctx, "SELECT count(*) FROM (SELECT 1 FROM "+s.table+" WHERE "+s.where+" AND ("+way.direct()+") LIMIT ?)",
			append(slices.Clone(way.args), most)...).Scan(&m)
		if err != nil {
			return 0, err
		}
		if n += m; n >= most {
			break
		}
	}
	return n, nil
}

// rarest returns which of the clues the fewest rows fulfil, and how many, up to most. Without clues it is the clue -1.
func (s searched) rarest(ctx context.Context, view *sql.Tx, clues []clue, most int) (at, n int, err error) {
	at = -1
	for i, c := range clues {
		m, err := s.count(ctx, view, c, most)
		if err != nil {
			return 0, 0, err
		}
		if at < 0 || m < n {
			at, n = i, m
		}
	}
	return at, n, nil
}

// drive adds the clues as conditions, of which the one at a place finds the rows.
func (s searched) drive(c *conditions, clues []clue, at int) {
	for i, clue := range clues {
		if i != at {
			c.add(clue.passing(), clue.args...)
			continue
		}
		var ways []string
		var args []any
		for _, way := range clue.either() {
			ways = append(ways, "SELECT "+s.key+" FROM "+s.table+" WHERE "+s.where+" AND ("+way.direct()+")")
			args = append(args, way.args...)
		}
		c.add(s.key+" IN ("+strings.Join(ways, " UNION ")+")", args...)
	}
}
