package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/arl/statsviz"
)

// street is one Curfew with an app, and the proxies of docs/recipes in front of both.
type street struct {
	*server
	app     *testApp
	tlsCert string // files, for *.example.com
	tlsKey  string
	pool    *x509.CertPool
}

// newStreet runs a Curfew that proxies may ask, and an app.
func newStreet(t *testing.T, args ...string) *street {
	t.Helper()
	s := serveHouse(t, append([]string{"--forward-auth", "--trusted-proxy", "127.0.0.1", "--config", streetConfig(t, "")}, args...)...)
	st := &street{server: s, app: newTestApp(t)}
	st.tlsCert, st.tlsKey, st.pool = certificate(t, "*.example.com")
	return st
}

// streetConfig writes a configuration file for the street's hosts, with an upstream unless it is empty.
func streetConfig(t *testing.T, upstream string) string {
	t.Helper()
	if upstream != "" {
		upstream = fmt.Sprintf("upstream = %q", upstream)
	}
	config := filepath.Join(t.TempDir(), "curfew.toml")
	write(t, config, strings.ReplaceAll(`
		[[app]]
		host = "app.example.com"
		UPSTREAM

		[[app.rule]]
		path = "/public"
		access = "public"

		[[app.rule]]
		path = "/admin"
		roles = ["admin"]

		[[app]]
		host = "other.example.com"
		UPSTREAM
	`, "UPSTREAM", upstream))
	return config
}

// frontDoor is a real proxy that runs with a recipe.
type frontDoor struct {
	*street
	t      *testing.T
	name   string
	bare   bool // as in recipe
	port   int
	plain  int    // the port without encryption
	curfew *relay // the proxy's way to Curfew
}

// base is the address of a host behind the proxy.
func (d *frontDoor) base(host string) string { return fmt.Sprintf("https://%s:%d", host, d.port) }

// traefik is for make traefik: Debian has no Traefik, and building one takes longer than all tests.
var traefik = flag.String("traefik", "", "the program Traefik, whose recipe is run too")

// recipe says how a recipe is run: its files in docs/recipes, where they are copied to below a directory, and the command.
// Nothing in them is changed but addresses, hosts, ports and the paths of files.
type recipe struct {
	name    string
	files   map[string]string
	listen  [2]string // what says where to listen, and what says it in the test; %d is the port
	plain   [2]string // likewise without encryption
	hosts   [2]string // likewise which hosts there are
	root    string    // what only root may do, and is left out for others
	extra   map[string]string
	command func(dir string) *exec.Cmd
	bare    bool // where Curfew does not answer, so does the proxy, with 5xx and no more
}

// runnable are the recipes whose proxies are at hand.
func runnable() []recipe {
	if *traefik == "" {
		return recipes
	}
	return append(slices.Clone(recipes), recipe{
		name:   "traefik",
		files:  map[string]string{"traefik/traefik.yaml": "traefik.yaml", "traefik/curfew.yaml": "curfew.yaml"},
		listen: [2]string{`address: ":443"`, `address: "127.0.0.1:%d"`},
		plain:  [2]string{`address: ":80"`, `address: "127.0.0.1:%d"`},
		hosts:  [2]string{"Host(`app.example.com`)", "(Host(`app.example.com`) || Host(`other.example.com`))"},
		command: func(dir string) *exec.Cmd {
			return exec.Command(*traefik, "--configFile="+dir+"/traefik.yaml")
		},
		bare: true,
	})
}

