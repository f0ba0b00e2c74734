package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
	"github.com/curfewhq/curfew/httpapi"
)

type userCmd struct {
	Add      userAddCmd      `cmd:"" help:"Add an account."`
	List     userListCmd     `cmd:"" help:"List all accounts."`
	Change   userChangeCmd   `cmd:"" help:"Change an account's full name, role or token lifetime."`
	Password userPasswordCmd `cmd:"" help:"Set an account's password. Ends its sessions."`
	Unlock   userUnlockCmd   `cmd:"" help:"Let an account's owner sign in though others try wrong passwords."`
	Enable   userEnableCmd   `cmd:"" help:"Let an account sign in again."`
	Disable  userDisableCmd  `cmd:"" help:"Let an account sign in no more. Ends its sessions."`
	Delete   userDeleteCmd   `cmd:"" help:"Delete an account. Ends its sessions."`
}

// nameArg is the account that a command is about.
type nameArg struct {
	serverFlags
	Name string `arg:"" help:"User name."`
}

// withUser runs f with a client and the account.
func (c nameArg) withUser(ctx context.Context, f func(*httpapi.Client, httpapi.User) error) error {
	return c.with(ctx, false, func(api *httpapi.Client) error {
		u, err := api.UserNamed(ctx, c.Name)
		if err != nil {
			return err
		}
		return f(api, u)
	})
}

// passwordFlag says where a password comes from; it is never in the arguments, which others can see.
type passwordFlag struct {
	PasswordStdin bool `env:"-" help:"Read the password from standard input instead of asking for it."`
}

type userAddCmd struct {
	nameArg
	passwordFlag
	jsonFlag
	FullName string       `env:"-" placeholder:"NAME" help:"Full name."`
	Role     account.Role `env:"-" default:"user" complete:"admin,auditor,user" help:"What the account may do: admin, auditor or user."`
	Lifetime int64        `env:"-" default:"300" placeholder:"SECONDS" help:"Token lifetime: 30 to 2147482 seconds."`
}

// Run adds an account.
func (c userAddCmd) Run(ctx context.Context, std streams) error {
	fields := account.Fields{Name: c.Name, FullName: c.FullName, Role: c.Role, Lifetime: time.Duration(c.Lifetime) * time.Second}
	if err := fields.Check(); err != nil {
		return err
	}
	password, err := c.read(ctx, std)
	if err != nil {
		return err
	}
	return c.with(ctx, true, func(api *httpapi.Client) error {
		u, err := api.AddUser(ctx, httpapi.NewUser{
			Username: c.Name, FullName: c.FullName, Role: c.Role, LifetimeSeconds: httpapi.Seconds(c.Lifetime), Password: password,
		})
		if err != nil {
			return err
		}
		return c.print(std.out, u, "Added %s (%s).\n", u.Username, u.Role)
	})
}

// maxPassword bounds what is read; the account's own limit is lower.
const maxPassword = 4096

// read returns the password from standard input or, asked for twice, from the terminal.
func (p passwordFlag) read(ctx context.Context, std streams) (string, error) {
	if p.PasswordStdin {
		line, err := bufio.NewReader(io.LimitReader(std.in, maxPassword)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("read the password: %w", err)
		}
		return strings.TrimRight(line, "\r\n"), nil
	}
	tty, ok := std.in.(*os.File)
	if !ok || !term.IsTerminal(int(tty.Fd())) {
		return "", usage("there is no terminal to ask for the password; give --password-stdin")
	}
	first, err := askSecret(ctx, std.err, tty, "Password: ")
	if err != nil {
		return "", err
	}
	second, err := askSecret(ctx, std.err, tty, "Once more: ")
	if err == nil && first != second {
		err = &curfew.Error{Code: curfew.CodeInvalid, Message: "the passwords differ"}
	}
	return first, err
}

type userListCmd struct {
	serverFlags
	jsonFlag
}

var userColumns = []column{{"NAME", 8}, {"FULL NAME", 9}, {"ROLE", 0}, {"LIFETIME", 0}, {"ENABLED", 0}}

