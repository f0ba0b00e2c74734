// Package observe tells who measures or traces of what stores do.
package observe

import (
	"context"

	"github.com/curfewhq/curfew"
)

// Op is told that an operation of the name begins. It returns the context in which the operation is done, and what is to be
// called with its error when it is over. It may be called from many goroutines.
type Op func(ctx context.Context, name string) (context.Context, func(error))

// Join returns an Op that tells all those that are not nil; nil if there are none.
func Join(ops ...Op) Op {
	var all Op
	for _, op := range ops {
		switch first := all; {
		case op == nil:
		case first == nil:
			all = op
		default:
			all = func(ctx context.Context, name string) (context.Context, func(error)) {
				ctx, done := first(ctx, name)
				ctx, alsoDone := op(ctx, name)
				return ctx, func(err error) { alsoDone(err); done(err) }
			}
		}
	}
	return all
}

// IsFailure reports whether an operation could not be done. That there is no such thing, or that it can't be in this state, is an
// answer.
func IsFailure(err error) bool {
	switch curfew.ErrorCode(err) {
	case curfew.CodeOK, curfew.CodeNotFound, curfew.CodeEnded, curfew.CodeConflict:
		return false
	}
	return true
}
