package account

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/audit"
)

// unlockLife is how long the code for a device is good.
const unlockLife = 15 * time.Minute

// ErrUnlockCode is the answer to every code that is not good.
var ErrUnlockCode = &curfew.Error{Code: curfew.CodeDenied, Message: "This link is wrong, used, or older than 15 minutes."}

// Unlock empties the account's counters of failures, and returns a code by which one device becomes known to it, see
// KnowDevice: while others go on guessing, the counters fill up again. The code holds 130 random bits, is good once, for
// 15 minutes, and takes the place of any before it. It is kept as a hash.
func (s *Service) Unlock(ctx context.Context, by curfew.Actor, id curfew.UserID) (code string, err error) {
	acc, err := s.Get(ctx, id)
	if err != nil {
		return "", err
	}
	if !acc.Enabled {
		return "", &curfew.Error{Code: curfew.CodeConflict, Message: "the account is disabled; enable it first"}
	}
	ctx, cancel := detach(ctx)
	defer cancel()
	now := s.sessions.Now()
	err = errors.Join(s.store.DropLimits(ctx, now, failureKeys(acc.Name)), s.store.DropLimits(ctx, now, unlockKeys(id)))
	if err != nil {
		return "", storeError("unlock account", err)
	}
	secret := rand.Text()
	key := unlockKey(id, secret)
	err = s.limit(ctx, []string{key}, func(now time.Time, at values) error {
		at[key] = now.Add(unlockLife)
		return nil
	}, noteOf(audit.Unlocked, by, acc))
	if err != nil {
		return "", err
	}
	s.log.InfoContext(ctx, "account unlocked", "user", acc.Name, "by", by.Name)
	return string(id) + "-" + secret, nil
}

// KnowDevice uses up the code of an Unlock: the device becomes known to the account, as if it had signed in there. A code
// that is not good is ErrUnlockCode. Wrong ones are not counted: nobody guesses 130 bits, and a limit would let
// strangers keep the owner out.
func (s *Service) KnowDevice(ctx context.Context, code string, d Device) error {
	id, secret, _ := strings.Cut(code, "-")
	if !isSecretText(secret) {
		return ErrUnlockCode
	}
	acc, err := s.Get(ctx, curfew.UserID(id))
	if curfew.ErrorCode(err) == curfew.CodeNotFound {
		return ErrUnlockCode
	}
	if err != nil {
		return err
	}
	key, device := unlockKey(acc.ID, secret), knownKeys(acc.Name)+d.key()
	err = s.limit(ctx, []string{key, device}, func(now time.Time, at values) error {
		if at[key].IsZero() {
			return ErrUnlockCode
		}
		at[key], at[device] = time.Time{}, now.Add(deviceKnownFor)
		return nil
	}, noteOf(audit.DeviceKnown, curfew.Actor{}, acc))
	if err == nil {
		s.log.InfoContext(ctx, "device made known", "user", acc.Name)
	}
	return err
}

// unlockKeys is how the keys of an account's unlock codes begin.
func unlockKeys(id curfew.UserID) string { return "unlock/" + string(id) + "/" }

func unlockKey(id curfew.UserID, secret string) string {
	return unlockKeys(id) + digest("unlock", secret)
}
