package curfew_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/curfewhq/curfew"
)

func TestTokenForm(t *testing.T) {
	seen := map[string]bool{}
	for range 100_000 {
		s := curfew.NewToken().Reveal()
		if len(s) != 52 || !strings.HasPrefix(s, "cft_") {
			t.Fatalf("token of %d characters with prefix %q", len(s), s[:4])
		}
		if seen[s] {
			t.Fatal("a token was drawn twice")
		}
		seen[s] = true
	}
}

func TestParseToken(t *testing.T) {
	want := curfew.NewToken()
	got, ok := curfew.ParseToken(want.Reveal())
	if !ok || got.Reveal() != want.Reveal() || got.Hash() != want.Hash() {
		t.Error("a token isn't read back")
	}
	good := want.Reveal()
	for name, bad := range map[string]string{
		"empty":             "",
		"prefix only":       "cft_",
		"short":             good[:len(good)-1],
		"long":              good + "A",
		"padded":            good + " ",
		"other prefix":      "xft_" + good[4:],
		"prefix in capital": "CFT_" + good[4:],
		"zeros":             "cft_" + strings.Repeat("A", 47) + "B",
		"not base64":        "cft_" + strings.Repeat("!", 48),
		"standard base64":   "cft_" + strings.Repeat("+", 48),
		"line break":        good[:20] + "\n" + good[21:],
		"line breaks":       good[:48] + "\r\n\r\n",
		"NUL":               good[:51] + "\x00",
		"a megabyte":        "cft_" + strings.Repeat("A", 1<<20),
	} {
		if _, ok := curfew.ParseToken(bad); ok {
			t.Errorf("%s was taken", name)
		}
	}
}

// TestTokenChecksum changes each character to each other one.
func TestTokenChecksum(t *testing.T) {
	good := curfew.NewToken().Reveal()
	for i := range len(good) {
		for c := range 256 {
			if byte(c) == good[i] {
				continue
			}
			bad := good[:i] + string([]byte{byte(c)}) + good[i+1:]
			if _, ok := curfew.ParseToken(bad); ok {
				t.Errorf("taken with %#x at %d", c, i)
			}
		}
	}
}

// TestTokenIsHidden prints a token in every way that comes to mind, by itself and within something that was not made
// with tokens in mind.
func TestTokenIsHidden(t *testing.T) {
	token := curfew.NewToken()
	hidden := func(how, text string) {
		t.Helper()
		if strings.Contains(text, token.Reveal()[4:20]) || strings.Contains(text, fmt.Sprintf("%x", token.Reveal()[4:20])) {
			t.Errorf("%s shows the token", how)
		}
	}
	type outer struct {
		Exported   curfew.Token
		Pointer    *curfew.Token
		unexported curfew.Token
	}
	for _, verb := range "vsqxXdTpboUeEfgGtc" {
		for _, flags := range []string{"", "+", "#", " ", "-8", "08.3"} {
			format := "%" + flags + string(verb)
			for _, v := range []any{
				token, &token, outer{token, &token, token}, &outer{token, &token, token}, []curfew.Token{token},
				map[curfew.Token]curfew.Token{token: token}, errors.Join(fmt.Errorf("%v", token)),
			} {
				hidden(fmt.Sprintf("%s of %T", format, v), fmt.Sprintf(format, v))
			}
		}
	}
	for name, encode := range map[string]func(any) ([]byte, error){"JSON": json.Marshal, "XML": xml.Marshal} {
		for _, v := range []any{token, &token, struct{ T curfew.Token }{token}} {
			text, err := encode(v)
			if err != nil && name == "JSON" {
				t.Errorf("%s: %v", name, err)
			}
			hidden(name, string(text))
		}
	}
	var log bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(h).With("with", token).Info("look", "token", token, "pointer", &token, "outer", outer{token, &token, token},
			slog.Group("group", "token", token))
	}
	hidden("slog", log.String())
}

func FuzzParseToken(f *testing.F) {
	f.Add("")
	f.Add(curfew.NewToken().Reveal())
	f.Add("cft_" + strings.Repeat("A", 48))
	f.Fuzz(func(t *testing.T, s string) {
		if token, ok := curfew.ParseToken(s); ok && token.Reveal() != s {
			t.Errorf("ParseToken(%q) spells %q", s, token.Reveal())
		}
	})
}
