package main

import (
	"testing"

	"github.com/curfewhq/curfew/internal/browsertest"
)

const (
	patience     = browsertest.Patience
	insecureHost = browsertest.InsecureHost
)

type look = browsertest.Look

var (
	desktop     = browsertest.Desktop
	desktopDark = browsertest.DesktopDark
	phone       = browsertest.Phone
	phoneDark   = browsertest.PhoneDark

	// windows are the looks by the size of the window: light and dark.
	windows = [][]look{{desktop, desktopDark}, {phone, phoneDark}}
)

type profile struct{ browsertest.Profile }

func newProfile(t *testing.T) profile {
	t.Helper()
	return profile{browsertest.NewProfile(t)}
}

// tab is a tab with the steps of people who use Curfew.
type tab struct {
	*browsertest.Tab
	t *testing.T
}

func (p profile) open(t *testing.T, base string, l look) *tab {
	t.Helper()
	return &tab{p.Open(t, base, l), t}
}

func eval[T any](b *tab, js string) T {
	b.t.Helper()
	return browsertest.Eval[T](b.Tab, js)
}

func (b *tab) signIn(name string) {
	b.t.Helper()
	b.Go("/signin")
	b.Fill("#username", name)
	b.Fill("#password", password)
	b.Press("\r")
	b.UntilPath("/sessions")
}
