package memory

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/curfewhq/curfew"
)

// place is where an entry stands in an order.
type place struct {
	key  string
	id   curfew.SessionID
	desc bool
}

func (p place) compare(q place) int {
	c := cmp.Or(cmp.Compare(p.key, q.key), cmp.Compare(p.id, q.id))
	if p.desc {
		return -c
	}
	return c
}

func sortKey(s curfew.Session, by curfew.Sort) string {
	switch by {
	case curfew.SortStarted:
		return timeKey(s.CreatedAt)
	case curfew.SortUser:
		return strings.ToLower(s.User.Name)
	case curfew.SortOrigin:
		return s.Client.Origin
	case curfew.SortDevice:
		return strings.ToLower(s.Client.Device)
	default:
		return timeKey(s.LastActive)
	}
}

func timeKey(t time.Time) string { return fmt.Sprintf("%020d", t.UnixMilli()) }

// page cuts the page at the cursor out of rows, which are in order.
func page[T any](rows []T, c curfew.Cursor, limit int, at func(T) place) (cut []T, prev, next *curfew.Cursor) {
	limit = curfew.PageSize(limit)
	from := 0
	if c.ID != "" {
		from, _ = slices.BinarySearchFunc(rows, c, func(row T, c curfew.Cursor) int {
			p := at(row)
			p2 := place{c.Key, c.ID, p.desc}
			if !c.Back && p.compare(p2) == 0 {
				return -1
			}
			return p.compare(p2)
		})
	}
	if c.Back {
		from = max(0, from-limit)
	}
	to := min(len(rows), from+limit)
	cut = rows[from:to]
	if len(cut) > 0 && from > 0 {
		p := at(cut[0])
		prev = &curfew.Cursor{Key: p.key, ID: p.id, Back: true}
	}
	if len(cut) > 0 && to < len(rows) {
		p := at(cut[len(cut)-1])
		next = &curfew.Cursor{Key: p.key, ID: p.id}
	}
	return cut, prev, next
}
