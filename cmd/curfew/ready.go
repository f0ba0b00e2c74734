package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/internal/fault"
	"github.com/curfewhq/curfew/internal/mount"
)

// Whether the server lives and whether it can do its work is asked here, on the site below mount.Base, and where no app is at the
// root of its host as well. Strangers may ask, so they are told no more than any page tells them, and cause one look-up a second.
const (
	livePath  = "/healthz"
	readyPath = "/readyz"
)

const (
	readyWithin = time.Second // for the store to answer
	readyFor    = time.Second // that an answer is good for
)

// health says whether the server can do its work.
type health struct {
	look     func(context.Context) error // asks the store for something
	stopping <-chan struct{}

	mu     sync.Mutex
	latest *lookUp
}

// lookUp is a question to the store, for all who ask meanwhile and for a moment after.
type lookUp struct {
	done chan struct{}
	at   time.Time // of the answer
	err  error
}

var (
	errStopping = errors.New("the server is being stopped")
	errLate     = errors.New("the store does not answer")
)

// newHealth asks the store for a session that nobody has.
func newHealth(sessions *curfew.Manager, stopping <-chan struct{}) *health {
	return &health{stopping: stopping, look: func(ctx context.Context) error {
		_, err := sessions.Get(ctx, "-")
		if curfew.ErrorCode(err) == curfew.CodeNotFound {
			return nil
		}
		return err
	}}
}

// ready returns nil if the server can do its work.
func (h *health) ready() error {
	select {
	case <-h.stopping:
		return errStopping
	default:
	}
	l := h.ask()
	late := time.NewTimer(readyWithin)
	defer late.Stop()
	select {
	case <-l.done:
		return l.err
	case <-late.C:
		return errLate
	}
}

// ask returns the latest look-up, or a new one if that is too old. One is under way at a time, even if the store hangs.
func (h *health) ask() *lookUp {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.latest != nil && !h.latest.isOld() {
		return h.latest
	}
	l := &lookUp{done: make(chan struct{})}
	h.latest = l
	go func() {
		defer close(l.done)
		defer func() {
			if p := fault.Recovered(recover()); p != nil { // strangers can cause it, and here it would end the process
				l.err = p
			}
			l.at = time.Now()
		}()
		ctx, cancel := context.WithTimeout(context.Background(), readyWithin)
		defer cancel()
		l.err = h.look(ctx)
	}()
	return l
}

func (l *lookUp) isOld() bool {
	select {
	case <-l.done:
		return time.Since(l.at) >= readyFor
	default:
		return false
	}
}

// serveLive answers that the process lives.
func serveLive(w http.ResponseWriter, r *http.Request) { writeHealth(w, r, http.StatusOK, "ok") }

// serveReady answers whether the server can do its work.
func (h *health) serveReady(w http.ResponseWriter, r *http.Request) {
	if h.ready() != nil {
		w.Header().Set("Retry-After", "5")
		writeHealth(w, r, http.StatusServiceUnavailable, "not ready")
		return
	}
	writeHealth(w, r, http.StatusOK, "ok")
}

func writeHealth(w http.ResponseWriter, r *http.Request, status int, word string) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		writeProblem(w, http.StatusMethodNotAllowed, "this address answers GET and HEAD")
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	io.WriteString(w, word+"\n") // who asked may have left
}

// beside answers what is asked of the server's health, and leaves the rest to next. It needs no session and no cookie, so it goes
// past all that looks for those.
func (h *health) beside(appAtRoot func(host string) bool, next http.Handler) http.Handler {
	live, ready := hardened(http.HandlerFunc(serveLive)), hardened(http.HandlerFunc(h.serveReady))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.Path
		if mount.Has(path) {
			path = path[len(mount.Base):]
		} else if (path == livePath || path == readyPath) && appAtRoot(r.Host) {
			path = ""
		}
		switch path {
		case livePath:
			live.ServeHTTP(w, r)
		case readyPath:
			ready.ServeHTTP(w, r)
		default:
			next.ServeHTTP(w, r)
		}
	})
}
