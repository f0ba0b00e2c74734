package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
	"github.com/curfewhq/curfew/gate"
	"github.com/curfewhq/curfew/webhook"
)

// config is what --config holds. docs/configuration.md says what each key means. What is a string in the end is within a struct,
// for the decoder asks no string type to read itself.
type config struct {
	TrustedProxies []proxy            `toml:"trusted_proxies"`
	ForwardAuth    bool               `toml:"forward_auth"`
	CookieDomain   struct{ domain }   `toml:"cookie_domain"`
	ConsoleHost    struct{ hostName } `toml:"console_host"`
	MetricsListen  string             `toml:"metrics_listen"`
	Apps           []appConfig        `toml:"app"`
	Webhooks       []webhookConfig    `toml:"webhook"`
}

type appConfig struct {
	Host     string       `toml:"host"`
	Upstream upstreamURL  `toml:"upstream"`
	OwnHost  bool         `toml:"own_host"`
	Guard    *bool        `toml:"guard"`
	Rules    []ruleConfig `toml:"rule"`
}

type ruleConfig struct {
	Path    string   `toml:"path"`
	Exact   bool     `toml:"exact"`
	Access  access   `toml:"access"`
	Roles   []string `toml:"roles"`
	Users   []string `toml:"users"`
	Passive bool     `toml:"passive"`
	Guard   *bool    `toml:"guard"`
}

// access is who may, where it is not said by roles and users.
type access struct{ word string }

// UnmarshalText reads "any" or "public".
func (a *access) UnmarshalText(text []byte) error {
	if s := string(text); s != "any" && s != "public" {
		return fmt.Errorf(`%q must be "public" or "any"; for some roles or accounts use roles and users`, s)
	}
	a.word = string(text)
	return nil
}

// upstreamURL is where an app is.
type upstreamURL struct{ *url.URL }

// UnmarshalText reads an address such as http://127.0.0.1:3000.
func (u *upstreamURL) UnmarshalText(text []byte) error {
	v, err := url.Parse(string(text))
	if err != nil {
		return fmt.Errorf("%q is not an address such as http://127.0.0.1:3000", text)
	}
	u.URL = v
	return nil
}

// readConfig reads a file. Its errors name file, line and key. With forwardAuth, said here or in the file, an app need not
// have an upstream.
func readConfig(file string, forwardAuth bool) (c config, apps []gate.App, hooks []webhook.Endpoint, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return c, nil, nil, usage("--config: " + err.Error())
	}
	d := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return c, nil, nil, decodeError(file, err)
	}
	apps, err = c.apps(forwardAuth || c.ForwardAuth)
	if err == nil {
		hooks, err = c.webhooks(filepath.Dir(file))
	}
	if err != nil {
		key := fieldOf(err)
		return c, nil, nil, configError(file, lineOf(text, key), key, unnamed(err).Error())
	}
	return c, apps, hooks, nil
}

// decodeError says where the file is no TOML, has a key that is none, or a value of the wrong kind.
func decodeError(file string, err error) error {
	if unknown, ok := errors.AsType[*toml.StrictMissingError](err); ok {
		e := unknown.Errors[0]
		line, _ := e.Position()
		return configError(file, line, strings.Join(e.Key(), "."), "is not a key that Curfew knows")
	}
	if e, ok := errors.AsType[*toml.DecodeError](err); ok {
		line, _ := e.Position()
		message, _, _ := strings.Cut(strings.TrimPrefix(e.Error(), "toml: "), " into struct field ")
		if kind, ok := strings.CutPrefix(message, "cannot decode TOML "); ok {
			message = "must not be a TOML " + kind
		}
		return configError(file, line, strings.Join(e.Key(), "."), message)
	}
	return usage(file + ": " + err.Error())
}

func configError(file string, line int, key, message string) error {
	if key != "" {
		message = key + ": " + message
	}
	return usage(fmt.Sprintf("%s:%d: %s", file, line, message))
}

// apps returns the apps. They are checked one after the other, so that the first that can't be added is the one to name.
func (c config) apps(forwardAuth bool) (apps []gate.App, err error) {
	for i, a := range c.Apps {
		app := gate.App{Host: a.Host, Upstream: a.Upstream.URL, OwnHost: a.OwnHost, NoGuard: isOff(a.Guard)}
		if app.Upstream == nil && !forwardAuth {
			err = wrong("upstream", "is missing; only an app that another proxy serves, with --forward-auth, is without")
		} else if err = gate.CheckApps(append(apps, app)); err == nil {
			app.Rules, err = a.rules(app)
		}
		if err != nil {
			return nil, within("app", i, err)
		}
		apps = append(apps, app)
	}
	return apps, nil
}

// rules returns the rules of what is an app without them.
func (a appConfig) rules(app gate.App) ([]gate.Rule, error) {
	for i, r := range a.Rules {
		app.Rules = append(app.Rules, r.rule())
		if err := r.check(app); err != nil {
			return nil, within("rule", i, err)
		}
	}
	for i, r := range app.Rules {
		if err := leaks(app.Rules, r); err != nil {
			return nil, within("rule", i, err)
		}
	}
	return app.Rules, nil
}

