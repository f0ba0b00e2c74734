package main

import (
	"context"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/term"
)

// TestInterruptedQuestion has who is asked press Ctrl-C: the command ends at once, does nothing, and leaves the terminal as it was.
func TestInterruptedQuestion(t *testing.T) {
	inTurn(t)
	s := serveHouse(t)
	for range 2 {
		s.signIn("mia")
	}
	for question, args := range map[string][]string{
		"Password: ":    {"user", "add", "zoe"},
		"Go on? [y/N] ": {"end", "--user", "mia"},
	} {
		t.Run(args[0], func(t *testing.T) {
			typed, tty, err := pty.Open()
			if err != nil {
				t.Fatal(err)
			}
			defer tty.Close()
			defer typed.Close()
			before, err := term.GetState(int(tty.Fd()))
			if err != nil {
				t.Fatal(err)
			}
			ctx, interrupt := context.WithCancel(t.Context())
			defer interrupt()
			var asked syncBuffer
			done := make(chan int, 1)
			go func() { done <- run(ctx, append(args, "--data", s.data), streams{tty, io.Discard, &asked}) }()
			until(t, asked.String, strings.NewReplacer("?", `\?`, "[", `\[`).Replace(question)+"$")
			if args[0] == "user" { // only then the terminal shows nothing more
				until(t, func() string {
					state, err := term.GetState(int(tty.Fd()))
					return fmt.Sprint(reflect.DeepEqual(state, before), err)
				}, "^false <nil>$")
			}
			interrupt()
			if status := <-done; status != exitFailure {
				t.Errorf("exit status %d", status)
			}
			if got, want := asked.String(), question+"\ncurfew: interrupted; nothing was done\n"; !strings.HasSuffix(got, want) {
				t.Errorf("it said %q", got)
			}
			if after, err := term.GetState(int(tty.Fd())); err != nil || !reflect.DeepEqual(after, before) {
				t.Errorf("the terminal is left as %v, %v; it was %v", after, err, before)
			}
		})
	}
	if users := s.curfew("", "user", "list"); strings.Contains(users, "zoe") {
		t.Errorf("there is an account:\n%s", users)
	}
	if sessions := s.curfew("", "sessions", "--user", "mia"); strings.Count(sessions, "mia") != 2 {
		t.Errorf("sessions have ended:\n%s", sessions)
	}
}
