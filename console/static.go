package console

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"sync"
)

//go:generate go run ../internal/vendored -root ..

//go:embed static/*.css static/*.js static/*.svg static/vendor
var staticFiles embed.FS

const staticPath = "/static/"

// assets are the files that pages load. Their addresses hold a hash of them all, so browsers keep them for ever.
type assets struct {
	hash  string
	files map[string]asset
}

type asset struct {
	kind    string
	body    []byte
	gzipped []byte // nil where it would not be smaller
}

// loadAssets compresses them all, and so does it once for however many consoles a process has.
var loadAssets = sync.OnceValue(func() assets {
	a := assets{files: map[string]asset{}}
	sum := sha256.New()
	err := fs.WalkDir(staticFiles, "static", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := staticFiles.ReadFile(name)
		sum.Write([]byte(name))
		sum.Write(b)
		a.files[strings.TrimPrefix(name, "static/")] = newAsset(name, b)
		return err
	})
	if err != nil {
		panic(err) // they are part of the program
	}
	a.hash = hex.EncodeToString(sum.Sum(nil)[:8])
	return a
})

func newAsset(name string, b []byte) asset {
	f := asset{kind: kindOf(name), body: b}
	var z bytes.Buffer
	w, _ := gzip.NewWriterLevel(&z, gzip.BestCompression)
	w.Write(b)
	w.Close()
	if z.Len() < len(b)*9/10 {
		f.gzipped = z.Bytes()
	}
	return f
}

// kindOf does not ask the machine's own table for what the console has, which differs from machine to machine.
func kindOf(name string) string {
	switch ext := path.Ext(name); ext {
	case ".woff2":
		return "font/woff2"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css", ".svg":
		return mime.TypeByExtension(ext)
	default:
		return "text/plain; charset=utf-8"
	}
}

// url returns the address of a file.
func (a assets) url(name string) string { return staticPath + a.hash + "/" + name }

func (a assets) serve(w http.ResponseWriter, r *http.Request) {
	f, ok := a.files[r.PathValue("file")]
	if !ok || r.PathValue("hash") != a.hash {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Vary", "Accept-Encoding")
	body := f.body
	if f.gzipped != nil && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		body = f.gzipped
	}
	w.Write(body)
}
