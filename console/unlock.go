package console

import (
	"net/http"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
)

// unlockPage asks for a click, because programs that look at a message's links open them too.
type unlockPage struct {
	frame
	Code    string // empty: the link is not good, and Message says why
	Message string
}

func (*unlockPage) file() string { return "unlock" }

func (c *console) unlockForm(r *request) (answer, error) {
	code := r.URL.Query().Get("code")
	if code == "" {
		return unlockShut(), nil
	}
	return answer{page: &unlockPage{frame: unlockFrame(), Code: code}}, nil
}

// unlock makes this browser known to the account that the code is for.
func (c *console) unlock(r *request) (answer, error) {
	device := account.DeviceOf(r.Request)
	err := c.Accounts.KnowDevice(r.Context(), r.field("code"), device)
	if curfew.ErrorCode(err) == curfew.CodeDenied {
		return unlockShut(), nil
	}
	if err != nil {
		return answer{}, err
	}
	return answer{location: "/signin", device: &device, notice: notice{Code: "browser-known"}}, nil
}

func unlockShut() answer {
	return answer{status: http.StatusForbidden, page: &unlockPage{
		frame: unlockFrame(), Message: account.ErrUnlockCode.Message + " Ask an administrator for a new one.",
	}}
}

// unlockFrame keeps the code out of the page's own address, which stands in the page.
func unlockFrame() frame { return frame{Title: "Unlock sign-in", Here: "/unlock"} }
