package account

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/curfewhq/curfew"
)

// Bounds of what is typed.
const (
	maxName     = 64   // bytes
	maxFullName = 128  // characters
	minPassword = 8    // characters
	maxPassword = 1024 // bytes
)

// Check returns an error with CodeInvalid for the first field that is wrong, apart from the password: so whoever types them can
// be told before they are asked for one.
func (f Fields) Check() error {
	_, err := f.clean()
	return err
}

// Mistakes returns an error with CodeInvalid for each field that is wrong, the password among them.
func (f Fields) Mistakes() []error {
	var list []error
	if name, ok := cleanName(f.Name); ok {
		f.Name = name
	} else {
		list = append(list, errName)
	}
	change := Change{FullName: &f.FullName, Role: &f.Role}
	if f.Lifetime != 0 {
		change.Lifetime = &f.Lifetime
	}
	return appendError(append(list, change.Mistakes()...), CheckPassword(f.Password, f.Name))
}

// Mistakes returns an error with CodeInvalid for each field that is wrong.
func (c Change) Mistakes() []error {
	var list []error
	for _, one := range []Change{{FullName: c.FullName}, {Role: c.Role}, {Lifetime: c.Lifetime}} {
		_, err := one.check()
		list = appendError(list, err)
	}
	return list
}

func appendError(list []error, err error) []error {
	if err == nil {
		return list
	}
	return append(list, err)
}

var errName = invalid("username", fmt.Sprintf("must be 1 to %d letters, digits or . _ - @, starting with a letter or a digit", maxName))

// check returns the fields as they are kept, or an error with CodeInvalid for the first one that is wrong.
func (f Fields) check() (Fields, error) {
	f, err := f.clean()
	if err != nil {
		return f, err
	}
	return f, CheckPassword(f.Password, f.Name)
}

func (f Fields) clean() (Fields, error) {
	var ok bool
	if f.Name, ok = cleanName(f.Name); !ok {
		return f, errName
	}
	if f.Lifetime == 0 {
		f.Lifetime = curfew.DefaultLifetime
	}
	c, err := Change{FullName: &f.FullName, Role: &f.Role, Lifetime: &f.Lifetime}.check()
	if err != nil {
		return f, err
	}
	f.FullName = *c.FullName
	return f, nil
}

// check returns the change as it is made, or an error with CodeInvalid for the first field that is wrong.
func (c Change) check() (Change, error) {
	if c.FullName != nil {
		name := strings.TrimSpace(*c.FullName)
		if err := checkFullName(name); err != nil {
			return c, err
		}
		c.FullName = &name
	}
	if c.Role != nil && !slices.Contains(Roles, *c.Role) {
		return c, invalid("role", "must be admin, auditor or user")
	}
	if c.Lifetime != nil {
		return c, curfew.CheckLifetime(*c.Lifetime)
	}
	return c, nil
}

// cleanName returns a user name as it is kept, in lower case, so that all its spellings are one; and whether it can be
// one. If not, it is empty.
func cleanName(s string) (string, bool) {
	s = strings.TrimSpace(s)
	if s == "" || len(s) > maxName || HoldsKeySecret(strings.ToLower(s)) || strings.ContainsFunc(s, notInName) || strings.ContainsRune("._-@", rune(s[0])) {
		return "", false
	}
	return strings.ToLower(s), true
}

func notInName(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("._-@", r))
}

func checkFullName(s string) error {
	switch {
	case !utf8.ValidString(s):
		return invalid("full_name", "must be valid UTF-8")
	case utf8.RuneCountInString(s) > maxFullName:
		return invalid("full_name", fmt.Sprintf("must be at most %d characters long", maxFullName))
	case strings.ContainsFunc(s, isDeceptive):
		return invalid("full_name", "must not hold line breaks or other control characters")
	case s != "" && !strings.ContainsFunc(s, isVisible):
		return invalid("full_name", "must hold something that can be seen")
	case HoldsKeySecret(s):
		return invalid("full_name", "must not be an API key")
	default:
		return nil
	}
}

// isDeceptive is true of characters that make a list or a log show something other than what it holds.
func isDeceptive(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Bidi_Control, unicode.Zl, unicode.Zp)
}

// isVisible is false of characters that show nothing, or nothing by themselves.
func isVisible(r rune) bool {
	const brailleBlank = '\u2800'
	return unicode.In(r, unicode.L, unicode.N, unicode.P, unicode.S) && !unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) && r != brailleBlank
}

// CheckPassword returns an error with CodeInvalid if the account of that user name can't have the password.
func CheckPassword(password, name string) error {
	switch {
	case !utf8.ValidString(password):
		return invalid("password", "must be valid UTF-8")
	case utf8.RuneCountInString(password) < minPassword:
		return invalid("password", fmt.Sprintf("must be at least %d characters long", minPassword))
	case len(password) > maxPassword:
		return invalid("password", fmt.Sprintf("must be at most %d bytes long", maxPassword))
	case strings.EqualFold(password, name):
		return invalid("password", "must not be the user name")
	default:
		return nil
	}
}

func invalid(field, message string) error {
	return &curfew.Error{Code: curfew.CodeInvalid, Field: field, Message: message}
}
