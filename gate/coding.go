package gate

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

// coding is a content coding that pages may have (RFC 9110, 8.4.1). Encoders and decoders are big, so they are used again.
type coding struct {
	decoders, encoders sync.Pool
}

// decoder reads what is coded. Reset may read, and so may wait.
type decoder interface {
	io.Reader
	Reset(io.Reader) error
}

type encoder interface {
	io.WriteCloser
	Flush() error
	Reset(io.Writer)
}

func newCoding(decode func() decoder, encode func() encoder) *coding {
	return &coding{
		decoders: sync.Pool{New: func() any { return decode() }},
		encoders: sync.Pool{New: func() any { return encode() }},
	}
}

// Memory for a page is bounded by the windows, however small a page was made: 32 KiB of gzip, 16 MiB of brotli and
// 8 MiB of zstd, where the standards end (RFC 7932 and RFC 9659). What is encoded has less.
var codings = map[string]*coding{
	"gzip": newCoding(func() decoder { return new(gzipDecoder) }, newGzip),
	"br":   newCoding(func() decoder { return new(brotli.Reader) }, newBrotli),
	"zstd": newCoding(newZstdDecoder, newZstd),
}

const (
	maxZstdWindow = 8 << 20
	pieceSize     = 16 << 10 // of a page on its way
)

// gzipDecoder reads the first member only, as browsers do.
type gzipDecoder struct{ gzip.Reader }

func (d *gzipDecoder) Reset(r io.Reader) error {
	err := d.Reader.Reset(r)
	d.Multistream(false)
	return err
}

func newGzip() encoder {
	w, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // fails for levels that don't exist
	return w
}

func newBrotli() encoder {
	return brotli.NewWriterOptions(nil, brotli.WriterOptions{Quality: 2, LGWin: 18})
}

func newZstdDecoder() decoder {
	// One at a time, and so without goroutines that somebody would have to end. Fails for options that don't exist.
	d, _ := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxZstdWindow))
	return d
}

func newZstd() encoder {
	w, _ := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(256<<10))
	return w
}

// acceptKnownCodings takes out of Accept-Encoding what could not be read here.
func acceptKnownCodings(h http.Header) {
	if h["Accept-Encoding"] == nil {
		return
	}
	var known []string
	for item := range items(h, "Accept-Encoding") {
		name, _ := quality(item)
		if name = strings.ToLower(name); name == "identity" || codings[name] != nil {
			known = append(known, item)
		}
	}
	if known == nil {
		known = []string{"identity"}
	}
	h.Set("Accept-Encoding", strings.Join(known, ", "))
}

// recoder returns what puts the tag into a body with these headers and leaves it in its coding. It is false for codings that are
// not known, and for several one on another.
func recoder(h http.Header) (recode func(body io.Reader, t *tagger) io.Reader, ok bool) {
	names := slices.Collect(items(h, "Content-Encoding"))
	if len(names) == 0 || len(names) == 1 && strings.EqualFold(names[0], "identity") {
		return func(body io.Reader, t *tagger) io.Reader {
			t.page = body
			return t
		}, true
	}
	c := codings[strings.TrimPrefix(strings.ToLower(names[0]), "x-")] // x-gzip is gzip
	if len(names) > 1 || c == nil {
		return nil, false
	}
	return func(body io.Reader, t *tagger) io.Reader {
		return &recoded{coding: c, tagger: t, coded: bufio.NewReaderSize(body, pieceSize)}
	}, true
}

// recoded reads a coded page, changed, and coded again. It flushes where the app did, as far as one can see: whenever
// all that has come is decoded.
type recoded struct {
	*coding
	tagger *tagger
	coded  *bufio.Reader

	decoder decoder
	encoder encoder
	buf     []byte
	out     bytes.Buffer
	closed  bool  // the page is at its end
	err     error // comes after out
}

func (r *recoded) Read(p []byte) (int, error) {
	for r.out.Len() == 0 {
		if r.err != nil {
			return 0, r.err
		}
		r.err = r.fill()
	}
	return r.out.Read(p)
}

// fill reads a piece. At the end of the page, or when it breaks off, what is known of it still goes on.
func (r *recoded) fill() error {
	if r.closed {
		return r.drain()
	}
	if r.encoder == nil {
		if err := r.open(); err != nil {
			return err
		}
	}
	n, err := r.tagger.Read(r.buf)
	if _, err := r.encoder.Write(r.buf[:n]); err != nil {
		return err
	}
	switch {
	case err == io.EOF:
		return r.close()
	case err != nil:
		r.encoder.Flush()
		return err
	case n > 0 && r.coded.Buffered() == 0:
		return r.encoder.Flush()
	}
	return nil
}

func (r *recoded) open() error {
	if _, err := r.coded.Peek(1); err != nil {
		return err // nothing at all is fine: there is no page
	}
	r.decoder = r.decoders.Get().(decoder)
	if err := r.decoder.Reset(r.coded); err != nil {
		return err
	}
	r.encoder = r.encoders.Get().(encoder)
	r.encoder.Reset(&r.out)
	r.tagger.page = r.decoder
	r.buf = make([]byte, pieceSize)
	return nil
}

func (r *recoded) close() error {
	r.closed = true
	if err := r.encoder.Close(); err != nil {
		return err
	}
	r.decoders.Put(r.decoder)
	r.encoders.Put(r.encoder)
	return nil
}

// drain reads the body to its end, so that trailers come and the connection can be used again.
func (r *recoded) drain() error {
	if _, err := io.CopyN(io.Discard, r.coded, maxHeld); err != nil {
		return err
	}
	return io.EOF
}
