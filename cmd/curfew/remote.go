package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
	"github.com/curfewhq/curfew/httpapi"
)

// serverFlags say which Curfew a command is for: that of a data folder on this machine, or one anywhere.
type serverFlags struct {
	dataFlags
	Server  string   `placeholder:"URL" help:"Curfew's address, such as https://curfew.example.com. The command then goes there, with the API key in CURFEW_KEY or --key-file, and not to a data folder."`
	KeyFile string   `placeholder:"FILE" complete:"file" help:"File with the API key, which you alone may read. Without it the key is in CURFEW_KEY."`
	CAFile  string   `name:"ca-file" placeholder:"FILE" complete:"file" help:"Certificates (PEM) of authorities that --server may have its own from, besides those that this machine trusts."`
	Timeout duration `default:"30s" help:"How long --server may be silent."`
}

// narrowing are the flags that say less when they are empty: a script's variable that is not set must not end more than was meant.
var narrowing = []string{"user", "search", "origin", "credential", "device", "reason", "by"}

// AfterApply decides between --server and --data: what stands in the command counts more than what comes from the environment.
func (f *serverFlags) AfterApply(k *kong.Context) error {
	given := map[string]bool{}
	for _, part := range k.Path {
		if part.Flag == nil {
			continue
		}
		given[part.Flag.Name] = true
		if slices.Contains(narrowing, part.Flag.Name) && strings.TrimSpace(part.Flag.Target.String()) == "" {
			return fmt.Errorf("--%s is empty", part.Flag.Name)
		}
	}
	switch {
	case given["server"] && given["data"]:
		return errors.New("--server and --data can't be used together")
	case given["data"]:
		f.Server = ""
	}
	if f.Server != "" {
		return nil
	}
	for _, name := range []string{"key-file", "ca-file"} {
		if given[name] {
			return fmt.Errorf("--%s is for --server, which is missing", name)
		}
	}
	return nil
}

// with runs f with a client of the server or, without --server, of the data folder; with create even if that must be made.
func (f serverFlags) with(ctx context.Context, create bool, do func(*httpapi.Client) error) error {
	if f.Server == "" {
		return f.dataFlags.with(ctx, create, do)
	}
	c, err := f.client()
	if err != nil {
		return err
	}
	return do(c)
}

// client returns a client of the server.
func (f serverFlags) client() (*httpapi.Client, error) {
	at, err := serverURL(f.Server)
	if err != nil {
		return nil, err
	}
	key, err := f.key()
	if err != nil {
		return nil, err
	}
	transport, err := f.transport()
	if err != nil {
		return nil, err
	}
	c := httpapi.NewClient(explained{transport, at.Host})
	c.Server = at.String()
	c.Authorize = func(r *http.Request) {
		r.Header.Set("Authorization", "Bearer "+key)
		r.Header.Set("User-Agent", "curfew/"+version())
	}
	return c, nil
}

// address is where people find the server; empty if none runs, for then nobody knows it.
func (f serverFlags) address(ctx context.Context, api *httpapi.Client) (string, error) {
	if f.Server != "" {
		return strings.TrimSuffix(f.Server, "/"), nil
	}
	s, err := api.Status(ctx)
	return s.Address, err
}

// serverURL reads --server. A key goes over the network encrypted, or not at all.
func serverURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return nil, usage("--server must be an address such as https://curfew.example.com")
	case u.User != nil:
		return nil, usage("--server must be without a name or a password; the API key is in CURFEW_KEY or --key-file")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, usage("--server must be an address alone, such as https://curfew.example.com")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return nil, usage("--server must begin with https://: over plain HTTP everybody on the way could read the API key; only on this machine itself, such as at 127.0.0.1, is it allowed")
	}
	return u, nil
}

func isLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback() || host == "localhost"
}

// keyVariable is where a key may be. It is no flag: arguments can be seen by everybody on the machine.
const keyVariable = "CURFEW_KEY"

// maxPrivate is how many bytes a file with keys may have: more than enough, unless it is another file.
const maxPrivate = 1024

// key returns the API key.
func (f serverFlags) key() (string, error) {
	key, where := os.Getenv(keyVariable), keyVariable
	if f.KeyFile != "" {
		var err error
		if key, err = readPrivate(f.KeyFile); err != nil {
			return "", usage("--key-file: " + err.Error())
		}
		where = f.KeyFile
	}
	switch key = strings.TrimSpace(key); {
	case key == "" && f.KeyFile == "":
		return "", usage("--server needs an API key, in " + keyVariable + " or in a file that --key-file names; the console makes one, under Account, or \"curfew key new\" on the server's machine")
	default:
		if _, ok := account.ParseKeySecret(key); !ok {
			return "", usage("what is in " + where + " is not an API key")
		}
		return key, nil
	}
}

