package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/audit"
	"github.com/curfewhq/curfew/webhook"
)

var hookSecret = "whsec_" + base64.StdEncoding.EncodeToString([]byte("0123456789abcdef01234567"))

// hookReceiver is a program that a server tells what happens.
type hookReceiver struct {
	t      *testing.T
	server *httptest.Server

	mu     sync.Mutex
	status int             // of its answers; 0 is 204
	got    []string        // "type session" or "type account change", in order
	told   map[string]bool // the same
}

func newHookReceiver(t *testing.T) *hookReceiver {
	h := &hookReceiver{t: t, told: map[string]bool{}}
	h.server = httptest.NewServer(h)
	t.Cleanup(h.server.Close)
	return h
}

// config returns a file with the receiver as a webhook.
func (h *hookReceiver) config() string {
	file := writeConfig(h.t, fmt.Sprintf("[[webhook]]\nname = \"crm\"\nurl = \"%s/hook\"\nsecret_file = \"crm.secret\"\n", h.server.URL))
	writeFile(h.t, filepath.Join(filepath.Dir(file), "crm.secret"), hookSecret+"\n", 0o600)
	return file
}

func writeFile(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(name, mode); err != nil {
		t.Fatal(err)
	}
}

// ServeHTTP takes what the library of Standard Webhooks verifies.
func (h *hookReceiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the server was killed
	}
	verifier, err := standardwebhooks.NewWebhook(hookSecret)
	if err != nil {
		h.t.Error(err)
		return
	}
	if err := verifier.Verify(body, r.Header); err != nil {
		h.t.Errorf("%s: %v", body, err)
	}
	var m struct {
		Type webhook.Type
		Data struct {
			Session struct{ ID curfew.SessionID }
			Account struct{ Name string }
			Change  string
			Reason  string
		}
	}
	if err := json.Unmarshal(body, &m); err != nil {
		h.t.Errorf("%s: %v", body, err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.status != 0 {
		w.WriteHeader(h.status)
		return
	}
	text := strings.Join(strings.Fields(fmt.Sprint(m.Type, " ", m.Data.Session.ID, " ", m.Data.Account.Name, " ", m.Data.Change, " ", m.Data.Reason)), " ")
	h.got, h.told[text] = append(h.got, text), true
	w.WriteHeader(http.StatusNoContent)
}

func (h *hookReceiver) answer(status int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.status = status
}

// lacks returns which of the messages have not come.
func (h *hookReceiver) lacks(messages []string) (missing []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, m := range messages {
		if !h.told[m] {
			missing = append(missing, m)
		}
	}
	return missing
}

// until waits for messages to come.
func (h *hookReceiver) until(messages ...string) {
	h.t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		missing := h.lacks(messages)
		if len(missing) == 0 {
			return
		}
		if time.Now().After(end) {
			h.t.Fatalf("not told within 30 s of %q; told of %q", missing, h.got)
		}
	}
}

// messagesOf are what a webhook must be told of records.
func messagesOf(records []audit.Record) (messages []string) {
	for _, r := range records {
		switch r.Event {
		case audit.SignedIn:
			messages = append(messages, "session.started "+string(r.Session))
		case audit.SignedOut, audit.SessionExpired, audit.SessionTerminated:
			messages = append(messages, "session.ended "+string(r.Session)+" "+r.Reason)
		case audit.AccountCreated:
			messages = append(messages, "account.changed "+r.User.Name+" created")
		case audit.AccountDeleted:
			messages = append(messages, "account.changed "+r.User.Name+" deleted")
		}
	}
	return messages
}

// TestWebhooks tells a receiver of a whole life, which is away for a part of it, and then is asked by hand.
func TestWebhooks(t *testing.T) {
	inTurn(t)
	h := newHookReceiver(t)
	s := serveHouse(t, "--config", h.config())
	s.addUser("rita")
	h.until("account.changed rita created")
	h.answer(http.StatusServiceUnavailable)
	s.signIn("rita")
	s.curfew("", "end", sessionID(t, s, "rita"))
	s.curfew("", "user", "delete", "rita")
	c := s.signIn("amara")
	c.until("it waits", "/webhooks", "Waiting", "it answered 503 Service Unavailable")
	h.answer(0)
	if status := c.post("/webhooks/crm/retry"); status != http.StatusSeeOther {
		t.Errorf("try now: %d", status)
	}
	lines := strings.Split(strings.TrimSpace(s.curfew("", "audit", "list", "--json")), "\n")
	records := make([]audit.Record, len(lines))
	for i, line := range lines {
		if err := json.Unmarshal([]byte(line), &records[i]); err != nil {
			t.Fatal(err)
		}
	}
	var told []string
	for _, m := range messagesOf(records) {
		if m != "account.changed amara created" && !strings.HasSuffix(m, " created") || strings.Contains(m, "rita") {
			told = append(told, m)
		}
	}
	h.until(told...)
	c.until("it delivers", "/webhooks", "Delivering", "up to date")
	if status := c.post("/webhooks/crm/test"); status != http.StatusSeeOther {
		t.Errorf("test: %d", status)
	}
	h.until("curfew.test")
	if out := s.curfew("", "webhook", "test", "crm"); out != "crm took the test message.\n" {
		t.Errorf("webhook test: %q", out)
	}
	s.curfew("", "webhook", "retry", "crm")
	if out := s.curfew("", "webhook", "list"); !strings.Contains(out, "crm") || !strings.Contains(out, "delivering") {
		t.Errorf("webhook list: %q", out)
	}
	h.answer(http.StatusForbidden)
	var errs strings.Builder
	if status := run(t.Context(), []string{"webhook", "test", "crm", "--data", s.data}, streams{strings.NewReader(""), io.Discard, &errs}); status != exitConflict || !strings.Contains(errs.String(), "it answered 403 Forbidden") {
		t.Errorf("webhook test, refused: status %d: %s", status, errs.String())
	}
	if text := s.log.String(); strings.Contains(text, hookSecret) {
		t.Error("the secret is in the log")
	}
}

