package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func writeConfig(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "curfew.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestConfig(t *testing.T) {
	file := writeConfig(t, `
trusted_proxies = ["10.0.0.0/8", "127.0.0.1"]

[[app]]
host = "wiki.example.com"
upstream = "http://127.0.0.1:3000"

  [[app.rule]]
  path = "/public"
  access = "public"

  [[app.rule]]
  path = "/admin"
  roles = ["admin"]
  users = ["mia"]
  passive = true
  guard = false

[[app]]
upstream = "unix:///run/app.sock"
own_host = true
guard = false
`)
	c, apps, _, err := readConfig(file, false)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.TrustedProxies) != 2 || len(apps) != 2 || len(apps[0].Rules) != 2 {
		t.Fatalf("%+v, %+v", c, apps)
	}
	admin := apps[0].Rules[1]
	if apps[0].Host != "wiki.example.com" || !apps[0].Rules[0].Access.Public || admin.Path != "/admin" || !admin.Passive || !admin.NoGuard ||
		admin.Access.Roles[0] != "admin" || admin.Access.Users[0] != "mia" || apps[0].NoGuard || apps[0].OwnHost {
		t.Errorf("%+v", apps[0])
	}
	if apps[1].Upstream.Path != "/run/app.sock" || !apps[1].OwnHost || !apps[1].NoGuard {
		t.Errorf("%+v", apps[1])
	}
}

