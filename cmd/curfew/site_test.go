package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/sqlite"
	"github.com/curfewhq/curfew/storetest"
)

// do sends a request with headers, given as pairs, and returns the status.
func (c *client) do(method, path, body string, header ...string) int {
	c.s.t.Helper()
	r, err := http.NewRequest(method, c.s.base+path, strings.NewReader(body))
	if err != nil {
		c.s.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	resp, err := c.Do(r)
	if err != nil {
		c.s.t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

func TestCrossSiteRequestsAreRefused(t *testing.T) {
	inTurn(t)
	s := serveHouse(t)
	c := s.signIn("amara")
	for _, path := range []string{"/signin", "/signout", "/setup", "/theme", "/unlock", "/sessions/end-others", "/settings/token", "/users/new", "/account/password", "/api/v1/session/extend", "/api/v1/session/activity"} {
		for _, header := range [][]string{
			{"Sec-Fetch-Site", "cross-site"},
			{"Sec-Fetch-Site", "same-site"},
			{"Origin", "https://elsewhere.example"},
			{"Origin", "null"},
			{"Origin", "http://127.0.0.1:8080@elsewhere.example"},
		} {
			if status := c.do(http.MethodPost, path, "", header...); status != http.StatusForbidden {
				t.Errorf("POST %s with %v: status %d, want 403", path, header, status)
			}
		}
	}
	if status, _ := c.get("/sessions"); status != http.StatusOK {
		t.Errorf("afterwards the session is gone: status %d", status)
	}
}

// TestHeaders asks for a path of each kind, over a connection that a trusted proxy calls secure.
func TestHeaders(t *testing.T) {
	inTurn(t)
	s := serveHouse(t, "--trusted-proxy", "127.0.0.1/32")
	for _, path := range []string{"/signin", "/sessions", "/nowhere", "/api/v1/session", "/api/v1/nowhere", "/.curfew/guard.js"} {
		for _, crossSite := range []bool{false, true} {
			r, err := http.NewRequest(http.MethodGet, s.base+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("X-Forwarded-Proto", "https")
			if crossSite {
				r.Method = http.MethodPost
				r.Header.Set("Sec-Fetch-Site", "cross-site")
			}
			resp, err := s.client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			for name, want := range map[string]string{
				"Strict-Transport-Security":    "max-age=31536000",
				"Cross-Origin-Opener-Policy":   "same-origin",
				"X-Content-Type-Options":       "nosniff",
				"Cross-Origin-Resource-Policy": "same-origin",
				"Content-Security-Policy":      "default-src 'none'",
			} {
				if got := resp.Header.Get(name); !strings.HasPrefix(got, want) {
					t.Errorf("%s %s: %s is %q, want %q", r.Method, path, name, got, want)
				}
			}
			if got := resp.Header.Get("Referrer-Policy"); got != "same-origin" && got != "no-referrer" {
				t.Errorf("%s %s: Referrer-Policy is %q", r.Method, path, got)
			}
			if policy := resp.Header.Get("Content-Security-Policy"); strings.Contains(policy, "unsafe") || !strings.Contains(policy, "frame-ancestors 'none'") {
				t.Errorf("%s %s: Content-Security-Policy is %q", r.Method, path, policy)
			}
		}
	}
}

// TestHTTPS speaks TLS with a certificate of its own making: only then is the cookie __Host-.
func TestHTTPS(t *testing.T) {
	inTurn(t)
	cert, key, pool := certificate(t)
	s := serve(t, t.TempDir(), "--tls-cert", cert, "--tls-key", key)
	s.addUser("amara", "--role", "admin")
	c := s.client()
	c.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
	resp, err := c.PostForm(s.base+"/signin", url.Values{"username": {"amara"}, "password": {password}})
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	cookie := resp.Header.Get("Set-Cookie")
	if !regexp.MustCompile(`^__Host-curfew=cft_[A-Za-z0-9_-]{48}; Path=/; HttpOnly; Secure; SameSite=Lax$`).MatchString(cookie) {
		t.Errorf("status %d, Set-Cookie: %s", resp.StatusCode, cookie)
	}
	if status, _ := c.get("/sessions"); status != http.StatusOK {
		t.Errorf("with the cookie: status %d", status)
	}
	if resp.ProtoMajor != 2 {
		t.Errorf("the server speaks %s, want HTTP/2", resp.Proto)
	}
}

// certificate makes a certificate for 127.0.0.1 and the names, and returns its files.
func certificate(t *testing.T, names ...string) (cert, key string, pool *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: names,
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool = x509.NewCertPool()
	pool.AddCert(parsed)
	return cert, key, pool
}

func TestOversized(t *testing.T) {
	inTurn(t)
	s := serveHouse(t)
	c := s.signIn("amara")
	big := strings.Repeat("a", 1<<20)
	if status := c.do(http.MethodGet, "/sessions", "", "X-Big", big); status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a header of 1 MiB: status %d, want 431", status)
	}
	if status := c.do(http.MethodPost, "/signin", "username="+big, "Content-Type", "application/x-www-form-urlencoded"); status != http.StatusRequestEntityTooLarge {
		t.Errorf("a form of 1 MiB: status %d, want 413", status)
	}
	if status := c.do(http.MethodPut, "/api/v1/account/lifetime", `{"seconds": `+strings.Repeat(" ", 1<<20)+`30}`, "Content-Type", "application/json"); status != http.StatusRequestEntityTooLarge {
		t.Errorf("a document of 1 MiB: status %d, want 413", status)
	}
}

// TestTokenIsNowhere looks for a token in every place but the cookie.
func TestTokenIsNowhere(t *testing.T) {
	inTurn(t)
	s := serveHouse(t)
	var token string
	c := s.client()
	c.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err == nil && len(resp.Cookies()) > 0 && resp.Cookies()[0].Value != "" {
			token = resp.Cookies()[0].Value
		}
		return resp, err
	})
	if status := c.post("/signin", "username", "amara", "password", password); status != http.StatusSeeOther || token == "" {
		t.Fatalf("sign in: status %d", status)
	}
	for _, path := range []string{"/sessions", "/history", "/users", "/account", "/settings/token", "/sessions/end-others", "/nowhere", "/api/v1/session", "/api/v1/nowhere"} {
		if _, body := c.get(path); strings.Contains(body, token) {
			t.Errorf("%s shows the token", path)
		}
	}
	if out := s.curfew("", "sessions", "--json"); strings.Contains(out, token) {
		t.Error("the command line shows the token")
	}
	key := strings.TrimSpace(s.curfew("", "key", "new", "amara", "canary"))
	for _, path := range []string{"/account", "/api/v1/session"} {
		if _, body := c.get(path); !strings.HasPrefix(key, "curfew_key_") || strings.Contains(body, key) {
			t.Errorf("%s shows the API key", path)
		}
	}
	if out := s.curfew("", "key", "list", "--json"); !strings.Contains(out, "canary") || strings.Contains(out, key) {
		t.Error("the command line shows the API key again")
	}
	wrong := key[:len(key)-1] + "x"
	for _, secret := range []string{key, wrong} { // where it belongs, and where people may put it
		for _, path := range []string{"/api/v1/keys", "/api/v1/nowhere", "/api/v1/keys/" + secret, "/api/v1/sessions?access_token=" + secret, "/" + secret} {
			for _, header := range []string{"Bearer " + secret, "Basic " + secret} {
				c.do(http.MethodGet, path, "", "Authorization", header)
				c.do(http.MethodDelete, path, "", "Authorization", header)
			}
		}
	}
	c.post("/signout")
	s.stop()
	if strings.Contains(s.log.String(), wrong) {
		t.Error("the log shows a wrong API key")
	}
	if strings.Contains(s.log.String(), token) || strings.Contains(s.log.String(), password) || strings.Contains(s.log.String(), key) {
		t.Error("the log shows a secret")
	}
	files, err := filepath.Glob(filepath.Join(s.data, "*"))
	if err != nil || len(files) < 2 {
		t.Fatalf("the data folder holds %v, %v", files, err)
	}
	for _, name := range files {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(content, []byte(token)) || bytes.Contains(content, []byte(password)) || bytes.Contains(content, []byte(key)) {
			t.Errorf("%s holds a secret", name)
		}
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestExitStatus(t *testing.T) {
	inTurn(t)
	s := serveHouse(t)
	for want, args := range map[int][]string{
		exitOK:       {"user", "list"},
		exitUsage:    {"end"},
		exitNotFound: {"user", "disable", "nobody"},
		exitConflict: {"user", "disable", "amara"},
		exitFailure:  {"serve", "--listen", "127.0.0.1:0"},
	} {
		var out, errs bytes.Buffer
		if got := run(t.Context(), append(args, "--data", s.data), streams{strings.NewReader(""), &out, &errs}); got != want {
			t.Errorf("curfew %s: status %d, want %d: %s", strings.Join(args, " "), got, want, errs.String())
		}
	}
}

// TestCommandsKeepHistory runs a command on data whose server keeps history for longer than the default.
func TestCommandsKeepHistory(t *testing.T) {
	inTurn(t)
	dir := t.TempDir()
	db, err := sqlite.Open(t.Context(), dir, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := storetest.Record("old", "amara", -200*24*time.Hour)
	if _, err := db.Insert(t.Context(), r.Session.CreatedAt, r, 0, false); err != nil {
		t.Fatal(err)
	}
	if _, _, err := db.End(t.Context(), r.Session.CreatedAt, curfew.Selection{All: true}, curfew.Ending{Reason: curfew.ReasonSignedOut}); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	(&server{t: t, data: dir}).curfew("", "sessions")
	db, err = sqlite.Open(t.Context(), dir, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Find(t.Context(), nil, "old"); err != nil {
		t.Errorf("after a command: %v", err)
	}
}
