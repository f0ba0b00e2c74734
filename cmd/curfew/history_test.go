package main

import (
	"reflect"
	"strings"
	"testing"

	"github.com/curfewhq/curfew"
)

// TestHistoryKnowsReasons compares what the flag offers with what there is.
func TestHistoryKnowsReasons(t *testing.T) {
	flag, _ := reflect.TypeFor[historyCmd]().FieldByName("Reason")
	var want []string
	for _, r := range curfew.Reasons {
		want = append(want, string(r))
		if !strings.Contains(flag.Tag.Get("help"), string(r)) {
			t.Errorf("the help of --reason lacks %s", r)
		}
	}
	if got := flag.Tag.Get("complete"); got != strings.Join(want, ",") {
		t.Errorf("--reason completes %s, want %v", got, want)
	}
}