var recipes = []recipe{
	{
		name: "nginx",
		files: map[string]string{
			"nginx/app.conf":     "conf.d/app.conf",
			"nginx/curfew.conf":  "snippets/curfew.conf",
			"nginx/protect.conf": "snippets/protect.conf",
		},
		listen: [2]string{"listen 443 ", "listen 127.0.0.1:%d "},
		plain:  [2]string{"listen 80;", "listen 127.0.0.1:%d;"},
		extra: map[string]string{"nginx.conf": `
			daemon off;
			master_process off;
			pid DIR/nginx.pid;
			error_log stderr;
			events {}
			http {
				access_log off;
				client_body_temp_path DIR/body;
				proxy_temp_path DIR/proxy;
				fastcgi_temp_path DIR/fastcgi;
				uwsgi_temp_path DIR/uwsgi;
				scgi_temp_path DIR/scgi;
				include conf.d/*.conf;
			}`},
		command: func(dir string) *exec.Cmd { return exec.Command("nginx", "-e", "stderr", "-c", dir+"/nginx.conf") },
	},
	{
		name:  "caddy",
		files: map[string]string{"caddy/Caddyfile": "recipe/Caddyfile"},
		hosts: [2]string{"app.example.com {", "app.example.com, other.example.com {"},
		extra: map[string]string{"Caddyfile": `
			{
				admin off
				http_port PLAIN
				https_port PORT
				default_bind 127.0.0.1
				storage file_system DIR/storage
			}
			import recipe/Caddyfile`},
		command: func(dir string) *exec.Cmd {
			cmd := exec.Command("caddy", "run", "--adapter", "caddyfile", "--config", dir+"/Caddyfile")
			cmd.Env = append(os.Environ(), "HOME="+dir)
			return cmd
		},
	},
	{
		name:    "haproxy",
		files:   map[string]string{"haproxy/haproxy.cfg": "haproxy.cfg", "haproxy/curfew.lua": "curfew.lua"},
		listen:  [2]string{"bind :443 ", "bind 127.0.0.1:%d "},
		plain:   [2]string{"bind :80\n", "bind 127.0.0.1:%d\n"},
		root:    "\tuser haproxy\n\tgroup haproxy\n\tchroot /var/lib/haproxy\n",
		command: func(dir string) *exec.Cmd { return exec.Command("haproxy", "-db", "-f", dir+"/haproxy.cfg") },
	},
}

// openDoor runs the proxy of a recipe until the test ends.
func (st *street) openDoor(t *testing.T, name string) *frontDoor {
	t.Helper()
	for _, r := range runnable() {
		if r.name != name {
			continue
		}
		d := &frontDoor{
			street: st, t: t, name: name, bare: r.bare,
			port: freePort(t), plain: freePort(t), curfew: newRelay(t, strings.TrimPrefix(st.server.base, "http://")),
		}
		dir := t.TempDir()
		both := filepath.Join(dir, "both.pem")
		concat(t, both, st.tlsCert, st.tlsKey)
		replace := strings.NewReplacer(append(
			d.changes(r),
			"127.0.0.1:8080", d.curfew.addr(), "127.0.0.1:3000", st.app.addr(),
			"/etc/ssl/certs/app.example.com.pem", st.tlsCert, "/etc/ssl/private/app.example.com.key", st.tlsKey,
			"/etc/haproxy/app.example.com.pem", both, "/etc/haproxy/", dir+"/", "/etc/traefik/", dir+"/",
		)...)
		for from, to := range r.files {
			text, err := os.ReadFile("../../docs/recipes/" + from)
			if err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(dir, to), replace.Replace(string(text)))
		}
		around := strings.NewReplacer("DIR", dir, "PLAIN", strconv.Itoa(d.plain), "PORT", strconv.Itoa(d.port))
		for to, text := range r.extra {
			write(t, filepath.Join(dir, to), around.Replace(text))
		}
		d.run(r.command(dir))
		return d
	}
	t.Fatalf("no recipe %q", name)
	return nil
}

// changes are the pairs of what a recipe says of ports, hosts and root, and what it says here.
func (d *frontDoor) changes(r recipe) []string {
	var pairs []string
	change := func(from, to string) {
		if from != "" {
			pairs = append(pairs, from, to)
		}
	}
	change(r.listen[0], strings.ReplaceAll(r.listen[1], "%d", strconv.Itoa(d.port)))
	change(r.plain[0], strings.ReplaceAll(r.plain[1], "%d", strconv.Itoa(d.plain)))
	change(r.hosts[0], r.hosts[1])
	if os.Geteuid() != 0 {
		change(r.root, "")
	}
	return pairs
}

