// Package fault is what becomes of failures that are the server's own. A panic in a handler is an error like any other; the log has
// what strangers are not told, under an ID that they are.
package fault

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
)

// Panic is a panic as an error.
type Panic struct {
	Value any
	Stack []byte
}

func (p *Panic) Error() string { return fmt.Sprintf("panic: %v", p.Value) }

// Recovered makes an error of what recover returned, and nil of nil. http.ErrAbortHandler goes on as a panic: it is no fault, a handler
// breaks off its answer with it.
func Recovered(v any) *Panic {
	switch v {
	case nil:
		return nil
	case http.ErrAbortHandler:
		panic(v)
	default:
		return &Panic{v, debug.Stack()}
	}
}

// Report logs why a request failed, with what else there is to say about the request, and returns the ID of the line. That a client hung
// up is no fault of ours.
func Report(r *http.Request, log *slog.Logger, err error, about ...any) (id string) {
	id = strings.ToLower(rand.Text()[:10])
	level := slog.LevelError
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		level = slog.LevelDebug
	}
	args := append([]any{"id", id, "method", r.Method}, about...)
	args = append(args, "error", err)
	if p, ok := errors.AsType[*Panic](err); ok {
		args = append(args, "stack", string(p.Stack))
	}
	log.Log(r.Context(), level, "a request failed", args...)
	return id
}