// leaks finds a rule that is for one path alone, while the same path with a slash more or less at its end is for people whom it keeps
// out: most apps take the two for the same.
func leaks(rules []gate.Rule, r gate.Rule) error {
	bare := strings.TrimSuffix(r.Path, "/")
	twin := bare
	if bare == r.Path {
		twin += "/"
	}
	if !r.Exact || r.Access.Public || bare == "" {
		return nil
	}
	var rest gate.Access // of the first rule that the twin falls to
	for _, other := range rules {
		switch {
		case other.Exact && other.Path == twin, !other.Exact && other.Path == bare: // it is said what is meant
			return nil
		case !other.Exact && (other.Path == "/" || strings.HasPrefix(bare, other.Path+"/")):
			rest = other.Access
		default:
			continue
		}
		break
	}
	if all := (gate.Access{}); reflect.DeepEqual(rest, r.Access) || reflect.DeepEqual(r.Access, all) && !rest.Public {
		return nil
	}
	return wrong("exact", "is for %q alone, and %q is for others, which most apps take for the same; leave exact out, or add a rule for %q", r.Path, twin, twin)
}

// check checks the rule, the app's last. It also finds what would be followed, but means something else than whoever wrote it thinks.
func (r ruleConfig) check(app gate.App) error {
	if r.Path == "" {
		return wrong("path", `is missing; say what the rule is for, such as "/admin", or "/" for all`)
	}
	if err := app.Check(); err != nil {
		return err
	}
	switch {
	case strings.Contains(r.Path, "*"):
		return wrong("path", "%q must be without *: a rule is for all that is below its path anyway", r.Path)
	case r.Roles != nil && len(r.Roles) == 0:
		return wrong("roles", `is empty; to let any account in, leave it out`)
	case r.Users != nil && len(r.Users) == 0:
		return wrong("users", `is empty; to let any account in, leave it out`)
	case r.Access.word == "any" && len(r.Roles)+len(r.Users) > 0:
		return wrong("access", "is either any or for some roles and users")
	}
	for _, role := range r.Roles {
		if !slices.Contains(account.Roles, account.Role(role)) {
			return wrong("roles", "%q is not a role; those are admin, auditor and user", role)
		}
	}
	return nil
}

func (r ruleConfig) rule() gate.Rule {
	return gate.Rule{
		Path: r.Path, Exact: r.Exact, Passive: r.Passive, NoGuard: isOff(r.Guard),
		Access: gate.Access{Public: r.Access.word == "public", Roles: r.Roles, Users: r.Users},
	}
}

func isOff(b *bool) bool { return b != nil && !*b }

// wrong is the error of a field, or of a key in the file.
func wrong(field, format string, args ...any) error {
	return &curfew.Error{Code: curfew.CodeInvalid, Field: field, Message: fmt.Sprintf(format, args...)}
}

// within is the error of a key that is in the table with the number.
func within(table string, no int, err error) error {
	return &curfew.Error{Code: curfew.CodeInvalid, Field: fmt.Sprintf("%s[%d].%s", table, no, fieldOf(err)), Message: unnamed(err).Error()}
}

func fieldOf(err error) string {
	if e, ok := errors.AsType[*curfew.Error](err); ok {
		return e.Field
	}
	return ""
}

// unnamed is the error without the field's name.
func unnamed(err error) error {
	if e, ok := errors.AsType[*curfew.Error](err); ok {
		return errors.New(e.Message)
	}
	return err
}

// lineOf returns the line of a key such as app[1].rule[0].path or, where that is missing, of what it should be in.
func lineOf(text []byte, key string) int {
	lines := keyLines(text)
	for key != "" {
		if line, ok := lines[key]; ok {
			return line
		}
		key = key[:max(strings.LastIndexByte(key, '.'), 0)]
	}
	return 1
}

// keyLines returns the line of each key and table. The text is known to be right.
func keyLines(text []byte) map[string]int {
	lines, counts, table := map[string]int{}, map[string]int{}, ""
	var p unstable.Parser
	p.Reset(text)
	for p.NextExpression() {
		e := p.Expression()
		var key []string
		line := 0
		for k := e.Key(); k.Next(); {
			if line == 0 {
				line = p.Shape(k.Node().Raw).Start.Line
			}
			key = append(key, string(k.Node().Data))
		}
		switch e.Kind {
		case unstable.ArrayTable:
			table = ""
			for i, part := range key {
				name := table + part
				if i == len(key)-1 {
					counts[name]++
				}
				table = fmt.Sprintf("%s[%d].", name, counts[name]-1)
			}
			lines[strings.TrimSuffix(table, ".")] = line
		case unstable.KeyValue:
			lines[table+strings.Join(key, ".")] = line
		}
	}
	return lines
}
