package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"strings"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/audit"
	"github.com/curfewhq/curfew/httpapi"
	"github.com/curfewhq/curfew/sqlite"
)

type auditCmd struct {
	List   auditListCmd   `cmd:"" help:"List what was done and what was refused."`
	Export auditExportCmd `cmd:"" help:"Print all of the audit log with hashes, the earliest record first: JSON, a record a line."`
	Verify auditVerifyCmd `cmd:"" help:"Look whether the audit log is as it was written, and print the mark of its end."`
}

type auditListCmd struct {
	serverFlags
	Search  string        `env:"-" placeholder:"WORDS" help:"Only where all words occur."`
	Event   []audit.Event `env:"-" placeholder:"EVENT" help:"Only of this event, such as authn_login_fail; several with commas between them. docs/audit.md has all."`
	Outcome audit.Outcome `env:"-" placeholder:"OUTCOME" complete:"success,refused" help:"Only with this outcome: success or refused."`
	User    string        `env:"-" placeholder:"NAME" help:"Only what this user did, or what was done to them."`
	From    moment        `env:"-" placeholder:"TIME" help:"Only at this time or later: a date, a date and time, or how long ago, such as 12h or 30d."`
	Until   moment        `env:"-" placeholder:"TIME" help:"Only before this time."`
	Limit   limit         `env:"-" placeholder:"N" help:"At most so many. Without it all."`
	JSON    bool          `env:"-" name:"json" help:"Print JSON, a record a line."`
}

// Help shows what one does with it.
func (auditListCmd) Help() string {
	return `The latest record comes first.

Examples:

  curfew audit list --outcome refused --from 24h
  curfew audit list --user amara --event user_updated,user_deleted`
}

// Run lists records.
func (c auditListCmd) Run(ctx context.Context, std streams) error {
	if err := checkEvents(c.Event); err != nil {
		return err
	}
	q := httpapi.AuditQuery{Q: c.Search, Event: c.Event, Outcome: c.Outcome, User: c.User, From: c.From.Time, Until: c.Until.Time}
	return c.with(ctx, false, func(api *httpapi.Client) error {
		records := limited(api.Audit(ctx, q), c.Limit)
		if c.JSON {
			return printLines(std.out, records)
		}
		return printRecords(std.out, records)
	})
}

func checkEvents(events []audit.Event) error {
	for _, e := range events {
		if !slices.Contains(audit.Events, e) {
			return usage(fmt.Sprintf("--event: there is no %q; docs/audit.md has all events", e))
		}
	}
	return nil
}

var auditColumns = []column{{"NO", 0}, {"TIME", 0}, {"EVENT", 0}, {"WHO", 8}, {"WHOM", 8}, {"FROM", 15}, {"OUTCOME", 0}}

func printRecords(out io.Writer, records iter.Seq2[audit.Record, error]) error {
	return printTable(out, auditColumns, "There are no such records.", records, func(r audit.Record) []string {
		return []string{fmt.Sprint(r.No), when(r.At.Time), string(r.Event), partyName(r.By), partyName(r.User), r.From, string(r.Outcome)}
	})
}

func partyName(p *audit.Party) string {
	if p == nil {
		return ""
	}
	return p.Name
}

// auditLog is an audit log as a whole: that of a server, or in a data folder.
type auditLog interface {
	ExportAudit(ctx context.Context, after int64, to io.Writer) error
	VerifyAudit(ctx context.Context, marks ...audit.Mark) (first, last audit.Mark, err error)
}

// withAudit runs f with the audit log. In a data folder that no server has it changes nothing, so that what a copy holds stays as it was found.
func (f serverFlags) withAudit(ctx context.Context, do func(auditLog) error) error {
	if f.Server == "" {
		if c, err := f.running(ctx); err != nil {
			return err
		} else if c == nil {
			return f.withAuditFile(ctx, do)
		}
	}
	return f.with(ctx, false, func(c *httpapi.Client) error { return do(c) })
}

func (d dataFlags) withAuditFile(ctx context.Context, do func(auditLog) error) error {
	if err := d.exists(); err != nil {
		return err
	}
	f, err := sqlite.OpenAudit(ctx, d.Data)
	if err != nil {
		return err
	}
	return errors.Join(do(auditFile{audit.NewLog(f)}), f.Close())
}

// auditFile is the audit log of a data folder.
type auditFile struct{ *audit.Log }

func (f auditFile) ExportAudit(ctx context.Context, after int64, to io.Writer) error {
	out := bufio.NewWriter(to)
	for line, err := range f.Lines(ctx, after+1) {
		if err == nil {
			_, err = fmt.Fprintf(out, "%s\n", line.Text)
		}
		if err != nil {
			return errors.Join(out.Flush(), err)
		}
	}
	return out.Flush()
}

