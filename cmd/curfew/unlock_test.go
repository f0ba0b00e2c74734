package main

import (
	"bytes"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// from makes a client that comes from the address, as the trusted proxy says.
func (c *client) from(addr string) *client {
	c.Transport = headers{"X-Forwarded-For": addr}
	return c
}

func (c *client) signIn(name, password string) int {
	return c.post("/signin", "username", name, "password", password)
}

// attack fails to sign in until the account is limited everywhere it is not known.
func (s *server) attack(name string) {
	s.t.Helper()
	c := s.client().from("203.0.113.66")
	for range 11 {
		if c.signIn(name, "wrong "+password) == http.StatusTooManyRequests {
			return
		}
	}
	s.t.Fatal("the attack goes on and on")
}

// device is the client's device.
func (c *client) device() string {
	base, err := url.Parse(c.s.base)
	if err != nil {
		c.s.t.Fatal(err)
	}
	for _, k := range c.Jar.Cookies(base) {
		if k.Name == "curfew-device" {
			return k.Value
		}
	}
	return ""
}

// TestOwnerGetsIn attacks an account, over a restart: its owner gets in at a new address, from a browser used before.
func TestOwnerGetsIn(t *testing.T) {
	inTurn(t)
	s := serveHouse(t, "--trusted-proxy", "127.0.0.1/32")
	own := s.client().from("192.0.2.1")
	if status := own.signIn("arslan", password); status != http.StatusSeeOther {
		t.Fatalf("sign in: status %d", status)
	}
	s.attack("arslan")
	s.stop()
	for _, name := range []string{"curfew.db", "curfew.db-wal"} {
		content, err := os.ReadFile(filepath.Join(s.data, name))
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		if own.device() == "" || bytes.Contains(content, []byte(own.device())) {
			t.Errorf("%s holds the device %q", name, own.device())
		}
	}
	own.s = serve(t, s.data, "--trusted-proxy", "127.0.0.1/32")
	if status := own.s.client().from("198.51.100.1").signIn("arslan", password); status != http.StatusTooManyRequests {
		t.Errorf("another browser at a new address: status %d", status)
	}
	if status := own.from("198.51.100.2").signIn("arslan", password); status != http.StatusSeeOther {
		t.Errorf("the owner's at a new address: status %d", status)
	}
}

// TestLimitsSurviveKill kills the real binary: what it counted and what it knew still hold.
func TestLimitsSurviveKill(t *testing.T) {
	early(t)
	c := newCrasher(t)
	c.start()
	s := &server{t: t, base: c.base}
	own, other := s.client(), s.client()
	if status := own.signIn("arslan", password); status != http.StatusSeeOther {
		t.Errorf("sign in: status %d", status)
	}
	for range 10 {
		other.signIn("arslan", "wrong "+password)
	}
	c.kill()
	c.start()
	s.base = c.base
	if status := other.signIn("arslan", password); status != http.StatusTooManyRequests {
		t.Errorf("another browser: status %d", status)
	}
	if status := own.signIn("arslan", password); status != http.StatusSeeOther {
		t.Errorf("the owner's: status %d", status)
	}
	c.kill()
}

var unlockLink = regexp.MustCompile(`\S*/unlock\?code=(\S+)`)

// TestUserUnlock lets an owner in whose account is attacked and who was never here, by a link made with the server up
// and by one made with it down.
func TestUserUnlock(t *testing.T) {
	inTurn(t)
	s := serveHouse(t, "--trusted-proxy", "127.0.0.1/32")
	link := unlockLink.FindStringSubmatch(s.curfew("", "user", "unlock", "arslan"))
	if link == nil || !strings.HasPrefix(link[0], s.base+"/unlock?code=") {
		t.Fatalf("the link is %q", link)
	}
	s.attack("arslan")
	own := s.client().from("192.0.2.1")
	if status := own.signIn("arslan", password); status != http.StatusTooManyRequests {
		t.Errorf("before: status %d", status)
	}
	if status, page := own.get("/unlock?code=" + link[1]); status != http.StatusOK || !strings.Contains(page, link[1]) {
		t.Errorf("the link: status %d", status)
	}
	if status := own.post("/unlock", "code", link[1]); status != http.StatusSeeOther {
		t.Errorf("the button: status %d", status)
	}
	if status := own.signIn("arslan", password); status != http.StatusSeeOther {
		t.Errorf("afterwards: status %d", status)
	}
	s.stop()
	down := unlockLink.FindStringSubmatch(s.curfew("", "user", "unlock", "mia"))
	if down == nil || !strings.HasPrefix(down[0], "/unlock") {
		t.Fatalf("with no server the link is %q", down)
	}
	s = serve(t, s.data, "--trusted-proxy", "127.0.0.1/32")
	s.attack("mia")
	mia := s.client().from("192.0.2.1")
	if status := mia.post("/unlock", "code", down[1]); status != http.StatusSeeOther {
		t.Errorf("the button after a restart: status %d", status)
	}
	if status := mia.signIn("mia", password); status != http.StatusSeeOther {
		t.Errorf("after a restart: status %d", status)
	}
	if strings.Contains(s.log.String(), down[1]) {
		t.Error("the log holds the code")
	}
}
