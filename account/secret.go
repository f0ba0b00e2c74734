package account

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/curfewhq/curfew"
)

// keyPrefix is how the secrets of API keys begin.
const keyPrefix = "curfew_key_"

// HoldsKeySecret reports whether there is in a text what looks like the secret of an API key. Where something else is wanted it
// goes no further, not even into an error.
func HoldsKeySecret(s string) bool { return strings.Contains(s, keyPrefix) }

// KeySecret is the secret of an API key: curfew_key_ and 48 characters of base64url, 32 random bytes and their CRC-32. It
// is made, checked, masked in memory and hidden as a curfew.Token is, but neither is ever taken for the other. It formats, logs
// and encodes as "[key]"; only Reveal gives it away, once, to who made the key. The zero KeySecret is nobody's.
type KeySecret struct{ token curfew.Token }

func newKeySecret() KeySecret { return KeySecret{curfew.NewToken()} }

// ParseKeySecret returns the secret that s spells, and whether s is well formed. It says nothing about whether there is
// such a key.
func ParseKeySecret(s string) (KeySecret, bool) {
	random, ok := strings.CutPrefix(s, keyPrefix)
	if !ok {
		return KeySecret{}, false
	}
	token, ok := curfew.ParseToken(curfew.TokenPrefix + random)
	return KeySecret{token}, ok
}

// Reveal returns the secret's characters, of which the zero KeySecret has none.
func (s KeySecret) Reveal() string {
	random, ok := strings.CutPrefix(s.token.Reveal(), curfew.TokenPrefix)
	if !ok {
		return ""
	}
	return keyPrefix + random
}

// Hash returns what a store keeps of the secret.
func (s KeySecret) Hash() curfew.TokenHash { return s.token.Hash() }

const hiddenKey = "[key]"

// String hides the secret.
func (KeySecret) String() string { return hiddenKey }

// Format hides the secret from every verb of fmt.
func (KeySecret) Format(f fmt.State, _ rune) { io.WriteString(f, hiddenKey) }

// LogValue hides the secret from log/slog.
func (KeySecret) LogValue() slog.Value { return slog.StringValue(hiddenKey) }

// MarshalText hides the secret from encoders.
func (KeySecret) MarshalText() ([]byte, error) { return []byte(hiddenKey), nil }

// KeyOf returns the API key that the request gives in its Authorization header as a bearer token (RFC 6750, 2.1), and whether it
// gives any; it need not be good. Whatever does not begin as keys do is meant for somebody else. Of two such headers none is
// good.
func KeyOf(r *http.Request) (key string, given bool) {
	headers := r.Header["Authorization"]
	for _, h := range headers {
		if token, ok := bearer(h); ok && strings.HasPrefix(token, keyPrefix) {
			key, given = token, true
		}
	}
	if len(headers) > 1 {
		key = ""
	}
	return key, given
}

// GivesBearer reports whether the request gives any bearer token, ours or not.
func GivesBearer(r *http.Request) bool {
	return slices.ContainsFunc(r.Header["Authorization"], func(h string) bool {
		_, ok := bearer(h)
		return ok
	})
}

// bearer returns the token of an Authorization header, if it is of that kind.
func bearer(header string) (token string, ok bool) {
	scheme, token, _ := strings.Cut(header, " ")
	return strings.TrimLeft(token, " "), strings.EqualFold(scheme, "Bearer")
}