// TestConfigMistakes makes each mistake there is: the message names file, line and key.
func TestConfigMistakes(t *testing.T) {
	const app = "[[app]]\nupstream = \"http://127.0.0.1:3000\"\n"
	for name, tt := range map[string]struct{ text, want string }{
		"no TOML":         {"[[app]\n", ":1: "},
		"unknown key":     {app + "upsteam = 1\n", ":3: app.upsteam: is not a key"},
		"unknown in rule": {app + "[[app.rule]]\npath = \"/a\"\nrole = []\n", ":5: app.rule.role: is not a key"},
		"wrong kind":      {app + "guard = \"no\"\n", ":3: app.guard: must not be a TOML string"},
		"bad address":     {"\n[[app]]\nupstream = \"http://[\"\n", ":3: "},
		"bad scheme":      {"\n[[app]]\nupstream = \"ftp://a\"\n", ":3: app[0].upstream: must be such as"},
		"no upstream":     {"# apps\n[[app]]\nhost = \"a\"\n", ":2: app[0].upstream: is missing"},
		"bad host":        {app + "host = \"A:80\"\n", ":3: app[0].host: "},
		"host twice":      {app + "host = \"a\"\n" + app + "host = \"a\"\n", ":6: app[1].host: \"a\" has two apps"},
		"bad path":        {app + "[[app.rule]]\npath = \"a\"\n", ":4: app[0].rule[0].path: \"a\" must begin with /"},
		"hidden rule":     {app + "[[app.rule]]\npath = \"/a\"\n[[app.rule]]\npath = \"/a/b\"\n", ":6: app[0].rule[1].path: "},
		"bad access":      {app + "[[app.rule]]\npath = \"/a\"\naccess = \"all\"\n", ":5: "},
		"public for some": {app + "[[app.rule]]\npath = \"/a\"\naccess = \"public\"\nroles = [\"admin\"]\n", ":5: app[0].rule[0].access: is either public"},
		"any for some":    {app + "[[app.rule]]\npath = \"/a\"\naccess = \"any\"\nusers = [\"mia\"]\n", ":5: app[0].rule[0].access: is either any"},
		"empty role":      {app + "[[app.rule]]\npath = \"/a\"\nroles = [\"\"]\n", ":5: app[0].rule[0].roles: must not be empty"},
		"no such role":    {app + "[[app.rule]]\npath = \"/a\"\nroles = [\"admn\"]\n", ":5: app[0].rule[0].roles: \"admn\" is not a role"},
		"no roles":        {app + "[[app.rule]]\npath = \"/a\"\nroles = []\n", ":5: app[0].rule[0].roles: is empty"},
		"no users":        {app + "[[app.rule]]\npath = \"/a\"\nroles = [\"admin\"]\nusers = []\n", ":6: app[0].rule[0].users: is empty"},
		"wildcard":        {app + "[[app.rule]]\npath = \"/a/*\"\n", ":4: app[0].rule[0].path: \"/a/*\" must be without *"},
		"no path":         {app + "[[app.rule]]\naccess = \"public\"\n", ":3: app[0].rule[0].path: is missing"},
		"half a rule":     {app + "[[app.rule]]\npath = \"/a\"\nexact = true\nroles = [\"admin\"]\n", ":5: app[0].rule[0].exact: is for \"/a\" alone"},
		"scheme in host":  {app + "host = \"https://a\"\n", ":3: app[0].host: \"https://a\" must be a host name alone"},
		"bad port":        {"[[app]]\nupstream = \"http://a:65536\"\n", ":2: app[0].upstream: has the port 65536"},
		"console's host":  {"console_host = \"https://a\"\n", ":1: "},
		"cookie's dot":    {"cookie_domain = \".example.com\"\n", ":1: "},
		"bad proxy":       {"trusted_proxies = [\n\"10.0.0.0/99\"]\n", ":2: "},
		"key twice":       {app + "upstream = \"http://a\"\n", ":3: "},
	} {
		file := writeConfig(t, tt.text)
		_, _, _, err := readConfig(file, false)
		if err == nil || !strings.Contains(err.Error(), file+tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
	if _, _, _, err := readConfig("/nowhere/curfew.toml", false); err == nil || !strings.Contains(err.Error(), "/nowhere/curfew.toml") {
		t.Errorf("a file that is not there: %v", err)
	}
}

// TestExactRules has rules for one path that say what holds with a slash more or less at its end, and some that don't.
func TestExactRules(t *testing.T) {
	const exact = "[[app.rule]]\npath = \"/a\"\nexact = true\n"
	for _, more := range []string{
		"access = \"public\"\n", "passive = true\n", "roles = [\"admin\"]\n[[app.rule]]\npath = \"/a/\"\nexact = true\n",
		"roles = [\"admin\"]\n[[app.rule]]\npath = \"/a\"\naccess = \"public\"\n", "roles = [\"admin\"]\n[[app.rule]]\npath = \"/\"\nroles = [\"admin\"]\n",
	} {
		if _, _, _, err := readConfig(writeConfig(t, "[[app]]\nupstream = \"http://a\"\n"+exact+more), false); err != nil {
			t.Errorf("%s: %v", more, err)
		}
	}
	const admins, behind = "roles = [\"admin\"]\n", "[[app.rule]]\npath = \"/x/a/\"\nexact = true\n"
	for _, rules := range []string{
		behind + admins, // without the slash it is for all
		behind + "[[app.rule]]\npath = \"/x\"\naccess = \"public\"\n",
		behind + admins + "[[app.rule]]\npath = \"/x\"\naccess = \"public\"\n[[app.rule]]\npath = \"/\"\n" + admins,
	} {
		if _, _, _, err := readConfig(writeConfig(t, "[[app]]\nupstream = \"http://a\"\n"+rules), false); err == nil || !strings.Contains(err.Error(), `is for "/x/a/" alone, and "/x/a" is for others`) {
			t.Errorf("%s: %v", rules, err)
		}
	}
}

func TestUpstreamFlag(t *testing.T) {
	for text, want := range map[string]string{
		"http://127.0.0.1:3000":                 "",
		"app.example.com=http://127.0.0.1:3000": "",
		"App.example.com=https://app.internal":  "",
		"unix:///run/app.sock":                  "",
		"127.0.0.1:3000":                        "is not an address",
		"app.example.com":                       "must be such as",
		"=http://127.0.0.1":                     "HOST=ADDRESS",
		"a:80=http://127.0.0.1":                 "without a port",
		"http://127.0.0.1/path":                 "path",
	} {
		var u upstream
		err := u.UnmarshalText([]byte(text))
		if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
