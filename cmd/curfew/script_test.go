package main

import (
	"crypto/tls"
	"flag"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/curfewhq/curfew/internal/browsertest"
)

// TestMain lets scripts run this program as curfew, and closes the browser in the end.
func TestMain(m *testing.M) {
	testscript.Main(tests{m}, map[string]func(){"curfew": main})
}

type tests struct{ *testing.M }

func (t tests) Run() int {
	defer killed.remove()
	flag.Parse()
	flag.Set("test.parallel", "1000") // whatever -parallel says: tests take turns, and those that Go lets run would wait for parts that it does not
	return browsertest.Run(t.M)
}

// TestScript runs the scripts in testdata/script, which read as a terminal does. Besides the usual commands they have
//
//	ready FILE            wait for the server whose standard output is in FILE
//	signin FILE NAME...   sign in there, as each NAME
//	address VAR FILE      wait for it, and put its address into the variable
//	certificate ADDRESS   make cert.pem and key.pem for a server at the address
//	stranger VAR          run a server that is not Curfew, and put its address into the variable
func TestScript(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			takeTurn(e.T().(testing.TB), false)
			e.Setenv("PASSWORD", password)
			e.Setenv("GORACE", "atexit_sleep_ms=0") // or each command waits a second at its end for races to happen
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"signin": signInScript, "ready": readyScript, "address": addressScript, "certificate": certificateScript, "stranger": strangerScript,
		},
	})
}

var addressLine = regexp.MustCompile(`Curfew is at (\S+)`)

// readyScript waits until the server that writes to the file is ready.
func readyScript(ts *testscript.TestScript, neg bool, args []string) { address(ts, args[0]) }

func address(ts *testscript.TestScript, file string) string {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if out, err := os.ReadFile(ts.MkAbs(file)); err == nil {
			if m := addressLine.FindSubmatch(out); m != nil {
				return string(m[1])
			}
		}
	}
	ts.Fatalf("the server is not ready")
	return ""
}

func signInScript(ts *testscript.TestScript, neg bool, args []string) {
	base, client := address(ts, args[0]), *client303
	client.Transport = &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // certificates are others' matter
	for _, name := range args[1:] {
		resp, err := client.PostForm(base+"/signin", url.Values{"username": {name}, "password": {password}})
		ts.Check(err)
		resp.Body.Close()
		if (resp.StatusCode == http.StatusSeeOther) == neg {
			ts.Fatalf("sign in as %s: %s", name, resp.Status)
		}
	}
}
