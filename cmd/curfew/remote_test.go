package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// certificateScript makes cert.pem and key.pem, for a server at the address.
func certificateScript(ts *testscript.TestScript, neg bool, args []string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Curfew"}, IPAddresses: []net.IP{net.ParseIP(args[0])},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	ts.Check(err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	ts.Check(err)
	for file, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: cert}, "key.pem": {Type: "PRIVATE KEY", Bytes: private},
	} {
		ts.Check(os.WriteFile(ts.MkAbs(file), pem.EncodeToMemory(block), 0o600))
	}
}

// strangerScript runs a server that is not Curfew, and puts its address into the variable.
func strangerScript(ts *testscript.TestScript, neg bool, args []string) {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, "<title>Welcome</title>")
	})
	mux.HandleFunc("/elsewhere/", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere/", http.StatusFound) })
	mux.HandleFunc("/nasty/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusForbidden)
		io.WriteString(w, `{"code":"denied","detail":"Clear\u001b[2Jthe screen"}`)
	})
	mux.HandleFunc("/silent/", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	server := httptest.NewServer(mux)
	ts.Defer(server.Close)
	ts.Setenv(args[0], server.URL)
}

// addressScript waits for the server whose standard output is in the file, and puts its address into the variable.
func addressScript(ts *testscript.TestScript, neg bool, args []string) {
	ts.Setenv(args[0], address(ts, args[1]))
}

func TestServerURL(t *testing.T) {
	for text, good := range map[string]bool{
		"https://curfew.example.com": true, "https://app.example.com/.curfew": true, "https://192.0.2.7:8443": true,
		"http://127.0.0.1:8080": true, "http://[::1]:8080": true, "http://localhost:8080": true, "http://127.9.9.9": true,
		"http://192.0.2.7": false, "http://localhost.example.com": false, "http://127.0.0.1.example.com": false, "ftp://127.0.0.1": false,
		"curfew.example.com": false, "https://": false, "https://example.com#top": false, "": false, "http://[::1": false,
	} {
		if u, err := serverURL(text); (err == nil) != good {
			t.Errorf("%q: %v, %v", text, u, err)
		}
	}
}

// TestPrivateFiles reads secrets from what is no plain file: only the pipe of <(…) is good for that, and nothing makes it wait for ever.
func TestPrivateFiles(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{fifo: "is no file", os.DevNull: "is no file", dir: "is a folder"} {
		failed := make(chan error, 1)
		go func() {
			_, err := readPrivate(file)
			failed <- err
		}()
		select {
		case err := <-failed:
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", file, err)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: it waits", file)
		}
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := w.WriteString("cfk_secret\n"); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if text, err := readPrivate(fmt.Sprintf("/dev/fd/%d", r.Fd())); err != nil || text != "cfk_secret\n" {
		t.Errorf("a pipe: %q, %v", text, err)
	}
}
