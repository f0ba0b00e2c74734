package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/curfewhq/curfew"
)

// What a page of 50 may take, in nanoseconds.
const (
	pageLimit   = 15e6
	searchLimit = 30e6
)

// walkPatience is how long the walk to the middle may take.
const walkPatience = 30 * time.Second

var errFar = errors.New("the middle is too far to walk")

// measurePages asks for pages of all sessions in several orders, for searches, and for both while others count.
func (b *bench) measurePages() error {
	s, err := b.newSite(b.sessions, 0)
	if err != nil {
		return err
	}
	if err := b.measureOrders(s); err != nil {
		return err
	}
	if err := b.measureSearches(s); err != nil {
		return err
	}
	if err := b.measureCounts(s); err != nil {
		return err
	}
	return s.remove()
}

func (b *bench) measureOrders(s *site) error {
	for _, sort := range []curfew.Sort{curfew.SortStarted, curfew.SortActivity, curfew.SortUser} {
		for _, p := range []struct {
			name string
			find func(context.Context, curfew.Query) (curfew.Query, error)
		}{{"first", s.first}, {"middle", s.middle}, {"last", s.last}} {
			what := fmt.Sprintf("%s page by %s", p.name, sort)
			q, err := p.find(b.ctx, curfew.Query{Sort: sort})
			switch {
			case errors.Is(err, errFar):
				b.add(what, "≤ "+show(pageLimit), fmt.Sprintf("not reached in %v of walking", walkPatience), false)
				continue
			case err == nil:
				err = b.measurePage(s, what, q, pageLimit)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *site) first(_ context.Context, q curfew.Query) (curfew.Query, error) { return q, nil }

// middle is the query for the page in the middle. Nothing leads there but walking.
func (s *site) middle(ctx context.Context, q curfew.Query) (curfew.Query, error) {
	walk, began := q, time.Now()
	walk.Limit = curfew.MaxPage
	for range len(s.tokens) / 2 / curfew.MaxPage {
		if time.Since(began) > walkPatience {
			return q, errFar
		}
		page, err := s.List(ctx, walk)
		if err != nil {
			return q, err
		}
		if page.Next == nil {
			return q, fmt.Errorf("the list by %s is too short", q.Sort)
		}
		walk.Cursor = *page.Next
	}
	q.Cursor = walk.Cursor
	return q, nil
}

// last is the query for the page before the last session, which is the first when the order is turned round.
func (s *site) last(ctx context.Context, q curfew.Query) (curfew.Query, error) {
	turned := q
	turned.Desc = true
	end, err := s.List(ctx, turned)
	if err != nil || end.Next == nil {
		return q, err
	}
	q.Cursor = *end.Next
	page, err := s.List(ctx, q)
	if err == nil && (page.Next != nil || len(page.Records) != curfew.DefaultPage-1) {
		err = fmt.Errorf("the last page by %s has %d sessions", q.Sort, len(page.Records))
	}
	return q, err
}

// measurePage adds the row for a page.
func (b *bench) measurePage(s *site, what string, q curfew.Query, limit float64) error {
	took, err := repeat(func() error {
		_, err := s.List(b.ctx, q)
		return err
	})
	if err != nil {
		return err
	}
	b.within(fmt.Sprintf("%s, %s sessions", what, showCount(b.sessions)), limit, took)
	return nil
}

// searches are what people look for: many sessions, ten, one, none.
func searches() []struct{ name, search string } {
	return []struct{ name, search string }{
		{"user prefix, 1000 found", userOf(4200).Name[:len("user00042")]},
		{"user, 10 found", userOf(4242).Name},
		{"address", clientOf(4242).Origin},
		{"device, a quarter found", "Firefox"},
		{"user and device", userOf(4242).Name + " firefox"},
		{"nothing found", "nobody"},
	}
}

func (b *bench) measureSearches(s *site) error {
	for _, x := range searches() {
		if err := b.measurePage(s, "search, "+x.name, curfew.Query{Search: x.search}, searchLimit); err != nil {
			return err
		}
	}
	return nil
}

// measureCounts measures counting, and that it does not keep pages waiting.
func (b *bench) measureCounts(s *site) error {
	counts := []struct {
		name  string
		q     curfew.Query
		limit float64
	}{
		{"count of all", curfew.Query{}, pageLimit},
		{"count of a search, a quarter found", curfew.Query{Search: "firefox"}, searchLimit},
	}
	for _, c := range counts {
		took, err := repeat(func() error {
			_, err := s.Count(b.ctx, c.q)
			return err
		})
		if err != nil {
			return err
		}
		b.within(fmt.Sprintf("%s, %s sessions", c.name, showCount(b.sessions)), c.limit, took)
	}
	ctx, stop := context.WithCancel(b.ctx)
	counted := make(chan error, 1)
	go func() { counted <- s.countUntil(ctx) }()
	time.Sleep(50 * time.Millisecond)
	err := b.measurePage(s, "first page while another caller counts", curfew.Query{Sort: curfew.SortStarted}, pageLimit)
	stop()
	return errors.Join(err, <-counted)
}

func (s *site) countUntil(ctx context.Context) error {
	for ctx.Err() == nil {
		if _, err := s.Count(context.WithoutCancel(ctx), curfew.Query{Search: "firefox"}); err != nil {
			return err
		}
	}
	return nil
}
