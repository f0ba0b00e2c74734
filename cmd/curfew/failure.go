package main

import (
	"errors"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/audit"
)

// Exit statuses; docs/commands.md lists them.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2
	exitNotFound    = 3
	exitConflict    = 4
	exitUnavailable = 5
	exitDenied      = 6
	exitBroken      = 7
)

// exitStatus is the one table from errors to exit statuses.
func exitStatus(err error) int {
	if _, ok := errors.AsType[*audit.Broken](err); ok {
		return exitBroken
	}
	switch curfew.ErrorCode(err) {
	case curfew.CodeOK:
		return exitOK
	case curfew.CodeInvalid:
		return exitUsage
	case curfew.CodeNotFound:
		return exitNotFound
	case curfew.CodeConflict, curfew.CodeEnded:
		return exitConflict
	case curfew.CodeUnavailable, curfew.CodeLimited:
		return exitUnavailable
	case curfew.CodeDenied:
		return exitDenied
	default:
		return exitFailure
	}
}

// inputs are the words in which people typed the fields that errors are about.
var inputs = map[string]string{
	"username": "the user name",
	"password": "the password",
	"name":     "the name",

	"full_name":          "--full-name",
	"role":               "--role",
	"seconds":            "--lifetime",
	"lifetime_seconds":   "--lifetime",
	"expires_in_seconds": "--expires",

	"q":                "--search",
	"user":             "--user",
	"origin":           "--origin",
	"credential":       "--credential",
	"device":           "--device",
	"idle_longer_than": "--idle-longer-than",
	"reason":           "--reason",
	"actor":            "--by",
	"from":             "--from",
	"until":            "--until",
	"outcome":          "--outcome",
	"mark":             "--mark",
	"expect":           "--expect",

	"max-age":      "--max-age",
	"max-sessions": "--max-sessions",
	"at-max":       "--at-max",
	"keep-history": "--keep-history",
}

// message says what is wrong, in the words of the command line.
func message(err error) string {
	var e *curfew.Error
	if errors.As(err, &e) && e.Err == nil && inputs[e.Field] != "" {
		return inputs[e.Field] + " " + e.Message
	}
	if u, ok := errors.AsType[*unreachable](err); ok {
		return u.Error()
	}
	return err.Error()
}
