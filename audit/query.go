package audit

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/curfewhq/curfew"
)

// Query asks for records, the latest first. Its fields narrow it down together.
type Query struct {
	Search  string // words that must all occur in the record, see curfew.SearchWords
	Events  []Event
	Outcome Outcome
	User    curfew.UserID // who did it, or to whom it was done
	From    time.Time
	Until   time.Time // at in [From, Until); zero times are open ends
	Limit   int       // 0 means curfew.DefaultPage; at most curfew.MaxPage
	Before  int64     // only records with lower numbers; 0 for the latest
}

// Page is a part of the records, the latest first.
type Page struct {
	Records []Record
	Next    int64 // for Query.Before; 0 if there are no more. A page may be short, even empty, with more to follow: see Effort
}

// Effort is how many records List looks at for one page.
const Effort = 50_000

// List returns a page.
func (l *Log) List(ctx context.Context, q Query) (Page, error) {
	var page Page
	match := q.matcher()
	looked, most := 0, curfew.PageSize(q.Limit)
	for line, err := range l.back(ctx, q) {
		if err != nil {
			return Page{}, err
		}
		if !q.From.IsZero() && line.blockAt.Before(q.From) {
			return page, nil
		}
		if len(page.Records) == most || looked == Effort {
			page.Next = line.no + 1
			return page, nil
		}
		looked++
		r, ok, err := match(line.text)
		if err != nil {
			return Page{}, err
		}
		if ok {
			page.Records = append(page.Records, r)
		}
	}
	return page, nil
}

// matcher returns a function that reads a line if it matches.
func (q Query) matcher() func(line []byte) (Record, bool, error) {
	words := curfew.SearchWords(q.Search)
	return func(line []byte) (r Record, ok bool, err error) {
		if len(words) > 0 && !containsAll(strings.ToLower(string(line)), words) {
			return r, false, nil
		}
		if r, err = read(line); err != nil {
			return r, false, err
		}
		return r, q.matches(r), nil
	}
}

func containsAll(text string, words []string) bool {
	return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) })
}

func (q Query) matches(r Record) bool {
	switch {
	case len(q.Events) > 0 && !slices.Contains(q.Events, r.Event):
	case q.Outcome != "" && q.Outcome != r.Outcome:
	case q.User != "" && !r.By.is(q.User) && !r.User.is(q.User):
	case !q.From.IsZero() && r.At.Before(q.From):
	case !q.Until.IsZero() && !r.At.Before(q.Until):
	default:
		return true
	}
	return false
}

func (p *Party) is(id curfew.UserID) bool { return p != nil && p.ID == id }
