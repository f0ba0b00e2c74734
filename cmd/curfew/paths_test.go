package main

import (
	"bufio"
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	pathpkg "path"
	"strings"
	"testing"
	"time"
)

// pathCases is for looking further than CI does, and pathSeed for looking elsewhere.
var (
	pathCases = flag.Int("path-cases", 300, "how many addresses TestNoPathLeadsPast invents")
	pathSeed  = flag.Uint64("path-seed", 1, "where TestNoPathLeadsPast begins to invent addresses")
)

// TestNoPathLeadsPast invents addresses and asks for each of them through Curfew's own proxy and the proxies of the recipes: as a user,
// who may see all but /admin, and as a stranger, who may see /public alone. Whatever the app then gets, none of the usual ways of reading it
// may come to what its sender may not see.
func TestNoPathLeadsPast(t *testing.T) {
	inTurn(t)
	st := newStreet(t)
	for _, r := range append(runnable(), recipe{name: "curfew"}) {
		t.Run(r.name, func(t *testing.T) {
			inTurn(t)
			way := st.openWay(t, r.name)
			random := rand.New(rand.NewPCG(*pathSeed, 0))
			reached := 0
			for i := range *pathCases {
				line, host := inventLine(random), pick(random, hosts)
				for sender, cookie := range map[string]string{"mia": way.cookie, "a stranger": ""} {
					probe := fmt.Sprintf("%s-%d-%s", r.name, i, sender)
					way.ask(t, line, host, cookie, probe)
					got := st.app.probed(probe)
					if got == nil {
						continue
					}
					reached++
					if strings.HasPrefix(strings.ToLower(got.Host), "other.") { // which has no rules
						if sender != "mia" {
							t.Errorf("a stranger's %q, host %q: the app got %s%s", line, host, got.Host, got.RequestURI)
						}
						continue
					}
					for way, path := range readings(got.RequestURI) {
						if isBelow(path, "/admin") || sender != "mia" && !isBelow(path, "/public") {
							t.Errorf("%s's %q, host %q: the app got %s, which %s reads as %s", sender, line, host, got.RequestURI, way, path)
						}
					}
				}
			}
			t.Logf("of %d addresses that two senders asked for, the app got %d", *pathCases, reached)
			if reached < *pathCases/10 {
				t.Error("the test shows little")
			}
		})
	}
}

func isBelow(path, top string) bool { return path == top || strings.HasPrefix(path, top+"/") }

