package curfew

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Code is the kind of an error, for callers that must answer each kind in their own way. Each edge (HTTP, exit
// status) has one table from Code.
type Code string

// The codes of errors.
const (
	CodeOK          Code = ""            // no error
	CodeInternal    Code = "internal"    // any error that carries no code
	CodeInvalid     Code = "invalid"     // the caller's input is wrong; Field says which
	CodeNotFound    Code = "not-found"   // no such session, account or token
	CodeEnded       Code = "ended"       // there was such a session; see EndedError
	CodeDenied      Code = "denied"      // known, but not allowed
	CodeConflict    Code = "conflict"    // allowed, but not in this state
	CodeLimited     Code = "limited"     // too often; Error.RetryAfter says when to come back
	CodeUnavailable Code = "unavailable" // the store can't be reached: nobody knows, so nobody gets in
)

// Error is an error with a code and a message for people. Nothing secret is ever in it.
type Error struct {
	Code    Code
	Field   string // the input it is about, if any
	Message string
	Err     error // the cause, if any: for logs, not for strangers

	RetryAfter time.Duration // with CodeLimited: when to try again
}

// Error returns field, message and cause in one line.
func (e *Error) Error() string {
	msg := e.Message
	if e.Field != "" {
		msg = e.Field + " " + msg
	}
	switch {
	case e.Err == nil:
		return msg
	case msg == "":
		return e.Err.Error()
	default:
		return msg + ": " + e.Err.Error()
	}
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errors that callers ask for by name.
var (
	// ErrNoSession says that no session was ever known by this token or ID, or that its record is no longer kept.
	ErrNoSession = &Error{Code: CodeNotFound, Message: "no such session"}
	// ErrOwnSession says that a session was to be terminated from within itself; signing out is the way.
	ErrOwnSession = &Error{Code: CodeConflict, Message: "your own session can't be terminated here; sign out instead"}
)

// EndedError says that a session has ended, and how. Only who holds the session's token, or may see history, gets it.
type EndedError struct{ Ended Ended }

// Error names the session and the reason.
func (e *EndedError) Error() string {
	return fmt.Sprintf("session %s has ended (%s)", e.Ended.Session.ID, e.Ended.Ending.Reason)
}

// ErrorCode returns the code of err or of the first error it wraps that has one. A cancelled or late context is
// CodeUnavailable; any other stranger is CodeInternal; nil is CodeOK.
func ErrorCode(err error) Code {
	var e *Error
	var ended *EndedError
	switch {
	case err == nil:
		return CodeOK
	case errors.As(err, &ended):
		return CodeEnded
	case errors.As(err, &e):
		return e.Code
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return CodeUnavailable
	default:
		return CodeInternal
	}
}

// unavailable wraps a store's error that carries no code of its own.
func unavailable(op string, err error) error {
	if c := ErrorCode(err); c != CodeInternal {
		return fmt.Errorf("%s: %w", op, err)
	}
	return &Error{Code: CodeUnavailable, Message: op, Err: err}
}
