// Command bench measures what Curfew promises of its speed, and what else one could use, in one run. It uses the public API
// only, and is a module of its own so that those others never get into Curfew's go.mod.
//
// It prints a row for each promise: what was to reach and what was measured. It exits with status 1 if anything was missed.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime/pprof"
	"slices"
	"strings"
	"time"
)

// bench is one run.
type bench struct {
	report
	ctx      context.Context
	seeds    string // folder of databases to copy
	sites    string // folder of databases in use
	sessions int    // what "a million" is
}

// groups are the parts of a run, in the order of the report.
var groups = []struct {
	name string
	run  func(*bench) error
}{
	{"check", (*bench).measureCheck},
	{"middleware", (*bench).measureMiddleware},
	{"gate", (*bench).measureGate},
	{"start", (*bench).measureStart},
	{"activity", (*bench).measureActivity},
	{"pages", (*bench).measurePages},
	{"open", (*bench).measureOpen},
	{"memory", (*bench).measureMemory},
	{"floor", (*bench).measureFloor},
	{"expiry", (*bench).measureExpiry},
	{"storm", (*bench).measureStorm},
	{"end", (*bench).measureEnd},
	{"scale", (*bench).measureScale},
}

func main() {
	if len(os.Args) > 2 && os.Args[1] == childArg {
		exitOn(runChild(os.Args[2], os.Args[3:]))
		return
	}
	if len(os.Args) == 4 && os.Args[1] == paceArg {
		exitOn(runPacer(os.Args[2], os.Args[3]))
		return
	}
	opt, err := parseFlags()
	exitOn(err)
	met, err := run(opt)
	exitOn(err)
	if !met {
		os.Exit(1)
	}
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
}

// options are what the flags say.
type options struct {
	groups              []string
	sessions            int
	dir, write, profile string
}

const million = 1_000_000

func parseFlags() (options, error) {
	var opt options
	only := flag.String("only", "", "run these `groups`, separated by commas: "+strings.Join(groupNames(), ", "))
	flag.IntVar(&opt.sessions, "sessions", million, "how many live sessions stand for a million, to try things out with fewer")
	flag.StringVar(&opt.dir, "dir", "", "keep seeded databases in this `folder`, and use those that are there (default a temporary one)")
	flag.StringVar(&opt.write, "write", "", "put the results into this Markdown `file`, between its markers, and the plot beside it")
	flag.StringVar(&opt.profile, "cpuprofile", "", "write a CPU profile into this `file`")
	flag.Parse()
	opt.groups = groupNames()
	if *only != "" {
		opt.groups = strings.Split(*only, ",")
	}
	for _, name := range opt.groups {
		if !slices.Contains(groupNames(), name) {
			return opt, fmt.Errorf("there is no group %q", name)
		}
	}
	if opt.write != "" && (*only != "" || opt.sessions != million) {
		return opt, errors.New("-write takes a whole run, without -only and -sessions")
	}
	return opt, nil
}

func run(opt options) (met bool, err error) {
	if slices.Contains(opt.groups, "gate") { // now, not after minutes
		if err := findWrk(); err != nil {
			return false, err
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	context.AfterFunc(ctx, stop) // who interrupts twice does not want to wait
	b := &bench{ctx: ctx, sessions: opt.sessions}
	if err := b.makeFolders(opt.dir); err != nil {
		return false, err
	}
	defer os.RemoveAll(b.sites)
	if opt.profile != "" {
		stop, err := startProfile(opt.profile)
		if err != nil {
			return false, err
		}
		defer stop()
	}
	b.runGroups(opt.groups)
	if opt.write != "" && ctx.Err() == nil {
		err = b.writeTo(opt.write)
	}
	return b.allMet(), errors.Join(err, ctx.Err())
}

// makeFolders makes the folders for databases. Seeds are kept in dir, if there is one.
func (b *bench) makeFolders(dir string) (err error) {
	if dir != "" {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	b.sites, err = os.MkdirTemp(dir, "curfew-bench-")
	b.seeds = cmp.Or(dir, b.sites)
	return err
}

func groupNames() []string {
	var names []string
	for _, g := range groups {
		names = append(names, g.name)
	}
	return names
}

// runGroups runs the groups. One that fails is a promise missed, and does not keep the others from running.
func (b *bench) runGroups(names []string) {
	for _, g := range groups {
		if !slices.Contains(names, g.name) || b.ctx.Err() != nil {
			continue
		}
		began, before := time.Now(), processors()
		if err := g.run(b); err != nil {
			b.add(g.name, "runs", "failed: "+err.Error(), false)
		}
		fmt.Printf("   (%s took %v; the host took %.0f %% of the processors)\n",
			g.name, time.Since(began).Round(time.Second), 100*processors().stolenSince(before))
	}
}

func startProfile(name string) (stop func(), err error) {
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	return pprof.StopCPUProfile, pprof.StartCPUProfile(f)
}
