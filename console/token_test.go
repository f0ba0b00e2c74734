package console

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/account"
)

func TestTokenLifetimeBounds(t *testing.T) {
	h := newHouse(t)
	a := h.add("amara", account.User)
	c, other := h.in("amara"), h.in("amara")
	for typed, want := range map[string]time.Duration{
		"30": 30 * time.Second, "2147482": 2147482 * time.Second, " 60 ": time.Minute, "0300": 300 * time.Second,
		"29": 0, "2147483": 0, "": 0, "abc": 0, "1e3": 0, "-30": 0, "+60": 0, "60.0": 0, "0x40": 0, "1_000": 0, "６０": 0,
		"99999999999999999999999999": 0, "4294967326": 0,
	} {
		before := 300 * time.Second
		if _, err := h.accounts.Update(t.Context(), nobody, a.ID, account.Change{Lifetime: &before}); err != nil {
			t.Fatal(err)
		}
		w := c.post("/settings/token", url.Values{"seconds": {typed}})
		got, err := h.accounts.Get(t.Context(), a.ID)
		if err != nil {
			t.Fatal(err)
		}
		if want > 0 {
			wantLocation(t, w, "/sessions")
			if got.Lifetime != want || other.session().Lifetime != want {
				t.Errorf("%q: account %v, session %v, want %v", typed, got.Lifetime, other.session().Lifetime, want)
			}
			continue
		}
		wantStatus(t, w, http.StatusUnprocessableEntity)
		doc := parse(t, w)
		field := byID(t, doc, "seconds")
		if attr(field, "value") != typed || attr(field, "aria-invalid") != "true" || !strings.Contains(attr(field, "aria-describedby"), "seconds-hint") {
			t.Errorf("%q: field %v", typed, field.Attr)
		}
		if text(byID(t, doc, "seconds-hint")) != lifetimeError || got.Lifetime != 300*time.Second {
			t.Errorf("%q: hint %q, lifetime %v", typed, text(byID(t, doc, "seconds-hint")), got.Lifetime)
		}
	}
}

func TestTokenSettingsSayTheLifetimeInWords(t *testing.T) {
	h := newHouse(t)
	a := h.add("amara", account.User)
	c := h.in("amara")
	for query, want := range map[string]string{
		"":                 "5 minutes",
		"?seconds=2147482": "24 days, 20 hours, 31 minutes, 22 seconds",
		"?seconds=900":     "15 minutes",
		"?seconds=12":      lifetimeError,
		"?seconds=":        lifetimeError,
	} {
		doc := parse(t, c.get("/settings/token"+query))
		if got := text(byID(t, doc, "seconds-hint")); got != want {
			t.Errorf("%q: %q, want %q", query, got, want)
		}
	}
	if got, err := h.accounts.Get(t.Context(), a.ID); err != nil || got.Lifetime != 300*time.Second {
		t.Errorf("a GET changed the lifetime to %v, %v", got.Lifetime, err)
	}
	doc := parse(t, c.get("/settings/token?seconds=900"))
	if attr(byID(t, doc, "preset-900"), "aria-current") != "true" || has(byID(t, doc, "preset-60"), "aria-current") {
		t.Error("the chosen preset is not marked")
	}
}
