package main

import (
	"bufio"
	"bytes"
	"fmt"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

const deployFolder = "../../docs/deploy"

// TestUnits has systemd judge the units in docs/deploy, and wants them to use flags and variables that there are.
func TestUnits(t *testing.T) {
	inTurn(t)
	units, err := filepath.Glob(deployFolder + "/*.service")
	if err != nil || len(units) == 0 {
		t.Fatalf("%d units, %v", len(units), err)
	}
	for _, unit := range append(units, deployFolder+"/curfew-backup.timer") {
		t.Run(filepath.Base(unit), func(t *testing.T) {
			if strings.HasSuffix(unit, ".service") {
				systemd(t, "security", "--offline=yes", "--threshold=15", "--no-pager", unit)
			}
			systemd(t, "verify", installed(t, unit))
		})
	}
}

// systemd wants systemd-analyze to be content.
func systemd(t *testing.T, args ...string) {
	t.Helper()
	out, err := exec.Command("systemd-analyze", args...).CombinedOutput()
	if err != nil {
		t.Errorf("systemd-analyze %s: %v\n%s", args[0], err, out)
	}
	if args[0] == "verify" && bytes.Contains(out, []byte("curfew")) {
		t.Errorf("systemd-analyze verify: %s", out)
	}
}

// installed returns a copy of the unit beside the others, for a program that is there.
func installed(t *testing.T, unit string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	all, err := filepath.Glob(deployFolder + "/curfew*.*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range all {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text = bytes.ReplaceAll(text, []byte("/usr/local/bin/curfew"), []byte(self))
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(file)), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, filepath.Base(unit))
}

var (
	// shellLine is what a page shows of a terminal, or a unit starts.
	shellLine = regexp.MustCompile(`(?m)^(?: {4}|ExecStart=).*$`)
	// shownCommand is a command of ours in it, up to what the shell makes of its output.
	shownCommand = regexp.MustCompile(`(?:^ +|^ExecStart=|\$ |\(|sudo |; |[|] |\w=\S+ )(?:docker exec (?:-it )?curfew |docker run --rm .* |go run )?[./\w]*\bcurfew ([^|>#)]+)`)
	substituted  = regexp.MustCompile(`"\$\(.*\)"`)
	shellWord    = regexp.MustCompile(`'[^']*'|"[^"]*"|\S+`)
	variable     = regexp.MustCompile(`\bCURFEW_[A-Z_]+\b`)
)

// TestShownCommands parses each command line of ours in the pages and the units, and looks for each variable.
func TestShownCommands(t *testing.T) {
	parser, err := newParser(streams{os.Stdin, os.Stdout, os.Stderr}, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{"CURFEW_KEY": true} // it has no flag
	for _, f := range allFlags(t) {
		for _, name := range f.Envs {
			known[name] = true
		}
	}
	commands := 0
	for _, file := range shownFiles(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range variable.FindAllString(string(text), -1) {
			if !known[name] {
				t.Errorf("%s: %s is no variable", file, name)
			}
		}
		for _, line := range shellLine.FindAllString(string(text), -1) {
			m := shownCommand.FindStringSubmatch(substituted.ReplaceAllString(line, "1"))
			if m == nil {
				continue
			}
			commands++
			args := shellWord.FindAllString(m[1], -1)
			for i := range args {
				args[i] = strings.Trim(args[i], `'"`)
			}
			if slices.Contains(args, "--key-file") { // with a server, which the line before exports
				args = append(args, "--server", "https://curfew.example.com")
			}
			if _, err := parser.Parse(args); err != nil {
				t.Errorf("%s: curfew %s: %v", file, m[1], err)
			}
		}
	}
	if commands < 40 {
		t.Errorf("%d commands found: this test looks in the wrong place", commands)
	}
}

// shownFiles are those that tell people what to type, and the units.
func shownFiles(t *testing.T) []string {
	t.Helper()
	var files []string
	for _, pattern := range []string{"../../*.md", "../../docs/*.md", "../../docs/recipes/*.md", deployFolder + "/*"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(found), err)
		}
		files = append(files, found...)
	}
	return files
}

// TestSecretsAreInFiles looks for a password, a session's token and a private key in what everybody may see of the processes that know
// them: their arguments, and for the same user their environment.
func TestSecretsAreInFiles(t *testing.T) {
	inTurn(t)
	c := newCrasher(t)
	cert, key, _ := certificate(t)
	cmd := exec.Command(c.bin, "serve", "--listen", "127.0.0.1:0", "--data", c.data)
	cmd.Env = append(os.Environ(), "CURFEW_TLS_CERT="+cert, "CURFEW_TLS_KEY="+key)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cmd.Process.Kill()
		_ = cmd.Wait() // it says "killed"
	}()
	if lines := bufio.NewScanner(out); !lines.Scan() {
		t.Fatal("the server did not start")
	}
	// A command that has the password by now, and waits for the rest of it.
	add := exec.Command(c.bin, "user", "add", "extra", "--password-stdin", "--data", c.data)
	in, err := add.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := add.Start(); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(in, password)
	text, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	for _, pid := range []int{cmd.Process.Pid, add.Process.Pid} {
		for _, name := range []string{"environ", "cmdline"} {
			shown, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
			if err != nil || len(shown) == 0 {
				t.Fatalf("%s: %d bytes, %v", name, len(shown), err)
			}
			for what, secret := range map[string]string{"the password": password, "the key": strings.Split(string(text), "\n")[1]} {
				if strings.Contains(string(shown), secret) {
					t.Errorf("%s is in %s", what, name)
				}
			}
		}
	}
	in.Close()
	if err := add.Wait(); err != nil {
		t.Error(err)
	}
}

// allFlags are the flags of all commands.
func allFlags(t *testing.T) iter.Seq2[*kong.Node, *kong.Flag] {
	t.Helper()
	parser, err := newParser(streams{}, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	return func(yield func(*kong.Node, *kong.Flag) bool) {
		for _, command := range parser.Model.Leaves(true) {
			for _, f := range command.Flags {
				if !yield(command, f) {
					return
				}
			}
		}
	}
}

// TestNoFlagTakesASecret has secrets come from files and standard input alone.
func TestNoFlagTakesASecret(t *testing.T) {
	secret := regexp.MustCompile(`password|secret|token|key|code`)
	for command, f := range allFlags(t) {
		if secret.MatchString(f.Name) && !f.IsBool() && f.PlaceHolder != "FILE" {
			t.Errorf("%s --%s takes a secret as its value", commandName(command), f.Name)
		}
	}
}
