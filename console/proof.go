package console

import "github.com/curfewhq/curfew/account"

// proof is the part of a form that asks for the sender's password before something sensitive is done, unless they gave
// it lately: whoever finds a browser signed in has not got it (ASVS 7.5.2, 7.5.3).
type proof struct {
	Asked    bool
	Username string // for password managers
	Error    string
}

func (c *console) newProof(r *request) proof {
	return proof{Asked: !c.Accounts.IsRecent(r.session), Username: r.account.Name}
}

// prove takes the password of a form, if it is asked for. The refusal that it returns otherwise is in p as well.
func (c *console) prove(r *request, p *proof) (refusal, error) {
	const field = "current_password"
	if !p.Asked {
		return refusal{}, nil
	}
	f := invalid(field, "Enter your password.")
	if password := r.field(field); password != "" {
		err := c.Accounts.Reauthenticate(r.Context(), r.actor(), password)
		if err == nil {
			p.Asked = false
			return refusal{}, nil
		}
		if f, err = refused(err, field, field); err != nil {
			return refusal{}, err
		}
	}
	p.Error = f.errs[field]
	return f, nil
}

// recentFor says how long a password counts.
func recentFor() string { return Words(account.RecentFor) }
