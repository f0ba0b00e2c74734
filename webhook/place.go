package webhook

import (
	"context"
	"time"

	"github.com/curfewhq/curfew/audit"
)

// start returns where all endpoints are, as soon as the store says so; false once ctx has ended.
func (s *Sender) start(ctx context.Context) (cursors map[string]audit.Cursor, ok bool) {
	for tries := 1; ; tries++ {
		cursors, err := s.cursors(ctx)
		if err == nil {
			return cursors, true
		}
		if ctx.Err() == nil {
			s.Logger.Error("webhook: nothing is told yet, since the store does not say how far the endpoints are", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil, false
		case <-time.After(s.backoff(tries, 0)):
		}
	}
}

// cursors returns where all endpoints are.
func (s *Sender) cursors(ctx context.Context) (map[string]audit.Cursor, error) {
	cursors, err := s.Store.Cursors(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.forget(ctx, cursors); err != nil {
		return nil, err
	}
	end, err := s.Log.End(ctx)
	if err != nil {
		return nil, err
	}
	for _, r := range s.receivers {
		c, known := cursors[r.Name]
		switch {
		case !known:
			s.Logger.Info("webhook: a new endpoint, which is told what happens from now on", "endpoint", r.Name)
		case c.No > end.No: // the database was restored
			s.Logger.Warn("webhook: the audit log has fewer records than the endpoint was told of; it goes on with what comes next",
				"endpoint", r.Name, "upto", c.No, "end", end.No)
		default:
			s.Logger.Info("webhook: the endpoint goes on where it was", "endpoint", r.Name, "upto", c.No, "records", end.No-c.No, "off", c.Off)
			continue
		}
		cursors[r.Name] = audit.Cursor{No: end.No, Off: c.Off}
		if err := s.Store.SetCursor(ctx, s.Now(), r.Name, cursors[r.Name]); err != nil {
			return nil, err
		}
	}
	return cursors, nil
}

// forget forgets where endpoints were that are there no more, if what they have not been told of is not kept any more either. A start
// with another configuration, or with none, so costs no endpoint its place.
func (s *Sender) forget(ctx context.Context, cursors map[string]audit.Cursor) error {
	first, err := s.Log.Start(ctx)
	if err != nil {
		return err
	}
	var keep, over []string
	for name, c := range cursors {
		switch _, err := s.named(name); {
		case err == nil:
		case c.No < first.No:
			over = append(over, name)
			continue
		default:
			s.Logger.Warn("webhook: an endpoint is not in the configuration; its place is kept, under its name", "endpoint", name, "upto", c.No)
		}
		keep = append(keep, name)
	}
	if len(over) == 0 {
		return nil
	}
	s.Logger.Warn("webhook: places are forgotten of endpoints that are not in the configuration; the records after them were deleted", "endpoints", over)
	return s.Store.ForgetCursors(ctx, keep)
}

// save keeps the cursor, if it has moved.
func (s *Sender) save(ctx context.Context, r *receiver) {
	c, moved := r.unsaved()
	if !moved {
		return
	}
	if err := s.Store.SetCursor(ctx, s.Now(), r.Name, c); err != nil {
		s.Logger.Error("webhook: how far it is can't be kept", "endpoint", r.Name, "error", err)
		return
	}
	r.saved(c)
}
