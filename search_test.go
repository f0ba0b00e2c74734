package curfew_test

import (
	"slices"
	"testing"

	"github.com/curfewhq/curfew"
)

func TestWords(t *testing.T) {
	for name, want := range map[string][]string{
		"":                      nil,
		"Ana Sá-Costa":          {"ana", "sá-costa", "costa"},
		"m.okafor@site.example": {"m.okafor@site.example", "okafor@site.example", "site.example", "example"},
		"Chrome 156 on macOS":   {"chrome", "156", "on", "macos"},
		"_x--y_":                {"_x--y_", "x--y_", "y_"},
		" 100% ":                {"100%"},
	} {
		if got := curfew.Words(name); !slices.Equal(got, want) {
			t.Errorf("Words(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestEndedMatchesWhoEndedIt(t *testing.T) {
	e := curfew.Ended{Ending: curfew.Ending{By: curfew.Actor{Name: "site.admin"}}}
	for search, want := range map[string]bool{"admin": true, "Site.A": true, "dmin": false} {
		if e.Matches(search) != want {
			t.Errorf("Matches(%q) = %v", search, !want)
		}
		if e.Session.Matches(search) {
			t.Errorf("%q matches a session that nobody has ended", search)
		}
	}
}
