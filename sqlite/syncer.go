package sqlite

import (
	"context"
	"os"
	"sync"
	"sync/atomic"

	"github.com/curfewhq/curfew"
)

// syncer brings commits to the disk while the writer is at the next ones, and answers whoever waits for them. SQLite itself does not wait
// for the disk at a commit, so that others may see what a loss of power would undo: nobody must be told of it before settled returns.
type syncer struct {
	log     *os.File      // the write-ahead log, beside SQLite's own descriptor of it
	handed  chan group    // from the writer, in the order of its commits
	made    atomic.Int64  // the number of the latest commit
	exposed atomic.Int64  // of the latest that nobody may be told of before it is on the disk
	durable atomic.Int64  // and of the latest that is there
	failed  chan struct{} // closed when the disk has failed
	idle    chan struct{} // closed when all groups are answered

	failing sync.Once
	mu      sync.Mutex
	next    chan struct{} // closed when durable grows
}

// group are jobs that are done, and the commit that must be on the disk before they are answered: their own, or the one before.
type group struct {
	jobs   []*job
	commit int64
}

// newSyncer returns the syncer of the database at the path, which must have a write-ahead log by now.
func newSyncer(path string) (*syncer, error) {
	log, err := os.OpenFile(path+"-wal", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	s := &syncer{
		log: log, handed: make(chan group),
		failed: make(chan struct{}), idle: make(chan struct{}), next: make(chan struct{}),
	}
	go s.run()
	return s, nil
}

// expose is called before a commit, from which on others may see it.
func (s *syncer) expose(w weight) {
	if w == chore {
		return
	}
	n := s.made.Add(1)
	if w == change {
		s.exposed.Store(n)
	}
}

// weight is what a loss of power would undo with a commit.
type weight int

const (
	chore  weight = iota // nothing: the same is told before and after
	timely               // what was active lately, which may be lost, or is over by its own time anyway; but also the clock, and records of the audit log
	change
)

// hand has jobs answered when all that was committed so far is on the disk. While an earlier group is on its way there, it waits, so that the
// next ones become larger.
func (s *syncer) hand(jobs []*job) { s.handed <- group{jobs, s.made.Load()} }

func (s *syncer) run() {
	defer close(s.idle)
	for g := range s.handed {
		err := s.sync(g.commit)
		for _, j := range g.jobs {
			if err != nil && curfew.ErrorCode(j.err) != curfew.CodeUnavailable {
				j.err = err // even a refusal: it may be for what is not on the disk
			}
			close(j.done)
		}
	}
}

// sync brings a commit to the disk, and all before it. After an error nobody knows what is there, and there is no second try: the system may
// have dropped what it could not write (fsync(2) tells of an error once).
func (s *syncer) sync(commit int64) error {
	if s.durable.Load() >= commit {
		return nil
	}
	if err := s.failure(); err != nil {
		return err
	}
	if err := syncLog(s.log); err != nil {
		s.fail()
		return unavailable(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.durable.Store(commit)
	close(s.next)
	s.next = make(chan struct{})
	return nil
}

// fail says that the disk has failed.
func (s *syncer) fail() { s.failing.Do(func() { close(s.failed) }) }

// failure returns an error if the disk has failed.
func (s *syncer) failure() error {
	select {
	case <-s.failed:
		return errClosed
	default:
		return nil
	}
}

// settled returns when what was the latest commit when it was called is on the disk: s.made, or s.exposed.
func (s *syncer) settled(ctx context.Context, latest *atomic.Int64) error {
	for seen := latest.Load(); s.durable.Load() < seen; {
		s.mu.Lock()
		next := s.next
		s.mu.Unlock()
		if s.durable.Load() >= seen {
			return nil
		}
		select {
		case <-next:
		case <-s.failed:
			return errClosed
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// last says that the writer hands no more jobs.
func (s *syncer) last() { close(s.handed) }

// close waits until all groups are answered, after the last.
func (s *syncer) close() error {
	<-s.idle
	return s.log.Close()
}
