package httpapi

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
)

// SocketTransport returns a transport to the server that listens on the Unix socket.
func SocketTransport(path string) http.RoundTripper {
	return &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
		DisableKeepAlives: true, // the command ends soon, and a server that stops need not wait for it
	}
}

// HandlerTransport returns a transport that calls the handler in this process, so that a command without a server
// takes the same path as one with.
func HandlerTransport(h http.Handler) http.RoundTripper { return handlerTransport{h} }

type handlerTransport struct{ h http.Handler }

// RoundTrip returns the handler's answer when it has begun: the body may be a stream.
func (t handlerTransport) RoundTrip(out *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(out.Context())
	in := out.Clone(ctx)
	in.RequestURI = out.URL.RequestURI()
	if in.Body == nil {
		in.Body = http.NoBody
	}
	body, sink := io.Pipe()
	w := &piped{header: http.Header{}, begun: make(chan struct{}), sink: sink}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer in.Body.Close()
		w.serve(t.h, in)
	}()
	<-w.begun
	return &http.Response{
		Status: fmt.Sprint(w.status, " ", http.StatusText(w.status)), StatusCode: w.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.sent, Body: &pipedBody{body, cancel, done}, ContentLength: -1, Request: out,
	}, nil
}

// pipedBody is what the handler writes.
type pipedBody struct {
	*io.PipeReader
	cancel context.CancelFunc
	done   <-chan struct{}
}

// Close returns when the handler has: who closes its store next takes nothing away from it.
func (b *pipedBody) Close() error {
	b.cancel()
	err := b.PipeReader.Close()
	<-b.done
	return err
}

// piped hands an answer over as it is written.
type piped struct {
	header, sent http.Header
	status       int
	begun        chan struct{} // closed once status and header are set
	sink         *io.PipeWriter
}

// serve ends the body as the handler ends: an answer that is broken off has no end.
func (w *piped) serve(h http.Handler, r *http.Request) {
	defer func() {
		if v := recover(); v == http.ErrAbortHandler {
			w.WriteHeader(http.StatusOK)
			w.sink.CloseWithError(io.ErrUnexpectedEOF)
		} else if v != nil {
			panic(v)
		}
	}()
	h.ServeHTTP(w, r)
	w.WriteHeader(http.StatusOK)
	w.sink.Close()
}

func (w *piped) Header() http.Header { return w.header }

func (w *piped) WriteHeader(status int) {
	if w.status == 0 {
		w.status, w.sent = status, w.header.Clone()
		close(w.begun)
	}
}

func (w *piped) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.sink.Write(b)
}

// FlushError is for http.ResponseController: what is written is with the reader already.
func (w *piped) FlushError() error {
	w.WriteHeader(http.StatusOK)
	return nil
}