// until waits for a page to have texts.
func (c *client) until(what, path string, texts ...string) {
	c.s.t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		_, body := c.get(path)
		lacks := ""
		for _, text := range texts {
			if !strings.Contains(body, text) {
				lacks = text
			}
		}
		if lacks == "" {
			return
		}
		if time.Now().After(end) {
			c.s.t.Fatalf("%s: %s lacks %q:\n%s", what, path, lacks, body)
		}
	}
}

// TestWebhookMistakes makes each mistake there is: the message names file, line and key, and never a secret.
func TestWebhookMistakes(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"good": hookSecret, "two": hookSecret + "\n" + hookSecret, "short": "whsec_c2hvcnQ=", "empty": "\n", "open": hookSecret,
		"many": strings.Repeat("whsec_"+strings.Repeat("A", 86)+"==\n", 12)} {
		writeFile(t, filepath.Join(dir, name), text, 0o600)
	}
	if err := os.Chmod(filepath.Join(dir, "open"), 0o644); err != nil {
		t.Fatal(err)
	}
	const begin, secret = "[[webhook]]\nname = \"crm\"\n", "secret_file = \"good\"\n"
	for text, want := range map[string]string{
		begin + "url = \"https://a/b\"\n" + secret:                                                   "",
		begin + "url = \"http://127.0.0.1:1/b\"\nsecret_file = \"two\"\ntypes = [\"session.ended\"]": "",
		"[[webhook]]\nurl = \"https://a\"\n" + secret:                                                ":1: webhook[0].name: must be 1 to 64",
		"[[webhook]]\nname = \"A b\"\n":                                                              ":2: webhook[0].name: must be 1 to 64",
		begin + "url = \"https://a\"\n" + secret + begin:                                             ":6: webhook[1].name: \"crm\" is the name of another",
		begin + secret: ":1: webhook[0].url: the URL is missing",
		begin + secret + "url = \"http://example.com\"\n": ":4: webhook[0].url: the URL must begin with https://",
		begin + "url = \"https://a\"\n":                   ":1: webhook[0].secret_file: is missing",
		begin + "secret_file = \"none\"\n":                ":3: webhook[0].secret_file: open ",
		begin + "secret_file = \"short\"\n":               ":3: webhook[0].secret_file: ",
		begin + "secret_file = \"empty\"\n":               ":3: webhook[0].secret_file: ",
		begin + "secret_file = \"open\"\n":                ":3: webhook[0].secret_file: others may read",
		begin + "secret_file = \"many\"\n":                ":3: webhook[0].secret_file: ",
		begin + "types = [\"session.over\"]\n" + secret:   ":3: webhook[0].types: \"session.over\" is not a type",
		begin + "secret = \"x\"\n":                        ":3: webhook.secret: is not a key",
	} {
		file := filepath.Join(dir, "curfew.toml")
		writeFile(t, file, text, 0o600)
		_, _, hooks, err := readConfig(file, false)
		switch {
		case want == "":
			if err != nil || len(hooks) != 1 {
				t.Errorf("%s: %v", text, err)
			}
		case err == nil || !strings.Contains(err.Error(), file+want) || strings.Contains(err.Error(), "c2hvcnQ"):
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// TestCredentialsOfSystemd has files as systemd hands them to a service: with mode 0440, in a folder that it names.
func TestCredentialsOfSystemd(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	for file, ok := range map[string]bool{
		filepath.Join(dir, "crm"): true, filepath.Join(dir, "open"): false, filepath.Join(elsewhere, "crm"): false,
	} {
		mode := os.FileMode(0o440)
		if filepath.Base(file) == "open" {
			mode = 0o444
		}
		writeFile(t, file, hookSecret, mode)
		if _, err := readPrivate(file); (err == nil) != ok {
			t.Errorf("%s with mode %04o: %v", file, mode, err)
		}
	}
}
