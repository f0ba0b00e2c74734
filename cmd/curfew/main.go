// Command curfew signs people in, shows who is signed in, and ends any session at once.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/curfewhq/curfew"
)

// cli is the command line: a field a command, each in a file of its own.
type cli struct {
	Serve    serveCmd    `cmd:"" help:"Run the server."`
	User     userCmd     `cmd:"" help:"Manage accounts."`
	Key      keyCmd      `cmd:"" help:"Manage API keys."`
	Sessions sessionsCmd `cmd:"" help:"List who is signed in."`
	End      endCmd      `cmd:"" help:"End sessions."`
	History  historyCmd  `cmd:"" help:"List sessions that have ended."`
	Audit    auditCmd    `cmd:"" help:"Read and verify the audit log."`
	Webhook  webhookCmd  `cmd:"" help:"See and try webhooks."`
	Backup   backupCmd   `cmd:"" help:"Copy the database while the server runs."`
	Restore  restoreCmd  `cmd:"" help:"Put a backup in the place of the database, while no server runs."`
	Health   healthCmd   `cmd:"" help:"Ask whether the server and its database answer."`
	Version  versionCmd  `cmd:"" help:"Print the version."`

	Completion completionCmd `cmd:"" help:"Print a script that completes commands and flags in a shell."`
	Man        manCmd        `cmd:"" help:"Print the manual page."`

	VersionFlag kong.VersionFlag `name:"version" env:"-" help:"Print the version."`
}

// streams are what a command talks to.
type streams struct {
	in  io.Reader
	out io.Writer
	err io.Writer
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}))
}

// run runs a command and returns its exit status.
func run(ctx context.Context, args []string, std streams) int {
	exited := -1
	parser, err := newParser(std, func(status int) { exited = status })
	if err != nil {
		panic(err) // the cli struct itself is wrong
	}
	kctx, err := parser.Parse(helpFlag(args))
	if exited >= 0 { // help or version was asked for, and printed
		return exited
	}
	if err != nil {
		fmt.Fprintf(std.err, "curfew: %v\nRun \"%s --help\" for how to use it.\n", err, commandOf(err))
		return exitUsage
	}
	kctx.BindTo(ctx, (*context.Context)(nil))
	if err := kctx.Run(std); err != nil {
		fmt.Fprintf(std.err, "curfew: %s\n", printableLines(message(err)))
		return exitStatus(err)
	}
	return exitOK
}

// commandOf is the command of which the words are wrong.
func commandOf(err error) string {
	if wrong, ok := errors.AsType[*kong.ParseError](err); ok && wrong.Context.Selected() != nil {
		return commandName(wrong.Context.Selected())
	}
	return "curfew"
}

// helpFlag makes of "help user add" what is the same: "user add --help".
func helpFlag(args []string) []string {
	if len(args) == 0 || args[0] != "help" {
		return args
	}
	return append(slices.Clone(args[1:]), "--help")
}

func newParser(std streams, exit func(int)) (*kong.Kong, error) {
	return kong.New(&cli{},
		kong.Name("curfew"),
		kong.Description("Shows who is signed in, ends any session at once, and signs out whoever has gone idle."),
		kong.DefaultEnvars("CURFEW"),
		kong.Vars{"version": versionLine()},
		kong.Writers(std.out, std.err),
		kong.Exit(exit),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.ValueFormatter(formatHelp),
	)
}

// usage says what is wrong with the words of a command.
func usage(message string) error {
	return &curfew.Error{Code: curfew.CodeInvalid, Message: message}
}

// formatHelp adds default and variable to the help of a flag.
func formatHelp(v *kong.Value) string {
	help := v.Help
	if v.HasDefault && v.Default != "0" {
		help += " Default: " + v.Default + "."
	}
	if len(v.Tag.Envs) > 0 {
		help += " ($" + v.Tag.Envs[0] + ")"
	}
	return help
}

type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run(std streams) error {
	_, err := fmt.Fprintln(std.out, versionLine())
	return err
}

func versionLine() string { return "curfew " + version() }

func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