func (f auditFile) VerifyAudit(ctx context.Context, marks ...audit.Mark) (first, last audit.Mark, err error) {
	return f.Verify(ctx, marks...)
}

type auditExportCmd struct {
	serverFlags
	After int64 `env:"-" placeholder:"N" help:"Only records with higher numbers than this: what came since the last export."`
}

// Run prints the stream as it comes.
func (c auditExportCmd) Run(ctx context.Context, std streams) error {
	if c.After < 0 {
		return usage("--after must be 0 or more")
	}
	return c.withAudit(ctx, func(log auditLog) error {
		return notAll(log.ExportAudit(ctx, c.After, shown(std.out)))
	})
}

type auditVerifyCmd struct {
	serverFlags
	File string   `arg:"" optional:"" help:"An exported file, or - for standard input. Without it the log of the server or of the data folder."`
	Mark []string `env:"-" placeholder:"N:HASH" help:"A mark that was noted elsewhere; the log must go through it. May be given more than once."`
	jsonFlag
}

// Help shows what one does with it.
func (auditVerifyCmd) Help() string {
	return `Who can write the database can write another log in its place. Marks that were noted elsewhere show that: keep
what this prints, and give it as --mark the next time. The server's own log has a mark at each start, each stop and once a day.

Examples:

  curfew audit verify
  curfew audit verify --mark 1024:9f86d081…
  curfew audit export | ssh vault 'cat >audit.ndjson'
  curfew audit verify audit.ndjson`
}

// Run verifies a file or what is kept.
func (c auditVerifyCmd) Run(ctx context.Context, std streams) error {
	marks, err := parseMarks(c.Mark)
	if err != nil {
		return err
	}
	if c.File != "" {
		return c.verifyFile(std, marks)
	}
	return c.withAudit(ctx, func(log auditLog) error {
		first, last, err := log.VerifyAudit(ctx, marks...)
		return c.tell(std, verified{First: first.No + 1, Before: passedOver(marks, first)}, last, err)
	})
}

func (c auditVerifyCmd) verifyFile(std streams, marks []audit.Mark) error {
	in := std.in
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	first, last, err := audit.VerifyFile(in, marks...)
	return c.tell(std, verified{First: first.No, Before: passedOver(marks, first)}, last, err)
}

// verified is what was found.
type verified struct {
	Whole  bool                `json:"whole"`
	First  int64               `json:"first"`          // number of the first record that was looked at
	Last   string              `json:"last,omitempty"` // mark of the last one; absent if the log is broken
	Broken *httpapi.AuditBreak `json:"broken,omitempty"`
	Before int                 `json:"marks_before,omitempty"` // how many marks are from before the first, so that nothing can be said of them
}

// tell prints what was found. That a log is broken is an error, too.
func (c auditVerifyCmd) tell(std streams, v verified, last audit.Mark, err error) error {
	broken, ok := errors.AsType[*audit.Broken](err)
	switch {
	case ok:
		v.Broken = &httpapi.AuditBreak{No: broken.No, Why: broken.Why}
	case err != nil:
		return err
	default:
		v.Whole, v.Last = true, last.String()
	}
	if c.JSON {
		return errors.Join(printJSON(std.out, v), err)
	}
	if err != nil {
		return err
	}
	return printVerified(std, v.First, last, v.Before)
}

func parseMarks(texts []string) (marks []audit.Mark, err error) {
	for _, text := range texts {
		m, err := audit.ParseMark(strings.TrimSpace(text))
		if err != nil {
			return nil, &curfew.Error{
				Code: curfew.CodeInvalid, Field: "mark",
				Message: "must be as in the log or as this command prints it: a number, a colon and 64 hexadecimal digits",
			}
		}
		marks = append(marks, m)
	}
	return marks, nil
}

// passedOver are the marks from before the first place, which nothing can be said of.
func passedOver(marks []audit.Mark, first audit.Mark) (before int) {
	for _, m := range marks {
		if m.No < first.No {
			before++
		}
	}
	return before
}

// printVerified prints the mark alone on standard output, so that a script can take it from there.
func printVerified(std streams, first int64, last audit.Mark, before int) error {
	if before > 0 {
		fmt.Fprintf(std.err, "%d of the marks are from before the first record here, so nothing can be said of them.\n", before)
	}
	if last.No < first {
		fmt.Fprintln(std.err, "There are no records.")
	} else {
		fmt.Fprintf(std.err, "Records %d to %d are as they were written. Note this mark of the end elsewhere:\n", first, last.No)
	}
	_, err := fmt.Fprintln(std.out, last)
	return err
}