// run runs the proxy and waits until it has its certificate, for which one listens before it knows what to do.
func (d *frontDoor) run(cmd *exec.Cmd) {
	d.t.Helper()
	var out syncBuffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if path, err := exec.LookPath(cmd.Args[0]); err != nil {
		cmd.Path, cmd.Err = filepath.Join("/usr/sbin", cmd.Args[0]), nil
	} else {
		cmd.Path = path
	}
	if err := cmd.Start(); err != nil {
		d.t.Fatalf("%s: %v; make tools installs it", d.name, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	d.t.Cleanup(func() {
		cmd.Process.Kill()
		<-ended
		if d.t.Failed() {
			d.t.Logf("%s said:\n%s", d.name, out.String())
		}
	})
	deadline := time.After(patience)
	for {
		conn, err := tls.DialWithDialer(&net.Dialer{Timeout: time.Second}, "tcp", fmt.Sprintf("127.0.0.1:%d", d.port), &tls.Config{RootCAs: d.pool, ServerName: appHost})
		if err == nil {
			conn.Close()
			return
		}
		select {
		case err := <-ended:
			ended <- err
			d.t.Fatalf("%s ended: %v\n%s", d.name, err, out.String())
		case <-deadline:
			d.t.Fatalf("%s does not listen:\n%s", d.name, out.String())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func concat(t *testing.T, to string, from ...string) {
	t.Helper()
	var all []byte
	for _, name := range from {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	write(t, to, string(all))
}

// visitor is a browser without script behind a proxy: it keeps cookies, checks certificates and follows nothing.
type visitor struct {
	*http.Client
	d    *frontDoor
	host string
}

func (d *frontDoor) visitor(host string) *visitor {
	d.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		d.t.Fatal(err)
	}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, fmt.Sprintf("127.0.0.1:%d", d.port))
		},
		TLSClientConfig: &tls.Config{RootCAs: d.pool},
	}
	d.t.Cleanup(transport.CloseIdleConnections)
	return &visitor{&http.Client{
		Jar: jar, Timeout: 20 * time.Second, Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, d, host}
}

// Fetch Metadata as browsers send it.
var (
	navigation = []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", "none", "Accept", "text/html,*/*;q=0.8"}
	fetch      = []string{"Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Sec-Fetch-Site", "same-origin", "Accept", "*/*"}
)

// answered is an answer that was read.
type answered struct {
	*http.Response
	text string
}

// do sends a request with headers, given as pairs.
func (v *visitor) do(method, path, body string, header ...string) answered {
	v.d.t.Helper()
	r, err := http.NewRequest(method, v.d.base(v.host)+path, strings.NewReader(body))
	if err != nil {
		v.d.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header[header[i]] = append(r.Header[header[i]], header[i+1]) // as it is written
	}
	resp, err := v.Do(r)
	if err != nil {
		v.d.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		v.d.t.Fatal(err)
	}
	return answered{resp, string(text)}
}

// signIn signs in through the proxy, and must be led to next.
func (v *visitor) signIn(name, next string) {
	v.d.t.Helper()
	form := url.Values{"username": {name}, "password": {password}, "next": {next}}
	a := v.do("POST", "/.curfew/signin", form.Encode(), "Content-Type", "application/x-www-form-urlencoded")
	if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != next {
		v.d.t.Fatalf("sign in as %s: %d to %q, want %q:\n%s", name, a.StatusCode, a.Header.Get("Location"), next, a.text)
	}
}

// want checks the status.
func (a answered) want(t *testing.T, what string, status int) {
	t.Helper()
	if a.StatusCode != status {
		t.Errorf("%s: status %d, want %d: %s", what, a.StatusCode, status, a.text)
	}
}

// echoed is what the app saw, with all names in lower case and hyphens, as a server may read them.
func (a answered) echoed(t *testing.T) map[string][]string {
	t.Helper()
	var header map[string][]string
	if err := json.Unmarshal([]byte(a.text), &header); err != nil {
		t.Fatalf("status %d: %v: %s", a.StatusCode, err, a.text)
	}
	seen := map[string][]string{}
	for name, values := range header {
		name = strings.ReplaceAll(strings.ToLower(name), "_", "-")
		seen[name] = append(seen[name], values...)
	}
	return seen
}

// testApp is an app that knows nothing of Curfew. It remembers what reached it.
type testApp struct {
	*httptest.Server
	viz    *statsviz.Server
	paths  sync.Map // of requests
	probes sync.Map // requests, by the name of their probe
}

func newTestApp(t *testing.T) *testApp {
	a := &testApp{viz: newViz(t)}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.paths.Store(r.URL.Path, true)
		if probe := r.Header.Get("Probe"); probe != "" {
			a.probes.Store(probe, r.Clone(context.Background()))
		}
		a.serve(w, r)
	}))
	t.Cleanup(func() {
		a.CloseClientConnections()
		a.Close()
	})
	return a
}

