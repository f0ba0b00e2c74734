package account

import (
	"strings"
	"testing"
)

// The vector is one of the reference implementation's own.
const referenceHash = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"

func TestVerifyReference(t *testing.T) {
	want, err := parseHash(referenceHash)
	if err != nil {
		t.Fatal(err)
	}
	h := newHasher(Cost{})
	for password, right := range map[string]bool{"password": true, "Password": false, "": false} {
		if got, err := h.verify(t.Context(), password, want); got != right || err != nil {
			t.Errorf("verify %q = %v, %v; want %v", password, got, err, right)
		}
	}
}

func TestHashIsOWASPs(t *testing.T) {
	h := newHasher(Cost{})
	one, err := h.hash(t.Context(), "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	two, _ := h.hash(t.Context(), "correct horse")
	if !strings.HasPrefix(one, "$argon2id$v=19$m=19456,t=2,p=1$") || one == two {
		t.Errorf("hashes of one password: %s and %s", one, two)
	}
	want, err := parseHash(one)
	if err != nil || len(want.salt) != 16 || len(want.key) != 32 {
		t.Errorf("parse own hash: salt %d, key %d bytes, error %v", len(want.salt), len(want.key), err)
	}
	if ok, err := h.verify(t.Context(), "correct horse", want); !ok || err != nil {
		t.Errorf("own hash is not verified: %v", err)
	}
	if ok, _ := h.verify(t.Context(), "correct horse", h.dummy()); ok {
		t.Error("the dummy hash was verified")
	}
}

func TestParseHashRefuses(t *testing.T) {
	const salt, key = "c29tZXNhbHQ", "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	for _, s := range []string{
		"", "$", "password", referenceHash + "$", "x" + referenceHash, referenceHash + "=", referenceHash + "\n",
		"$argon2i$v=19$m=65536,t=2,p=1$" + salt + "$" + key,
		"$argon2id$v=16$m=65536,t=2,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=065536,t=2,p=1$" + salt + "$" + key,
		"$argon2id$v=19$t=2,m=65536,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=65536,t=2$" + salt + "$" + key,
		"$argon2id$v=19$m=262145,t=2,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=4294967296,t=2,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=7,t=2,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=65536,t=0,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=65536,t=17,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=65536,t=2,p=0$" + salt + "$" + key,
		"$argon2id$v=19$m=65536,t=2,p=17$" + salt + "$" + key,
		"$argon2id$v=19$m=65536,t=2,p=257$" + salt + "$" + key,
		"$argon2id$v=19$m=65536,t=2,p=1$c29t$" + key,
		"$argon2id$v=19$m=65536,t=2,p=1$" + salt + "$c29t",
		"$argon2id$v=19$m=65536,t=2,p=1$" + salt + "$" + strings.Repeat("A", 100),
		"$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHR$" + key, // trailing bits that no encoder sets
	} {
		if h, err := parseHash(s); err == nil {
			t.Errorf("parseHash(%q) = %v, want an error", s, h)
		}
	}
}

func FuzzParseHash(f *testing.F) {
	f.Add(referenceHash)
	f.Add("$argon2id$v=19$m=8,t=1,p=1$c29tc2FsdHNhbHRzYWx0$c29tc2FsdHNhbHRzYWx0")
	f.Fuzz(func(t *testing.T, s string) {
		h, err := parseHash(s)
		if err != nil {
			return
		}
		if h.String() != s || !h.within() {
			t.Errorf("parseHash(%q) = %v", s, h)
		}
	})
}

func TestWeakerThan(t *testing.T) {
	for _, c := range []struct {
		a    Cost
		want bool
	}{
		{defaultCost, false},
		{Cost{Memory: 19*1024 - 1, Passes: 2, Threads: 1}, true},
		{Cost{Memory: 19 * 1024, Passes: 1, Threads: 1}, true},
		{Cost{Memory: 64 * 1024, Passes: 3, Threads: 4}, false},
	} {
		if got := c.a.weakerThan(defaultCost); got != c.want {
			t.Errorf("%+v weaker: %v, want %v", c.a, got, c.want)
		}
	}
}
