package gate

import (
	"bytes"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"testing"
)

// BenchmarkPage fetches a page of 100 KB through a bare reverse proxy and through one that puts the guard in, plain and in
// each coding.
func BenchmarkPage(b *testing.B) {
	body := []byte("<!doctype html><html><head><title>x</title></head><body>" + text(100_000))
	for _, k := range append([]kind{kinds[len(kinds)-1]}, kinds[:3]...) {
		var coded bytes.Buffer
		e := k.encode(&coded)
		e.Write(body)
		e.Close()
		app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			if k.name != "" {
				w.Header().Set("Content-Encoding", k.name)
			}
			w.Header().Set("Content-Length", strconv.Itoa(coded.Len()))
			w.Write(coded.Bytes())
		}))
		b.Cleanup(app.Close)
		target, err := url.Parse(app.URL)
		if err != nil {
			b.Fatal(err)
		}
		bare := &httputil.ReverseProxy{
			Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
			Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 100},
			ErrorLog:  log.New(io.Discard, "", 0),
		}
		b.Run("bare/"+k.name, func(b *testing.B) { fetch(b, bare) })
		b.Run("guard/"+k.name, func(b *testing.B) { fetch(b, guarded(target)) })
	}
}

func fetch(b *testing.B, proxy http.Handler) {
	server := httptest.NewServer(proxy)
	defer server.Close()
	client := &http.Client{Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 100}}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r, _ := http.NewRequest(http.MethodGet, server.URL, nil)
			r.Header.Set("Sec-Fetch-Mode", "navigate")
			res, err := client.Do(r)
			if err != nil {
				b.Error(err)
				return
			}
			n, err := io.Copy(io.Discard, res.Body)
			res.Body.Close()
			if err != nil {
				b.Error(err)
				return
			}
			b.SetBytes(n)
		}
	})
}
