package main

import (
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/internal/metrics"
	"github.com/curfewhq/curfew/memory"
)

// endings is a manager whose ends are logged and counted.
type endings struct {
	*curfew.Manager
	t   *testing.T
	log syncBuffer // the sweeper writes to it as well, which synctest orders in time but not for the race detector

	metrics *metrics.Metrics
	tokens  []curfew.Token
}

func newEndings(t *testing.T, policy curfew.Policy) *endings {
	t.Helper()
	e := &endings{t: t, metrics: metrics.New("test")}
	log := slog.New(slog.NewTextHandler(&e.log, nil))
	store := memory.NewSessions()
	var err error
	e.Manager, err = curfew.New(t.Context(), &ends{Store: store, after: store, log: log, metrics: e.metrics}, curfew.Options{Policy: policy, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

func (e *endings) start(name string, lifetime time.Duration) curfew.Session {
	e.t.Helper()
	s, token, err := e.Start(e.t.Context(), curfew.Start{
		User: curfew.User{ID: curfew.UserID(name), Name: name}, Lifetime: lifetime,
		Client: curfew.Client{Origin: "10.0.0." + fmt.Sprint(len(name))},
	})
	if err != nil {
		e.t.Fatal(err)
	}
	e.tokens = append(e.tokens, token)
	return s
}

func (e *endings) end(sel curfew.Selection, ending curfew.Ending) {
	e.t.Helper()
	if _, err := e.EndAll(e.t.Context(), sel, ending); err != nil {
		e.t.Fatal(err)
	}
}

// want has the log hold these lines since the last time, and no others.
func (e *endings) want(lines ...string) {
	e.t.Helper()
	got := ""
	log := e.log.take()
	for _, token := range e.tokens {
		if strings.Contains(log, token.Reveal()) {
			e.t.Error("the log holds a token")
		}
	}
	for line := range strings.Lines(log) {
		_, line, _ = strings.Cut(line, "level=")
		got += line
	}
	if want := strings.Join(append(lines, ""), "\n"); got != want {
		e.t.Errorf("the log holds\n%swant\n%s", got, want)
	}
}

// wantCounted has the metrics count these ends, and no others.
func (e *endings) wantCounted(want map[curfew.Reason]int) {
	e.t.Helper()
	families, err := e.metrics.Registry().Gather()
	if err != nil {
		e.t.Fatal(err)
	}
	got := map[curfew.Reason]int{}
	for _, f := range families {
		if f.GetName() != "curfew_sessions_ended_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			if n := int(m.GetCounter().GetValue()); n > 0 {
				got[curfew.Reason(m.GetLabel()[0].GetValue())] = n
			}
		}
	}
	if !maps.Equal(got, want) {
		e.t.Errorf("the metrics count %v, want %v", got, want)
	}
}

func TestEndsAreLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEndings(t, curfew.Policy{MaxSessions: 3})
		amara := e.start("amara", time.Hour)
		mia := e.start("mia", time.Hour)
		by := curfew.Actor{User: "amara", Name: "amara", Session: amara.ID}

		e.end(curfew.Selection{IDs: []curfew.SessionID{mia.ID}}, curfew.Ending{Reason: curfew.ReasonTerminated, By: by})
		e.want(fmt.Sprintf("INFO msg=\"session ended\" user=mia session=%s origin=10.0.0.3 reason=terminated by=amara from=10.0.0.5", mia.ID))
		e.end(curfew.Selection{IDs: []curfew.SessionID{mia.ID}}, curfew.Ending{Reason: curfew.ReasonTerminated, By: by})
		e.want() // it had ended

		e.end(curfew.Selection{IDs: []curfew.SessionID{amara.ID}}, curfew.Ending{Reason: curfew.ReasonSignedOut, By: by})
		e.want(fmt.Sprintf("INFO msg=\"session ended\" user=amara session=%s origin=10.0.0.5 reason=signed-out by=amara", amara.ID))

		idle := e.start("mia", 30*time.Second)
		time.Sleep(62 * time.Second)
		synctest.Wait()
		e.want(fmt.Sprintf("INFO msg=\"session ended\" user=mia session=%s origin=10.0.0.3 reason=idle", idle.ID))

		oldest := e.start("mia", time.Hour)
		for range 3 {
			time.Sleep(time.Second)
			e.start("mia", time.Hour)
		}
		e.want(fmt.Sprintf("INFO msg=\"session ended\" user=mia session=%s origin=10.0.0.3 reason=replaced", oldest.ID))

		e.end(curfew.Selection{All: true}, curfew.Ending{Reason: curfew.ReasonTerminated, By: curfew.Actor{Name: "root (command line)"}})
		e.want(`INFO msg="sessions ended" count=3 reason=terminated by="root (command line)"`)
		e.wantCounted(map[curfew.Reason]int{curfew.ReasonTerminated: 4, curfew.ReasonSignedOut: 1, curfew.ReasonIdle: 1, curfew.ReasonReplaced: 1})
	})
}

// TestManyEndsAreOneLine ends more at once than a log is read for.
func TestManyEndsAreOneLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEndings(t, curfew.Policy{})
		for range linesAtOnce + 1 {
			e.start("mia", time.Hour)
			e.start("arslan", 30*time.Second)
		}
		e.end(curfew.Selection{User: "mia"}, curfew.Ending{Reason: curfew.ReasonAccountDisabled, By: curfew.Actor{Name: "amara"}})
		e.want(`INFO msg="sessions ended" count=17 reason=account-disabled by=amara`)
		time.Sleep(62 * time.Second)
		synctest.Wait()
		e.want(`INFO msg="sessions ended by themselves" count=17`)
		e.end(curfew.Selection{All: true}, curfew.Ending{Reason: curfew.ReasonTerminated})
		e.want() // there was nobody
		e.wantCounted(map[curfew.Reason]int{curfew.ReasonAccountDisabled: 17, curfew.ReasonIdle: 17})
	})
}
