package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// errInterrupted is the answer to Ctrl-C instead of an answer.
var errInterrupted = errors.New("interrupted; nothing was done")

// askLine asks a person for a line.
func askLine(ctx context.Context, w io.Writer, in io.Reader, prompt string) (string, error) {
	fmt.Fprint(w, prompt)
	return interruptible(ctx, w, func() (string, error) {
		line, err := bufio.NewReader(in).ReadString('\n')
		if errors.Is(err, io.EOF) { // Ctrl-D says nothing, too
			err = nil
		}
		return line, err
	})
}

// askSecret asks for what the terminal does not show, and leaves that as it was.
func askSecret(ctx context.Context, w io.Writer, tty *os.File, prompt string) (string, error) {
	fd := int(tty.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
	fmt.Fprint(w, prompt)
	secret, err := interruptible(ctx, w, func() (string, error) {
		b, err := term.ReadPassword(fd)
		fmt.Fprintln(w)
		return string(b), err
	})
	if errors.Is(err, errInterrupted) {
		err = errors.Join(err, term.Restore(fd, before))
	}
	return secret, err
}

// interruptible returns what is read, or errInterrupted as soon as ctx ends: nothing else gets a read of a terminal to stop, which then
// goes on until the process ends.
func interruptible(ctx context.Context, w io.Writer, read func() (string, error)) (string, error) {
	type result struct {
		text string
		err  error
	}
	done := make(chan result, 1)
	go func() {
		text, err := read()
		done <- result{text, err}
	}()
	select {
	case r := <-done:
		return r.text, r.err
	case <-ctx.Done():
		fmt.Fprintln(w)
		return "", errInterrupted
	}
}
