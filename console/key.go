package console

import (
	"slices"
	"strconv"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
)

// keyRow is an API key in a list. Its secret is nowhere in it.
type keyRow struct {
	ID       account.KeyID
	Name     string
	Role     string
	LastUsed stamp
	Expires  stamp // empty: never
	Expired  bool
	RevokeAt string // the address of the page that asks
}

// keyRows are the API keys of an account, whose page is at the path.
func (c *console) keyRows(r *request, owner curfew.UserID, path string) ([]keyRow, error) {
	keys, err := c.Accounts.Keys(r.Context(), owner)
	var rows []keyRow
	for _, k := range keys {
		rows = append(rows, keyRow{
			ID:       k.ID,
			Name:     k.Name,
			Role:     roleNames[k.Role],
			LastUsed: r.clock.stamp(k.LastUsed),
			Expires:  r.clock.stamp(k.ExpiresAt),
			Expired:  k.Expired(r.clock.now),
			RevokeAt: path + "/keys/" + string(k.ID) + "/revoke",
		})
	}
	return rows, err
}

// newKeyPage is the form for a new API key of one's own.
type newKeyPage struct {
	frame
	Name   string
	Roles  []option
	Lives  []option
	Proof  proof
	Errors fieldErrors
}

func (*newKeyPage) file() string { return "key-new" }

// keyPage shows the secret of a new key, this once.
type keyPage struct {
	frame
	Name   string
	Secret string
}

func (*keyPage) file() string { return "key" }

// forever is the choice of a key that never expires.
const forever = "never"

// keyLives are how many days a new key may be good, as choices.
var keyLives = []int{7, 30, days(account.DefaultKeyLife), days(account.MaxKeyLife)}

func days(d time.Duration) int { return int(d / (24 * time.Hour)) }

// newKeyForm returns the form with what was chosen. Roles above the sender's own are not among the choices.
func (c *console) newKeyForm(r *request, role account.Role, life string) *newKeyPage {
	p := &newKeyPage{frame: frame{Title: "New API key", Nav: "account"}, Name: r.field("name"), Proof: c.newProof(r)}
	p.Roles = slices.DeleteFunc(roleOptions(role), func(o option) bool { return !r.account.Role.Covers(account.Role(o.Value)) })
	for _, n := range keyLives {
		value := strconv.Itoa(n)
		p.Lives = append(p.Lives, option{value, "In " + plural(n, "day", "days"), value == life})
	}
	p.Lives = append(p.Lives, option{forever, "Never", life == forever})
	return p
}

func (c *console) askNewKey(r *request) (answer, error) {
	return answer{page: c.newKeyForm(r, account.User, strconv.Itoa(days(account.DefaultKeyLife)))}, nil
}

func (c *console) makeKey(r *request) (answer, error) {
	n := account.NewKey{Name: r.field("name"), Role: account.Role(r.field("role")), Forever: r.field("expires") == forever}
	p := c.newKeyForm(r, n.Role, r.field("expires"))
	errs := fieldErrors{}
	errs.add(n.Mistakes(r.account)...)
	if n.Life = keyLife(r.field("expires")); n.Life == 0 && !n.Forever {
		errs["expires"] = "Choose when the key expires."
	}
	f, err := c.prove(r, &p.Proof)
	if f = f.with(errs); err != nil || f.status != 0 {
		return p.refuse(f), err
	}
	key, secret, err := c.Accounts.CreateKey(r.Context(), r.actor(), r.account.ID, n)
	if err != nil {
		f, err := refused(err, "", "name", "role", "expires")
		return p.refuse(f), err
	}
	made := frame{Title: "Your new API key", Nav: "account", Here: "/account"}
	return answer{page: &keyPage{made, key.Name, secret.Reveal()}, changed: true}, nil
}

// refuse shows the form again, with what is wrong.
func (p *newKeyPage) refuse(f refusal) answer {
	p.Errors = f.errs
	return f.answer(p)
}

// keyLife reads one of the choices; 0 for none.
func keyLife(value string) time.Duration {
	n, err := strconv.Atoi(value)
	if err != nil || !slices.Contains(keyLives, n) {
		return 0
	}
	return time.Duration(n) * 24 * time.Hour
}

// newRevokePage asks before a key of the sender or, if the address names an account, of that is revoked.
func (c *console) newRevokePage(r *request) (*confirmPage, account.Key, error) {
	owner, back, nav := r.account.ID, "/account", "account"
	if id := r.PathValue("id"); id != "" {
		owner, back, nav = curfew.UserID(id), "/users/"+id, "users"
	}
	key, err := c.Accounts.Key(r.Context(), owner, account.KeyID(r.PathValue("key")))
	return &confirmPage{
		frame:  frame{Title: "Revoke “" + key.Name + "”?", Nav: nav},
		Text:   "Whatever uses this API key is refused from its next request on. It can’t be made good again.",
		Tick:   "I understand that scripts with this key stop working",
		Action: r.URL.Path,
		Button: "Revoke Key",
		BackTo: back,
	}, key, err
}

func (c *console) confirmRevoke(r *request) (answer, error) {
	p, _, err := c.newRevokePage(r)
	if err != nil {
		return answer{}, err
	}
	return c.ask(r, p), nil
}

func (c *console) revokeKey(r *request) (answer, error) {
	p, key, err := c.newRevokePage(r)
	if err != nil {
		return answer{}, err
	}
	if again, ok, err := c.confirmed(r, p); err != nil || !ok {
		return again, err
	}
	if err := c.Accounts.RevokeKey(r.Context(), r.actor(), key.Owner, key.ID); err != nil {
		return answer{}, err
	}
	return answer{location: p.BackTo, notice: notice{Code: "key-revoked", Arg: key.Name}}, nil
}
