package account_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
)

// newSecret is the secret of a key that nobody has.
func newSecret() account.KeySecret {
	random := strings.TrimPrefix(curfew.NewToken().Reveal(), curfew.TokenPrefix)
	s, ok := account.ParseKeySecret("curfew_key_" + random)
	if !ok {
		panic("a key's secret is not as a token is")
	}
	return s
}

func TestParseKeySecret(t *testing.T) {
	want := newSecret()
	good := want.Reveal()
	if got, ok := account.ParseKeySecret(good); !ok || got.Reveal() != good || got.Hash() != want.Hash() {
		t.Error("a secret isn't read back")
	}
	if len(good) != 59 || !strings.HasPrefix(good, "curfew_key_") {
		t.Errorf("%d characters", len(good))
	}
	for name, bad := range map[string]string{
		"empty":          "",
		"prefix only":    "curfew_key_",
		"session token":  curfew.NewToken().Reveal(),
		"token's prefix": "curfew_key_" + curfew.NewToken().Reveal(),
		"capital":        "Curfew" + good[6:],
		"short":          good[:len(good)-1],
		"long":           good + "A",
		"padded":         good + " ",
		"a mistake":      good[:20] + string(good[20]^1) + good[21:],
		"a megabyte":     "curfew_key_" + strings.Repeat("A", 1<<20),
	} {
		if _, ok := account.ParseKeySecret(bad); ok {
			t.Errorf("%s was taken", name)
		}
	}
	if _, ok := curfew.ParseToken(good); ok {
		t.Error("a key was taken for a session's token")
	}
	if got := (account.KeySecret{}).Reveal(); got != "" {
		t.Errorf("the zero secret reveals %q", got)
	}
}

// TestKeySecretIsHidden prints a secret in the ways that come to mind, by itself and within something that was not made with
// secrets in mind.
func TestKeySecretIsHidden(t *testing.T) {
	secret := newSecret()
	hidden := func(how, text string) {
		t.Helper()
		if strings.Contains(text, secret.Reveal()[11:27]) || strings.Contains(text, fmt.Sprintf("%x", secret.Reveal()[11:27])) {
			t.Errorf("%s shows the secret", how)
		}
	}
	type outer struct {
		Exported   account.KeySecret
		unexported account.KeySecret
	}
	for _, verb := range "vsqxXdT" {
		for _, flags := range []string{"", "+", "#"} {
			format := "%" + flags + string(verb)
			for _, v := range []any{secret, &secret, outer{secret, secret}, &outer{secret, secret}, []account.KeySecret{secret}} {
				hidden(fmt.Sprintf("%s of %T", format, v), fmt.Sprintf(format, v))
			}
		}
	}
	text, err := json.Marshal(outer{secret, secret})
	if err != nil {
		t.Error(err)
	}
	hidden("JSON", string(text))
	var log bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(h).Info("look", "secret", secret, "pointer", &secret, "outer", outer{secret, secret})
	}
	hidden("slog", log.String())
}

func TestKeyOf(t *testing.T) {
	good := newSecret().Reveal()
	for name, tt := range map[string]struct {
		headers []string
		key     string
		given   bool
	}{
		"none":               {nil, "", false},
		"a key":              {[]string{"Bearer " + good}, good, true},
		"scheme in any case": {[]string{"bEARER   " + good}, good, true},
		"no good, but ours":  {[]string{"Bearer curfew_key_x"}, "curfew_key_x", true},
		"two":                {[]string{"Bearer " + good, "Bearer " + good}, "", true},
		"two, one of others": {[]string{"Basic eDp5", "Bearer " + good}, "", true},
		"somebody else's":    {[]string{"Bearer eyJhbGciOiJIUzI1NiJ9.e30.x"}, "", false},
		"a session's token":  {[]string{"Bearer " + curfew.NewToken().Reveal()}, "", false},
		"another scheme":     {[]string{"Basic " + good}, "", false},
		"no scheme":          {[]string{good}, "", false},
	} {
		r := &http.Request{Header: http.Header{"Authorization": tt.headers}}
		if bearer := strings.Contains(strings.ToLower(strings.Join(tt.headers, "")), "bearer"); account.GivesBearer(r) != bearer {
			t.Errorf("%s: a bearer token is given: %v", name, !bearer)
		}
		if key, given := account.KeyOf(r); key != tt.key || given != tt.given {
			t.Errorf("%s: %v, key %v", name, given, key == tt.key)
		}
	}
}

func FuzzParseKeySecret(f *testing.F) {
	f.Add("")
	f.Add(newSecret().Reveal())
	f.Add("curfew_key_" + strings.Repeat("A", 48))
	f.Fuzz(func(t *testing.T, s string) {
		if secret, ok := account.ParseKeySecret(s); ok && secret.Reveal() != s {
			t.Errorf("ParseKeySecret(%q) spells %q", s, secret.Reveal())
		}
	})
}
