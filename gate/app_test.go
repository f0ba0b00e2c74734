package gate

import (
	"net/url"
	"strings"
	"testing"

	"github.com/curfewhq/curfew"
)

func TestRules(t *testing.T) {
	app := App{Rules: []Rule{
		{Path: "/public", Access: Access{Public: true}},
		{Path: "/admin/help", Exact: true, Access: Access{Public: true}},
		{Path: "/admin", Access: Access{Roles: []string{"admin"}}},
		{Path: "/keys", Access: Access{Roles: []string{"admin"}}},
	}}
	for _, tt := range []struct {
		path      string
		want      string // the path of the rule; "" where the path is refused
		plainness bool
	}{
		{"/", "/", true},
		{"/public", "/public", true},
		{"/public/", "/public", true},
		{"/public/a/b", "/public", true},
		{"/publicity", "/", true},
		{"/a/public", "/", true},
		{"/admin", "/admin", true},
		{"/admin/help", "/admin/help", true},
		{"/admin/help/", "/admin", true},
		{"/admin/helpless", "/admin", true},
		{"/Admin", "", true},
		{"/ADMIN/x", "", true},
		{"/\u212aeys", "", true},
		{"/\u212aeys/x", "", true},
		{"/\u212aeyset", "/", true},
		{"/public/..", "", false},
	} {
		r, err := app.rule(tt.path, tt.plainness)
		if (tt.want == "") != (err != nil) || err == nil && r.Path != tt.want {
			t.Errorf("%s: rule %q, %v, want %q", tt.path, r.Path, err, tt.want)
		}
	}
	if r, err := (&App{}).rule("/a/../b", false); err != nil || r.Access.Public {
		t.Errorf("an app without rules can be misled by no path: %v, %v", r, err)
	}
}

func TestAccess(t *testing.T) {
	amara := curfew.User{Name: "amara"}
	for _, tt := range []struct {
		access Access
		role   string
		want   bool
	}{
		{Access{}, "user", true},
		{Access{}, "", true},
		{Access{Public: true}, "", true},
		{Access{Roles: []string{"admin", "auditor"}}, "auditor", true},
		{Access{Roles: []string{"admin"}}, "user", false},
		{Access{Roles: []string{"admin"}}, "", false},
		{Access{Users: []string{"amara"}}, "user", true},
		{Access{Users: []string{"mia"}}, "admin", false},
		{Access{Roles: []string{"admin"}, Users: []string{"amara"}}, "user", true},
	} {
		if got := tt.access.allows(amara, tt.role); got != tt.want {
			t.Errorf("%+v for amara, %q: %v", tt.access, tt.role, got)
		}
	}
}

func TestAppCheck(t *testing.T) {
	for name, tt := range map[string]struct {
		app  App
		want string // in the error; "" where there is none
	}{
		"nothing":           {App{}, ""},
		"host":              {App{Host: "app.example.com"}, ""},
		"address":           {App{Host: "[::1]"}, ""},
		"host with port":    {App{Host: "app.example.com:80"}, "without a port"},
		"host in capitals":  {App{Host: "App.example.com"}, "lower case"},
		"host with a path":  {App{Host: "app.example.com/x"}, "host name"},
		"upstream":          {App{Upstream: parseURL(t, "http://127.0.0.1:3000")}, ""},
		"slash":             {App{Upstream: parseURL(t, "https://app.internal/")}, ""},
		"socket":            {App{Upstream: parseURL(t, "unix:///run/app.sock")}, ""},
		"relative socket":   {App{Upstream: parseURL(t, "unix:app.sock")}, "unix:///"},
		"no scheme":         {App{Upstream: parseURL(t, "127.0.0.1")}, "http://"},
		"other scheme":      {App{Upstream: parseURL(t, "ftp://127.0.0.1")}, "http://"},
		"no host":           {App{Upstream: parseURL(t, "http:///x")}, "http://"},
		"path":              {App{Upstream: parseURL(t, "http://127.0.0.1/base")}, "path"},
		"user":              {App{Upstream: parseURL(t, "http://u:p@127.0.0.1")}, "user"},
		"query":             {App{Upstream: parseURL(t, "http://127.0.0.1?x")}, "query"},
		"rule without path": {App{Rules: []Rule{{}}}, "must begin with /"},
		"rule with dots":    {App{Rules: []Rule{{Path: "/a/../b"}}}, "must begin with /"},
		"rule with escapes": {App{Rules: []Rule{{Path: "/%61"}}}, "written out"},
		"rule with a slash": {App{Rules: []Rule{{Path: "/a/"}}}, "must not end with /"},
		"exact slash":       {App{Rules: []Rule{{Path: "/a/", Exact: true}}}, ""},
		"our own path":      {App{Rules: []Rule{{Path: "/.curfew/sessions"}}}, "Curfew's own"},
		"same rule twice":   {App{Rules: []Rule{{Path: "/a"}, {Path: "/a"}}}, "never reached"},
		"hidden rule":       {App{Rules: []Rule{{Path: "/"}, {Path: "/a"}}}, "never reached"},
		"exact, then below": {App{Rules: []Rule{{Path: "/a", Exact: true}, {Path: "/a"}}}, ""},
		"public for some":   {App{Rules: []Rule{{Path: "/a", Access: Access{Public: true, Users: []string{"x"}}}}}, "either public"},
		"empty role":        {App{Rules: []Rule{{Path: "/a", Access: Access{Roles: []string{""}}}}}, "empty"},
		"empty user":        {App{Rules: []Rule{{Path: "/a", Access: Access{Users: []string{""}}}}}, "empty"},
	} {
		err := tt.app.Check()
		if (tt.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
		if err != nil && curfew.ErrorCode(err) != curfew.CodeInvalid {
			t.Errorf("%s: code %q", name, curfew.ErrorCode(err))
		}
	}
	for name, apps := range map[string][]App{
		"two for one host": {{Host: "a"}, {Host: "a"}},
		"two for the rest": {{}, {}},
	} {
		if CheckApps(apps) == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func parseURL(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
