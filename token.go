package curfew

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"strings"
)

// A token reads cft_ and 48 characters of base64url: 32 random bytes and their CRC-32. Prefix and checksum let
// scanners find a leaked one, and let strangers' inventions be refused without asking the store.
const (
	tokenRandom = 32
	tokenLen    = len(TokenPrefix) + (tokenRandom+4)/3*4
)

// TokenPrefix is how tokens begin.
const TokenPrefix = "cft_"

// Token is the secret by which a client proves its session. It formats, logs and encodes as "[token]"; only Reveal
// gives it away, and the only place for that is a Set-Cookie header. The zero Token is nobody's.
type Token struct{ masked tokenBytes }

// tokenBytes are a token's random bytes and their checksum.
type tokenBytes [tokenRandom + 4]byte

// mask lies over tokens in memory. Printing something that holds a Token in an unexported field goes past all its
// methods, and shows masked bytes.
var mask = func() (m tokenBytes) {
	rand.Read(m[:])
	return m
}()

// flip puts the mask on, or takes it off.
func (b *tokenBytes) flip() {
	for i := 0; i < tokenRandom; i += 8 {
		word := binary.NativeEndian.Uint64(b[i:]) ^ binary.NativeEndian.Uint64(mask[i:])
		binary.NativeEndian.PutUint64(b[i:], word)
	}
	for i := tokenRandom; i < len(b); i++ {
		b[i] ^= mask[i]
	}
}

// TokenHash is what is kept of a token: the SHA-256 of its random bytes. With 256 of those bits it needs no salt.
type TokenHash [sha256.Size]byte

var tokenEncoding = base64.RawURLEncoding.Strict()

// NewToken draws a token from crypto/rand, which never fails: the program ends before it hands out anything weak.
func NewToken() Token {
	var b tokenBytes
	rand.Read(b[:tokenRandom])
	binary.BigEndian.PutUint32(b[tokenRandom:], checksum(b[:tokenRandom]))
	b.flip()
	return Token{b}
}

// checksum is crc32.ChecksumIEEE, which would move what it reads to the heap.
func checksum(b []byte) uint32 {
	crc := ^uint32(0)
	for _, v := range b {
		crc = crc32.IEEETable[byte(crc)^v] ^ crc>>8
	}
	return ^crc
}

// ParseToken returns the token that s spells, and whether s is well formed. It says nothing about whether a
// session has it.
func ParseToken(s string) (Token, bool) {
	if len(s) != tokenLen || !strings.HasPrefix(s, TokenPrefix) {
		return Token{}, false
	}
	var text [tokenLen - len(TokenPrefix)]byte // on the stack, where a conversion of s would not be
	copy(text[:], s[len(TokenPrefix):])
	var b tokenBytes
	n, err := tokenEncoding.Decode(b[:], text[:])
	if err != nil || n != len(b) || binary.BigEndian.Uint32(b[tokenRandom:]) != checksum(b[:tokenRandom]) {
		return Token{}, false
	}
	b.flip()
	return Token{b}, true
}

func (t Token) text() (text [tokenLen]byte) {
	b := t.masked
	b.flip()
	copy(text[:], TokenPrefix)
	tokenEncoding.Encode(text[len(TokenPrefix):], b[:])
	return text
}

// Reveal returns the token's characters, of which the zero Token has none.
func (t Token) Reveal() string {
	if t == (Token{}) {
		return ""
	}
	text := t.text()
	return string(text[:])
}

// Hash returns what a store keeps of the token.
func (t Token) Hash() TokenHash {
	b := t.masked
	b.flip()
	return sha256.Sum256(b[:tokenRandom])
}

const hiddenToken = "[token]"

// String hides the token.
func (Token) String() string { return hiddenToken }

// Format hides the token from every verb of fmt.
func (Token) Format(f fmt.State, _ rune) { io.WriteString(f, hiddenToken) }

// LogValue hides the token from log/slog.
func (Token) LogValue() slog.Value { return slog.StringValue(hiddenToken) }

// MarshalText hides the token from encoders.
func (Token) MarshalText() ([]byte, error) { return []byte(hiddenToken), nil }

// newSessionID draws a public ID: 80 random bits in 16 letters and digits that survive being read aloud.
func newSessionID() SessionID {
	var b [10]byte
	rand.Read(b[:])
	return SessionID(idEncoding.EncodeToString(b[:]))
}

var idEncoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)