// Run lists the accounts.
func (c userListCmd) Run(ctx context.Context, std streams) error {
	return c.with(ctx, false, func(api *httpapi.Client) error {
		if c.JSON {
			return printList(std.out, api.Users(ctx))
		}
		return printTable(std.out, userColumns, "There are no accounts.", api.Users(ctx), func(u httpapi.User) []string {
			return []string{u.Username, u.FullName, string(u.Role), fmt.Sprint(u.LifetimeSeconds, " s"), yesNo(u.Enabled)}
		})
	})
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

type userChangeCmd struct {
	nameArg
	jsonFlag
	FullName *string       `env:"-" placeholder:"NAME" help:"Full name; an empty one takes it away."`
	Role     *account.Role `env:"-" placeholder:"ROLE" complete:"admin,auditor,user" help:"What the account may do: admin, auditor or user. A lower one ends its sessions."`
	Lifetime *int64        `env:"-" placeholder:"SECONDS" help:"Token lifetime: 30 to 2147482 seconds. All its live sessions follow at once."`
}

// Run changes what is given.
func (c userChangeCmd) Run(ctx context.Context, std streams) error {
	if c.FullName == nil && c.Role == nil && c.Lifetime == nil {
		return usage("nothing is to be changed; give --full-name, --role or --lifetime")
	}
	change := httpapi.UserChange{FullName: c.FullName, Role: c.Role}
	if c.Lifetime != nil {
		seconds := httpapi.Seconds(*c.Lifetime)
		change.LifetimeSeconds = &seconds
	}
	return c.withUser(ctx, func(api *httpapi.Client, u httpapi.User) error {
		u, err := api.UpdateUser(ctx, u.ID, change)
		if err != nil {
			return err
		}
		return c.print(std.out, u, "Changed %s: full name %q, role %s, lifetime %d s.\n", u.Username, u.FullName, u.Role, u.LifetimeSeconds)
	})
}

type userPasswordCmd struct {
	nameArg
	passwordFlag
}

// Run sets a password.
func (c userPasswordCmd) Run(ctx context.Context, std streams) error {
	password, err := c.read(ctx, std)
	if err != nil {
		return err
	}
	return c.withUser(ctx, func(api *httpapi.Client, u httpapi.User) error {
		if err := api.SetPassword(ctx, u.ID, password); err != nil {
			return err
		}
		_, err := fmt.Fprintf(std.out, "Set the password of %s and ended its sessions.\n", c.Name)
		return err
	})
}

type userUnlockCmd struct {
	nameArg
	jsonFlag
}

// unlocked is how an account's owner gets in.
type unlocked struct {
	httpapi.Unlock
	URL string `json:"url,omitempty"` // absent if the server's address is not known
}

// Run empties the account's counters, and prints a link for its owner.
func (c userUnlockCmd) Run(ctx context.Context, std streams) error {
	return c.withUser(ctx, func(api *httpapi.Client, named httpapi.User) error {
		u, err := api.Unlock(ctx, named.ID)
		if err != nil {
			return err
		}
		address, err := c.address(ctx, api)
		if err != nil {
			return err
		}
		path, where, link := "/unlock?code="+u.Code, "at", ""
		if address == "" {
			where = "at the server's address, once it runs:"
		} else {
			link = address + path
		}
		return c.print(std.out, unlocked{u, link}, "Forgot the failed sign-ins of %s. To get in while more come, open this link once, within 15 minutes, %s\n%s\n",
			c.Name, where, address+path)
	})
}

type userEnableCmd struct{ enablement }

// Run enables an account.
func (c userEnableCmd) Run(ctx context.Context, std streams) error {
	return c.set(ctx, std, true, "Enabled %s.\n")
}

type userDisableCmd struct{ enablement }

// Run disables an account.
func (c userDisableCmd) Run(ctx context.Context, std streams) error {
	return c.set(ctx, std, false, "Disabled %s and ended its sessions.\n")
}

// enablement is whether an account can sign in.
type enablement struct {
	nameArg
	jsonFlag
}

func (c enablement) set(ctx context.Context, std streams, enabled bool, done string) error {
	return c.withUser(ctx, func(api *httpapi.Client, u httpapi.User) error {
		u, err := api.UpdateUser(ctx, u.ID, httpapi.UserChange{Enabled: &enabled})
		if err != nil {
			return err
		}
		return c.print(std.out, u, done, c.Name)
	})
}

type userDeleteCmd struct{ nameArg }

// Run deletes an account.
func (c userDeleteCmd) Run(ctx context.Context, std streams) error {
	return c.withUser(ctx, func(api *httpapi.Client, u httpapi.User) error {
		if err := api.DeleteUser(ctx, u.ID); err != nil {
			return err
		}
		_, err := fmt.Fprintf(std.out, "Deleted %s and ended its sessions.\n", c.Name)
		return err
	})
}
