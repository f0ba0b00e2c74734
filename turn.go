package curfew

import "context"

// turn is a lock that nobody waits for any longer than their context lasts.
type turn chan struct{}

func newTurn() turn { return make(turn, 1) }

// enter waits for the turn. Its error has CodeUnavailable.
func (t turn) enter(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return unavailable("wait for another change", ctx.Err())
	}
}

func (t turn) leave() { <-t }