// readPrivate reads a small file that nobody else may read, be it one that systemd hands over, or the pipe of a shell's <(…).
func readPrivate(file string) (string, error) {
	f, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK, 0) // to open a pipe that nobody writes would take for ever
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if info.IsDir() {
		return "", fmt.Errorf("%s is a folder", file)
	}
	if !info.Mode().IsRegular() && !isHandedPipe(file, info.Mode()) {
		return "", fmt.Errorf("%s is no file", file)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 && !isCredential(file, mode) {
		return "", fmt.Errorf("others may read %s (its mode is %04o); run: chmod 600 %s", file, mode, file)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxPrivate+1))
	if err == nil && len(text) > maxPrivate {
		err = fmt.Errorf("%s has more than %d bytes", file, maxPrivate) // a part of a secret would be another secret
	}
	return string(text), err
}

// isHandedPipe reports whether the file is a pipe that this process was started with. Whoever did that writes it; a pipe elsewhere may have
// nobody.
func isHandedPipe(file string, mode os.FileMode) bool {
	file = filepath.Clean(file)
	return mode.Type() == os.ModeNamedPipe && (file == "/dev/stdin" || filepath.Dir(file) == "/dev/fd" || filepath.Dir(file) == "/proc/self/fd")
}

// isCredential reports whether the file is one that systemd hands to this service alone (LoadCredential=). What shows as the rights of a
// group there is the mask of an access list, which names the service's user.
func isCredential(file string, mode os.FileMode) bool {
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	return dir != "" && mode == 0o440 && filepath.Dir(filepath.Clean(file)) == filepath.Clean(dir)
}

// transport returns one that gives up on a server that is silent. How long an answer may take in all is not limited: it may be a stream.
func (f serverFlags) transport() (http.RoundTripper, error) {
	trusted, err := f.authorities()
	if err != nil {
		return nil, err
	}
	silence := time.Duration(f.Timeout)
	if silence < time.Second {
		return nil, usage("--timeout must be at least 1s")
	}
	dialer := &net.Dialer{Timeout: silence}
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return impatient{conn, silence}, nil
		},
		TLSClientConfig:       &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:   silence,
		ResponseHeaderTimeout: silence,
		IdleConnTimeout:       silence / 2,
		ForceAttemptHTTP2:     true,
	}, nil
}

// authorities returns whom to trust: nil for those that this machine trusts anyway.
func (f serverFlags) authorities() (*x509.CertPool, error) {
	if f.CAFile == "" {
		return nil, nil
	}
	text, err := os.ReadFile(f.CAFile)
	if err != nil {
		return nil, usage("--ca-file: " + err.Error())
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(text) {
		return nil, usage("--ca-file: there is no certificate in " + f.CAFile + ", which must be PEM")
	}
	return pool, nil
}

// impatient is a connection that breaks when nothing comes for a while. An event stream says something every 15 seconds.
type impatient struct {
	net.Conn
	silence time.Duration
}

// Read implements net.Conn.
func (c impatient) Read(b []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(c.silence)); err != nil {
		return 0, err
	}
	return c.Conn.Read(b)
}

// explained is a transport whose errors say what to do.
type explained struct {
	http.RoundTripper
	host string
}

// RoundTrip implements http.RoundTripper.
func (t explained) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.RoundTripper.RoundTrip(r)
	if err != nil && r.Context().Err() == nil {
		err = explain(err, t.host)
	}
	return resp, err
}

// unreachable is why a server can't be asked. Its text is all that people need.
type unreachable struct {
	code curfew.Code
	text string
	err  error
}

// Error is the text.
func (u *unreachable) Error() string { return u.text }

// Unwrap returns the error that gives the exit status, and the cause.
func (u *unreachable) Unwrap() []error {
	return []error{&curfew.Error{Code: u.code, Message: u.text}, u.err}
}

func explain(err error, host string) error {
	code, text := curfew.CodeUnavailable, ""
	var wait net.Error
	if why := certificateTrouble(err, host); why != "" {
		code, text = curfew.CodeInternal, why
	} else if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
		text = "there is no host " + dns.Name
	} else if errors.Is(err, syscall.ECONNREFUSED) {
		text = "nothing answers at " + host + ": is Curfew running there?"
	} else if errors.As(err, &wait) && wait.Timeout() {
		text = host + " does not answer in time; --timeout gives it longer"
	} else {
		text = host + " can't be reached: " + err.Error()
	}
	return &unreachable{code, text, err}
}

// certificateTrouble says what is wrong with a server's certificate, if that is it.
func certificateTrouble(err error, host string) string {
	if plain, ok := errors.AsType[tls.RecordHeaderError](err); ok && string(plain.RecordHeader[:]) == "HTTP/" {
		return host + " speaks plain HTTP, not HTTPS: is the port right?"
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "the certificate of " + host + " is from an authority that this machine does not trust; if it is your own, name its certificate with --ca-file"
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "the certificate of " + host + " is for another name: " + err.Error()
	}
	if bad, ok := errors.AsType[x509.CertificateInvalidError](err); ok && bad.Reason == x509.Expired {
		return "the certificate of " + host + " is out of date, or this machine's clock is wrong: " + err.Error()
	}
	if bad, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "the certificate of " + host + " can't be trusted: " + bad.Error()
	}
	return ""
}
