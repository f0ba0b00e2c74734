package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestPorts looks at what a server in a process of its own listens on: the site and the socket for commands, and metrics only where they
// were asked for. Each listener is asked for what belongs to the other.
func TestPorts(t *testing.T) {
	inTurn(t)
	for name, args := range map[string][]string{"default": nil, "metrics": {"--metrics-listen", "127.0.0.1:0"}} {
		t.Run(name, func(t *testing.T) {
			inTurn(t)
			pid, data, site := startProcess(t, args...)
			tcp, other := listening(t, pid)
			want := []string{filepath.Join(data, "curfew.sock")}
			if !slices.Equal(other, want) {
				t.Errorf("sockets: %q, want %q", other, want)
			}
			if !slices.Contains(tcp, site) || len(tcp) != 1+len(args)/2 {
				t.Fatalf("it listens on %q, and is at %s", tcp, site)
			}
			for _, addr := range tcp {
				for _, path := range []string{"/metrics", "/debug/pprof/", "/debug/vars", "/guard.js"} {
					belongs := addr == site && path == "/guard.js" || addr != site && path == "/metrics"
					res, err := http.Get("http://" + addr + path)
					if err != nil {
						t.Fatal(err)
					}
					res.Body.Close()
					if got := res.StatusCode; belongs != (got == http.StatusOK) || !belongs && got != http.StatusNotFound {
						t.Errorf("%s%s: status %d", addr, path, got)
					}
				}
			}
		})
	}
}

// startProcess runs a server in a process of its own until the test ends.
func startProcess(t *testing.T, args ...string) (pid int, data, site string) {
	t.Helper()
	data = t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Args = append([]string{"curfew", "serve", "--listen", "127.0.0.1:0", "--data", data}, args...) // by this name it is no test
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() }) // the context's end killed it
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if address, ok := strings.CutPrefix(lines.Text(), "Curfew is at http://"); ok {
			return cmd.Process.Pid, data, address
		}
	}
	t.Fatal("the server did not start")
	return 0, "", ""
}

var socketLink = regexp.MustCompile(`^socket:\[(\d+)\]$`)

// listening returns what the process listens on: addresses of TCP, and all else.
func listening(t *testing.T, pid int) (tcp, other []string) {
	t.Helper()
	proc := fmt.Sprintf("/proc/%d/", pid)
	files, err := os.ReadDir(proc + "fd")
	if err != nil {
		t.Fatal(err)
	}
	var inodes []string
	for _, f := range files {
		link, _ := os.Readlink(proc + "fd/" + f.Name()) // it may be closed by now
		if m := socketLink.FindStringSubmatch(link); m != nil {
			inodes = append(inodes, m[1])
		}
	}
	// The states are those of proc_net_tcp(5) and, for flags of Unix sockets, 10000 for one that listens.
	for _, file := range []string{"tcp", "tcp6", "udp", "udp6", "unix"} {
		for _, f := range rows(t, proc+"net/"+file) {
			switch {
			case file == "unix" && f[3] == "00010000" && slices.Contains(inodes, f[6]):
				other = append(other, f[7])
			case strings.HasPrefix(file, "tcp") && f[3] == "0A" && slices.Contains(inodes, f[9]):
				tcp = append(tcp, addressOf(t, f[1]))
			case strings.HasPrefix(file, "udp") && slices.Contains(inodes, f[9]):
				other = append(other, file+" "+f[1])
			}
		}
	}
	return tcp, other
}

// rows are the fields of the lines of a table below /proc.
func rows(t *testing.T, path string) (found [][]string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if os.IsNotExist(err) { // without IPv6
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); strings.HasSuffix(f[0], ":") && len(f) > 7 {
			found = append(found, f)
		}
	}
	return found
}

// addressOf reads an address such as 0100007F:1F90.
func addressOf(t *testing.T, text string) string {
	t.Helper()
	ip, port, _ := strings.Cut(text, ":")
	n, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		t.Fatal(err)
	}
	if ip == "0100007F" {
		ip = "127.0.0.1"
	}
	return net.JoinHostPort(ip, strconv.FormatUint(n, 10))
}