// Parts of addresses: what rules are about, and what some programs tidy away, decode, or take for a separator. The first of each is what
// most addresses have.
var (
	names      = []string{"public", "admin", "x", "", ".", "..", "..", "...", ".curfew", "auth", "index.html"}
	separators = []string{"/", "//", "/./", `\`, "%2f", "%2F", "%5c", "%252f", "%c0%af", "%e0%80%af", "\uff0f", ";/", "/;", "..;/"}
	tails      = []string{"", ";x", ";a=/..", ".", "..", "%2e", "%20", "%00", "%09", "%0a", "%0d%0aX:%20y", "#", "%23", "?", "%3f", "::$DATA", "~1", "%", "%u002f", "%c2%a0", "\xff"}
	queries    = []string{"", "?", "?/../admin", "?x=%2e%2e%2f", "#/public", "?#"}
	methods    = []string{"GET", "HEAD", "POST", "OPTIONS", "get", "X-ANY"}
	fronts     = []string{"", "http://app.example.com", "http://APP.example.com:443", "https://app.example.com.", "http://other.example.com", "http://user@app.example.com", "http:", "app.example.com", "*"}
	hosts      = []string{"app.example.com", "APP.Example.Com", "app.example.com.", "app.example.com:443", "app.example.com:", "other.example.com", "[::1%25lo]", "app.example.com, other.example.com", "other.example.com/@app.example.com"}
)

// pick returns the first in most cases.
func pick(random *rand.Rand, from []string) string {
	if random.IntN(6) > 0 {
		return from[0]
	}
	return from[random.IntN(len(from))]
}

// inventLine invents a method and an address as they stand in a request line.
func inventLine(random *rand.Rand) string {
	var b strings.Builder
	b.WriteString(pick(random, methods) + " " + pick(random, fronts))
	for n := 1 + random.IntN(3); n > 0; n-- {
		b.WriteString(pick(random, separators))
		b.WriteString(disguise(random, names[random.IntN(len(names))]) + pick(random, tails))
	}
	return b.String() + pick(random, queries)
}

// disguise writes a segment in another case, or with escapes, once or twice.
func disguise(random *rand.Rand, segment string) string {
	var b strings.Builder
	kind := random.IntN(20)
	for i := range len(segment) {
		c := segment[i]
		switch {
		case kind == 0:
			b.WriteString(strings.ToUpper(string(c)))
		case kind == 1 && random.IntN(2) == 0:
			fmt.Fprintf(&b, "%%%02x", c)
		case kind == 2 && random.IntN(2) == 0:
			fmt.Fprintf(&b, "%%%02X", c)
		case kind == 3 && random.IntN(2) == 0:
			fmt.Fprintf(&b, "%%25%02x", c)
		case kind == 4 && random.IntN(4) == 0:
			fmt.Fprintf(&b, "%%c%x%%%02x", c>>6, 0x80|c&0x3f) // in more bytes than UTF-8 allows
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// readings are the paths that programs make of an address which they get.
func readings(uri string) map[string]string {
	raw := uri
	if _, rest, whole := strings.Cut(uri, "://"); whole && !strings.HasPrefix(uri, "/") {
		_, path, _ := strings.Cut(rest, "/")
		raw = "/" + path
	}
	raw, _, _ = strings.Cut(raw, "?")
	decoded, err := url.PathUnescape(raw)
	if err != nil {
		decoded = raw
	}
	beforeHash, _, _ := strings.Cut(raw, "#")
	hashless, err := url.PathUnescape(beforeHash)
	if err != nil {
		hashless = beforeHash
	}
	all := map[string]string{
		"net/http":       pathpkg.Clean(decoded),
		"WSGI":           decoded, // wsgiref and others tidy nothing
		"nginx":          pathpkg.Clean(strings.TrimRight(hashless, "\x00")),
		"Node":           nodePath(raw),
		"a kind program": kindPath(raw),
	}
	return all
}

// nodePath is how the URL of browsers and Node reads a path (WHATWG URL Standard), and then Express, which knows no case and no slash
// at the end.
func nodePath(raw string) string {
	raw, _, _ = strings.Cut(strings.NewReplacer("\t", "", "\n", "", "\r", "", `\`, "/").Replace(raw), "#")
	if rest, host := strings.CutPrefix(raw, "//"); host {
		_, path, _ := strings.Cut(rest, "/")
		raw = "/" + path
	}
	var kept []string
	for segment := range strings.SplitSeq(raw, "/") {
		switch dots := strings.ReplaceAll(strings.ToLower(segment), "%2e", "."); {
		case dots == "..":
			kept = kept[:max(len(kept)-1, 1)]
		case dots != ".":
			kept = append(kept, segment)
		}
	}
	decoded, err := url.PathUnescape(strings.Join(kept, "/"))
	if err != nil {
		return "/" // Express answers 400
	}
	return strings.ToLower("/" + strings.Trim(decoded, "/"))
}

// kindPath is how a program might read a path that means well with everybody: it decodes twice, knows no case, takes a backslash for a
// slash, drops parameters, and leaves out what Windows does.
func kindPath(raw string) string {
	for range 2 {
		if decoded, err := url.PathUnescape(raw); err == nil {
			raw = decoded
		}
	}
	list := strings.Split(strings.ReplaceAll(raw, `\`, "/"), "/")
	for i, s := range list {
		list[i], _, _ = strings.Cut(strings.TrimRight(s, "\x00 ."), ";")
		if s == "." || s == ".." {
			list[i] = s
		}
	}
	return strings.ToLower(pathpkg.Clean("/" + strings.Join(list, "/")))
}

// way is how requests get to the app: through a proxy, on a connection that is kept as long as it is answered.
type way struct {
	dial   func() (net.Conn, error)
	cookie string // mia's
	conn   net.Conn
	read   *bufio.Reader
}

// openWay opens the way through the proxy of a recipe, or through Curfew's own.
func (st *street) openWay(t *testing.T, name string) *way {
	t.Helper()
	w := &way{}
	if name == "curfew" {
		s := serveHouse(t, "--config", streetConfig(t, st.app.URL))
		s.base = s.root()
		c := s.under(appHost).client().anywhere()
		if status := c.post("/.curfew/signin", "username", "mia", "password", password); status != http.StatusSeeOther {
			t.Fatalf("sign in: status %d", status)
		}
		w.cookie = cookieHeader(t, c.Jar, c.s.base)
		w.dial = func() (net.Conn, error) { return net.Dial("tcp", "127.0.0.1"+s.port()) }
	} else {
		d := st.openDoor(t, name)
		v := d.visitor(appHost)
		v.signIn("mia", "/echo")
		w.cookie = v.cookie()
		w.dial = func() (net.Conn, error) {
			return tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", d.port), &tls.Config{RootCAs: d.pool, ServerName: appHost})
		}
	}
	t.Cleanup(w.close)
	return w
}

func (w *way) close() {
	if w.conn != nil {
		w.conn.Close()
	}
	w.conn = nil
}

// ask sends a request and reads the answer, whatever it is.
func (w *way) ask(t *testing.T, line, host, cookie, probe string) {
	t.Helper()
	if w.conn == nil {
		conn, err := w.dial()
		if err != nil {
			t.Fatal(err)
		}
		w.conn, w.read = conn, bufio.NewReader(conn)
	}
	w.conn.SetDeadline(time.Now().Add(patience))
	fmt.Fprintf(w.conn, "%s HTTP/1.1\r\nHost: %s\r\nCookie: %s\r\nProbe: %s\r\nSec-Fetch-Mode: cors\r\nContent-Length: 0\r\n\r\n", line, host, cookie, probe)
	method, _, _ := strings.Cut(line, " ")
	resp, err := http.ReadResponse(w.read, &http.Request{Method: method})
	if err != nil {
		w.close()
		return
	}
	_, err = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	if err != nil || resp.Close {
		w.close()
	}
}
