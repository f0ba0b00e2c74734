package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

type manCmd struct{}

// Help shows what one does with it.
func (manCmd) Help() string {
	return `Examples:

  curfew man | man -l -
  curfew man >/usr/local/share/man/man1/curfew.1`
}

// Run prints the page.
func (manCmd) Run(k *kong.Context, std streams) error {
	m := &manual{}
	m.page(k.Model.Node)
	_, err := io.WriteString(std.out, m.String())
	return err
}

// exits are the exit statuses, in words; docs/commands.md has them too.
var exits = []struct {
	status int
	means  string
}{
	{exitOK, "done"},
	{exitFailure, "failed: what answers is not Curfew, a certificate can't be trusted, you said no, or anything else"},
	{exitUsage, "the words, a flag or a value are wrong, or there is no key"},
	{exitNotFound, "there is no such account, session, API key or webhook"},
	{exitConflict, "not in this state: the name is taken, the session has ended, another number would end, the last admin would go, a webhook did not take its test message"},
	{exitUnavailable, "not now: the server or the database can't be reached, or too many tries"},
	{exitDenied, "not allowed: the key is not good (any more), or its role does not allow this"},
	{exitBroken, "the audit log is not as it was written"},
}

// manual is a manual page in the man macros of roff.
type manual struct{ strings.Builder }

func (m *manual) page(app *kong.Node) {
	fmt.Fprintf(m, ".TH CURFEW 1 \"\" %s\n.nh\n.ad l\n", roffQuoted(versionLine()))
	m.section("NAME", "curfew - "+strings.ToLower(app.Help[:1])+app.Help[1:])
	m.WriteString(".SH SYNOPSIS\n.B curfew\n.I command\n[\\fIargument\\fR ...] [\\fIflag\\fR ...]\n")
	m.section("DESCRIPTION",
		"curfew serve is the server. All other commands ask one: on its machine that of the data folder (--data) or, if none runs, the folder itself; from anywhere that at --server, with an API key.")
	m.section("COMMANDS", "")
	for _, leaf := range app.Leaves(true) {
		m.command(leaf)
	}
	m.section("FLAGS OF COMMANDS THAT ASK A SERVER", "")
	for _, f := range sharedFlags() {
		m.flag(f)
	}
	m.section("ENVIRONMENT", "Flags with a variable name it. What stands in the command counts more.")
	m.term(keyVariable, "The API key for --server, unless there is a --key-file.")
	m.section("EXIT STATUS", "")
	for _, e := range exits {
		m.term(fmt.Sprint(e.status), e.means)
	}
}

func (m *manual) section(title, text string) {
	fmt.Fprintf(m, ".SH %s\n%s", title, roff(text))
}

func (m *manual) term(name, text string) {
	fmt.Fprintf(m, ".TP\n.B %s%s", roff(name), roff(text))
}

func (m *manual) command(n *kong.Node) {
	fmt.Fprintf(m, ".SS %s\n%s", roffQuoted("curfew "+strings.TrimSuffix(n.Summary(), " [flags]")), roff(n.Help))
	if n.Detail != "" {
		fmt.Fprintf(m, ".PP\n.nf\n%s.fi\n", roff(n.Detail))
	}
	for _, arg := range n.Positional {
		m.term(arg.Summary(), arg.Help)
	}
	for _, f := range ownFlags(n) {
		m.flag(f)
	}
}

func (m *manual) flag(f *kong.Flag) {
	name := "--" + f.Name
	if f.Short != 0 {
		name = "-" + string(f.Short) + ", " + name
	}
	if !f.IsBool() {
		name += "=" + strings.Trim(f.FormatPlaceHolder(), `"`)
	}
	m.term(name, formatHelp(f.Value))
}

// sharedFlags are those of every command that asks a server.
func sharedFlags() []*kong.Flag {
	return kong.Must(&struct{ serverFlags }{}, kong.NoDefaultHelp(), kong.DefaultEnvars("CURFEW")).Model.Flags
}

// ownFlags returns a command's flags but the shared ones, if it asks a server.
func ownFlags(n *kong.Node) (own []*kong.Flag) {
	shared := map[string]bool{}
	for _, f := range sharedFlags() {
		shared[f.Name] = true
	}
	asks := slices.ContainsFunc(n.Flags, func(f *kong.Flag) bool { return f.Name == "server" })
	for _, f := range n.Flags {
		if f.Name != "help" && (!asks || !shared[f.Name]) {
			own = append(own, f)
		}
	}
	return own
}

// roff is text as roff shows it, with the end of its last line.
func roff(text string) string {
	if text == "" {
		return ""
	}
	var b strings.Builder
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`).Replace(line)
		if strings.HasPrefix(line, ".") {
			line = `\&` + line
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}

// roffQuoted is text as one argument of a macro.
func roffQuoted(text string) string {
	return `"` + strings.ReplaceAll(strings.TrimSuffix(roff(text), "\n"), `"`, `\(dq`) + `"`
}
