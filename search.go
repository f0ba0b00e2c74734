package curfew

import (
	"slices"
	"strings"
	"unicode"
)

// SearchWords splits a search into its words, in lower case, at most eight.
func SearchWords(search string) []string {
	words := strings.Fields(strings.ToLower(search))
	return words[:min(len(words), 8)]
}

// Words returns the words by which a name is found, in lower case: of "Ana Sá-Costa" they are "ana", "sá-costa" and "costa".
func Words(name string) []string {
	var words []string
	for _, field := range strings.Fields(strings.ToLower(name)) {
		words = append(words, field)
		mark := false
		for i, r := range field {
			letter := unicode.In(r, unicode.L, unicode.M, unicode.N)
			if letter && mark {
				words = append(words, field[i:])
			}
			mark = !letter
		}
	}
	return words
}

// Matches reports whether a search finds the session: each of its words must begin a word of the user name, the full name
// or the device, or begin the origin.
func (s Session) Matches(search string) bool {
	return matches(search, s.Client.Origin, s.User.Name, s.User.FullName, s.Client.Device)
}

// Matches reports whether a search finds the entry: it is as for a live session, but a word may also begin a word in the name
// of who ended it.
func (e Ended) Matches(search string) bool {
	s := e.Session
	return matches(search, s.Client.Origin, s.User.Name, s.User.FullName, s.Client.Device, e.Ending.By.Name)
}

func matches(search, origin string, names ...string) bool {
	for _, word := range SearchWords(search) {
		begins := func(s string) bool { return strings.HasPrefix(s, word) }
		if !begins(origin) && !slices.ContainsFunc(names, func(name string) bool { return slices.ContainsFunc(Words(name), begins) }) {
			return false
		}
	}
	return true
}
