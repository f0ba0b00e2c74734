package observe

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
	"github.com/curfewhq/curfew/memory"
	"github.com/curfewhq/curfew/storetest"
)

// noted is an Op that keeps what it is told.
type noted struct {
	said []string
}

func (n *noted) op(ctx context.Context, name string) (context.Context, func(error)) {
	n.said = append(n.said, name)
	return ctx, func(err error) {
		if IsFailure(err) {
			n.said = append(n.said, "failed: "+err.Error())
		}
	}
}

// TestStores has stores pass the suites as they do without anybody who is told; and each operation is told of.
func TestStores(t *testing.T) {
	var mu sync.Mutex
	var said []string
	op := func(ctx context.Context, name string) (context.Context, func(error)) {
		mu.Lock()
		defer mu.Unlock()
		if !slices.Contains(said, name) {
			said = append(said, name)
		}
		return ctx, func(error) {}
	}
	storetest.Run(t, func(*testing.T) curfew.Store { return Sessions(memory.NewSessions(), op) })
	storetest.RunAccounts(t, func(*testing.T) account.Store { return Accounts(memory.NewAccounts(), op) })
	if err := Accounts(memory.NewAccounts(), op).AppendAudit(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	want := slices.Sorted(slices.Values(slices.Concat(SessionOps, AccountOps)))
	if slices.Sort(said); !slices.Equal(said, want) {
		t.Errorf("told of %q, want %q", said, want)
	}
}

// TestAccountsSayWhatFailed tells failures from answers, and from what the caller itself refuses.
func TestAccountsSayWhatFailed(t *testing.T) {
	n := &noted{}
	s := Accounts(memory.NewAccounts(), n.op)
	now := time.Now()
	if err := s.InsertAccount(t.Context(), now, account.Stored{Account: account.Account{ID: "a", Name: "a"}}, false); err != nil {
		t.Fatal(err)
	}
	refusal := errors.New("the password changed meanwhile")
	if _, err := s.UpdateAccount(t.Context(), now, "a", false, func(*account.Stored) error { return refusal }); err != refusal {
		t.Fatal(err)
	}
	if err := s.Limit(t.Context(), now, []string{"k"}, func([]time.Time) ([]time.Time, error) { return nil, refusal }); err != refusal {
		t.Fatal(err)
	}
	if _, err := s.FindAccount(t.Context(), "b", ""); curfew.ErrorCode(err) != curfew.CodeNotFound {
		t.Fatal(err)
	}
	if want := []string{"insert-account", "update-account", "limit", "find-account"}; !slices.Equal(n.said, want) {
		t.Errorf("got %q, want %q", n.said, want)
	}
	for _, name := range n.said {
		if !slices.Contains(AccountOps, name) {
			t.Errorf("%s is not in AccountOps", name)
		}
	}
}

// TestJoin tells all, the first of them last.
func TestJoin(t *testing.T) {
	var said []string
	named := func(who string) Op {
		return func(ctx context.Context, name string) (context.Context, func(error)) {
			said = append(said, who+" "+name)
			return ctx, func(error) { said = append(said, who+" done") }
		}
	}
	if Join(nil, nil) != nil {
		t.Error("nobody is somebody")
	}
	_, done := Join(nil, named("a"), named("b"))(t.Context(), "x")
	done(nil)
	if want := []string{"a x", "b x", "b done", "a done"}; !slices.Equal(said, want) {
		t.Errorf("got %q, want %q", said, want)
	}
}
