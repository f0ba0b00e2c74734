package curfew_test

import (
	"errors"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/memory"
)

func TestStartAndEndSayWhatIsMissing(t *testing.T) {
	m := manage(t, memory.NewSessions(), curfew.Options{})
	for _, c := range []struct {
		field string
		start curfew.Start
	}{
		{"user", curfew.Start{Lifetime: time.Minute}},
		{"user", curfew.Start{User: curfew.User{Name: "amara"}, Lifetime: time.Minute}},
		{"seconds", curfew.Start{User: amara}},
		{"grace", curfew.Start{User: amara, Lifetime: time.Minute, Grace: -time.Second}},
		{"grace", curfew.Start{User: amara, Lifetime: time.Minute, Grace: 1500 * time.Microsecond}},
	} {
		_, token, err := m.Start(t.Context(), c.start)
		if e, ok := errors.AsType[*curfew.Error](err); !ok || e.Code != curfew.CodeInvalid || e.Field != c.field {
			t.Errorf("Start(%+v): %v, want one about %s", c.start, err, c.field)
		}
		if token != (curfew.Token{}) {
			t.Errorf("Start(%+v) gave a token away", c.start)
		}
	}

	s, token := start(t, m, amara)
	if _, err := m.End(t.Context(), s.ID, curfew.Ending{}); curfew.ErrorCode(err) != curfew.CodeInvalid {
		t.Errorf("End without a reason: %v", err)
	}
	if _, err := m.EndAll(t.Context(), curfew.Selection{All: true}, curfew.Ending{}); curfew.ErrorCode(err) != curfew.CodeInvalid {
		t.Errorf("EndAll without a reason: %v", err)
	}
	if _, err := m.Check(t.Context(), token, curfew.Passive); err != nil {
		t.Errorf("a session that was ended without a reason: %v", err)
	}
}
