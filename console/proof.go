package console

import "github.com/curfewhq/curfew/account"

// proof is the part of a form that asks for the sender's password before something sensitive is done, unless they gave
// it lately: whoever finds a browser signed in has not got it (ASVS 7.5.2, 7.5.3). Where an app may have the same origin it
// is asked for each time, since the app's scripts can send forms too.
type proof struct {
	Asked    bool
	Shared   bool   // an app may have the same origin
	Username string // for password managers
	Error    string
}

func (c *console) newProof(r *request) proof {
	shared := r.sharesOrigin()
	return proof{Asked: shared || !c.Accounts.IsRecent(r.session), Shared: shared, Username: r.account.Name}
}

// prove takes the password of a form, if it is asked for. The refusal that it returns otherwise is in p as well. A form that
// comes back for another reason asks for it again only where each needs its own.
func (c *console) prove(r *request, p *proof) (refusal, error) {
	const field = "current_password"
	if !p.Asked {
		return refusal{}, nil
	}
	f := invalid(field, "Enter your password.")
	if password := r.field(field); password != "" {
		err := c.Accounts.Reauthenticate(r.Context(), r.actor(), password)
		if err == nil {
			p.Asked = p.Shared
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
