package account

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/curfewhq/curfew"
)

// Cost is what hashing one password takes: the parameters of argon2id (RFC 9106). The zero Cost means the ones that OWASP
// recommends: 19 MiB, two passes, one thread.
type Cost struct {
	Memory  uint32 // KiB
	Passes  uint32
	Threads uint8
}

var defaultCost = Cost{Memory: 19 * 1024, Passes: 2, Threads: 1}

// What a stored hash may ask for. A hash from a damaged or foreign store must not take the machine down.
const (
	maxMemory  = 256 * 1024 // KiB
	maxPasses  = 16
	maxThreads = 16
	minSalt    = 8
	minKey     = 16
	maxBytes   = 64 // of salt and of key
)

const (
	saltLen = 16
	keyLen  = 32

	maxWaiting = 64 // passwords that wait to be hashed
)

// errBusy is for callers beyond those who may wait.
var errBusy = &curfew.Error{Code: curfew.CodeLimited, Message: "Too many people are signing in. Try again in a second.", RetryAfter: time.Second}

// passwordHash is a hash with all it takes to make it again.
type passwordHash struct {
	cost      Cost
	salt, key []byte
}

// String returns the hash in PHC form: $argon2id$v=19$m=19456,t=2,p=1$salt$key.
func (h passwordHash) String() string {
	enc := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version,
		h.cost.Memory, h.cost.Passes, h.cost.Threads, enc.EncodeToString(h.salt), enc.EncodeToString(h.key))
}

var errHash = errors.New("not an argon2id hash in PHC form, or beyond the limits")

// parseHash reads what String writes, and nothing else. The error never holds any of s.
func parseHash(s string) (passwordHash, error) {
	f := strings.Split(s, "$")
	if len(f) != 6 {
		return passwordHash{}, errHash
	}
	cost, err := parseCost(f[3])
	if err != nil {
		return passwordHash{}, err
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(f[4])
	key, err2 := base64.RawStdEncoding.DecodeString(f[5])
	h := passwordHash{cost, salt, key}
	// Comparing with what we would write takes care of prefix, version, order, leading zeros and loose base64.
	if err1 != nil || err2 != nil || !h.within() || h.String() != s {
		return passwordHash{}, errHash
	}
	return h, nil
}

func parseCost(s string) (Cost, error) {
	var n [3]uint64
	parts := strings.Split(s, ",")
	if len(parts) != len(n) {
		return Cost{}, errHash
	}
	for i, part := range parts {
		_, digits, _ := strings.Cut(part, "=")
		v, err := strconv.ParseUint(digits, 10, 32)
		if err != nil {
			return Cost{}, errHash
		}
		n[i] = v
	}
	if n[2] > maxThreads {
		return Cost{}, errHash
	}
	return Cost{Memory: uint32(n[0]), Passes: uint32(n[1]), Threads: uint8(n[2])}, nil
}

// within reports whether the hash keeps to the limits, and to argon2's own lower ones.
func (h passwordHash) within() bool {
	c := h.cost
	return 1 <= c.Threads && c.Threads <= maxThreads &&
		1 <= c.Passes && c.Passes <= maxPasses &&
		8*uint32(c.Threads) <= c.Memory && c.Memory <= maxMemory &&
		minSalt <= len(h.salt) && len(h.salt) <= maxBytes &&
		minKey <= len(h.key) && len(h.key) <= maxBytes
}

// weakerThan reports whether the cost is below another in any way that matters to who tries passwords.
func (c Cost) weakerThan(o Cost) bool { return c.Memory < o.Memory || c.Passes < o.Passes }

// hasher hashes a few passwords at a time, so that a flood of sign-ins neither takes all memory nor makes everyone
// wait for ever.
type hasher struct {
	cost    Cost
	places  chan struct{} // held by who hashes or waits
	running chan struct{} // held by who hashes
	derive  func(password string, salt []byte, c Cost, length int) []byte
	observe func(context.Context, string) (context.Context, func(error))
}

func newHasher(c Cost) *hasher {
	if c == (Cost{}) {
		c = defaultCost
	}
	atOnce := runtime.GOMAXPROCS(0)
	return &hasher{
		cost:    c,
		places:  make(chan struct{}, atOnce+maxWaiting),
		running: make(chan struct{}, atOnce),
		derive:  argon2id,
		observe: unobserved,
	}
}

func argon2id(password string, salt []byte, c Cost, length int) []byte {
	return argon2.IDKey([]byte(password), salt, c.Passes, c.Memory, c.Threads, uint32(length))
}

// enter takes a place among those who hash or wait, until leave is called. Without a free one it returns errBusy at once.
func (h *hasher) enter() (leave func(), err error) {
	select {
	case h.places <- struct{}{}:
		return func() { <-h.places }, nil
	default:
		return nil, errBusy
	}
}

// verify reports whether the password is the one that was hashed. The caller has entered.
func (h *hasher) verify(ctx context.Context, password string, want passwordHash) (bool, error) {
	got, err := h.compute(ctx, password, want.salt, want.cost, len(want.key))
	return err == nil && subtle.ConstantTimeCompare(got, want.key) == 1, err
}

// hash returns a new hash of the password in PHC form.
func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	leave, err := h.enter()
	if err != nil {
		return "", err
	}
	defer leave()
	salt := randomBytes(saltLen)
	key, err := h.compute(ctx, password, salt, h.cost, keyLen)
	if err != nil {
		return "", err
	}
	return passwordHash{h.cost, salt, key}.String(), nil
}

func (h *hasher) compute(ctx context.Context, password string, salt []byte, c Cost, length int) (_ []byte, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ctx, done := h.observe(ctx, StepHash)
	defer func() { done(err) }()
	select {
	case h.running <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-h.running }()
	return h.derive(password, salt, c, length), nil
}

// dummy is a hash that no password has. Verifying against it takes as long as against a real one.
func (h *hasher) dummy() passwordHash {
	return passwordHash{h.cost, randomBytes(saltLen), randomBytes(keyLen)}
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}