// saw reports whether a request for the path ever came.
func (a *testApp) saw(path string) bool {
	_, ok := a.paths.Load(path)
	return ok
}

// probed returns the request with the name of a probe, or nil if it never came.
func (a *testApp) probed(name string) *http.Request {
	r, _ := a.probes.Load(name)
	probed, _ := r.(*http.Request)
	return probed
}

func (a *testApp) addr() string { return a.Listener.Addr().String() }

func (a *testApp) serve(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, vizPath) {
		a.serveViz(w, r)
		return
	}
	switch r.URL.Path {
	case "/page":
		writePage(w, "")
	case "/page-with-guard":
		writePage(w, `<script src="/.curfew/guard.js" defer></script>`)
	default:
		b, err := json.Marshal(r.Header)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Write(b)
	}
}

func (a *testApp) serveViz(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == vizPath+"ws" {
		a.viz.Ws()(w, r)
		return
	}
	a.viz.Index()(w, r)
}

// writePage writes a page that polls four times a second.
func writePage(w http.ResponseWriter, head string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, `<!DOCTYPE html><html lang="en"><head><title>The app</title>%s</head><body><h1>The app</h1><p id="polled"></p><script>
		let n = 0;
		setInterval(async () => {
			const answer = await fetch('/poll');
			if (answer.ok) document.querySelector('#polled').innerText = ++n;
		}, 250);
	</script></body></html>`, head)
}

// relay passes connections on to Curfew, until it is told otherwise.
type relay struct {
	listener net.Listener
	mu       sync.Mutex
	to       string // where to; empty: nowhere, connections are kept and nothing is answered
	refuse   bool   // connections are cut at once
	conns    map[net.Conn]bool
}

func newRelay(t *testing.T, to string) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{listener: l, to: to, conns: map[net.Conn]bool{}}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { r.serve(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		r.set("", true)
		running.Wait()
	})
	return r
}

func (r *relay) addr() string { return r.listener.Addr().String() }

// set says where connections go from now on, and cuts those there are.
func (r *relay) set(to string, refuse bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.to, r.refuse = to, refuse
	for c := range r.conns {
		c.Close()
	}
}

// leave has connections refused by the system, as when no process is there.
func (r *relay) leave() {
	r.listener.Close()
	r.set("", true)
}

// hold has the relay keep connections and answer nothing; those there are fall silent as well.
func (r *relay) hold() { r.set("", false) }

// keep notes a connection, and reports where to pass it on.
func (r *relay) keep(c net.Conn) (to string, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refuse {
		return "", false
	}
	r.conns[c] = true
	return r.to, true
}

func (r *relay) forget(c net.Conn) {
	c.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, c)
}

func (r *relay) serve(conn net.Conn) {
	defer r.forget(conn)
	to, ok := r.keep(conn)
	if !ok {
		return
	}
	if to == "" {
		io.Copy(io.Discard, conn)
		return
	}
	far, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer r.forget(far)
	if _, ok := r.keep(far); !ok {
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		io.Copy(far, conn)
		far.(*net.TCPConn).CloseWrite()
	}()
	io.Copy(conn, far)
	conn.Close()
	<-done
}
