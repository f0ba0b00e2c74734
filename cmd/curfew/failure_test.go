package main

import (
	"strings"
	"testing"
)

// TestInputsAreFlags looks for the flags that messages name.
func TestInputsAreFlags(t *testing.T) {
	flags := map[string]bool{}
	for _, f := range allFlags(t) {
		flags["--"+f.Name] = true
	}
	for field, typed := range inputs {
		if strings.HasPrefix(typed, "--") && !flags[typed] {
			t.Errorf("%s is called %s, which no command has", field, typed)
		}
	}
}
