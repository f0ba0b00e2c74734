package main

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// TestNoAuthorityLeadsPast asks by HTTP/2, where a request says its host once or twice and its path is a header of its own. As in
// TestNoPathLeadsPast, the app must not get what could be read as what its sender may not see.
func TestNoAuthorityLeadsPast(t *testing.T) {
	inTurn(t)
	st := newStreet(t)
	for _, r := range runnable() {
		t.Run(r.name, func(t *testing.T) {
			inTurn(t)
			d := st.openDoor(t, r.name)
			v := d.visitor(appHost)
			v.signIn("mia", "/echo")
			for i, fields := range [][]string{
				{":authority", appHost, ":path", "/x"}, // so that the test shows something
				{":authority", appHost, ":path", "/admin"},
				{":authority", "other.example.com", "host", appHost, ":path", "/admin"},
				{":authority", appHost, "host", "other.example.com", ":path", "/admin"},
				{"host", appHost, ":path", "/admin"},
				{"host", "other.example.com", "host", appHost, ":path", "/admin"},
				{"host", appHost, "host", "other.example.com", ":path", "/admin"},
				{":authority", "", "host", appHost, ":path", "/admin"},
				{":authority", "other.example.com", ":path", "https://" + appHost + "/admin"},
				{":authority", "user@" + appHost, ":path", "/admin"},
				{":authority", "other.example.com, " + appHost, ":path", "/admin"},
				{":authority", appHost, ":path", "admin"},
				{":authority", appHost, ":path", "//other.example.com/admin"},
				{":authority", appHost, ":path", "/public/../admin"},
				{":authority", appHost, ":path", "/x", ":path", "/admin"},
				{":authority", appHost, ":path", "/x HTTP/1.1\r\nHost: " + appHost + "\r\n\r\nGET /admin"},
				{":authority", appHost, ":path", "/x", "connection", "upgrade", "upgrade", "h2c"},
				{":authority", appHost, ":path", "/x", "transfer-encoding", "chunked"},
			} {
				probe := fmt.Sprintf("%s-authority-%d", r.name, i)
				d.askByHTTP2(t, append(fields, "cookie", v.cookie(), "probe", probe, "sec-fetch-mode", "cors"))
				got := d.app.probed(probe)
				switch {
				case got == nil && i == 0:
					t.Error("nothing gets to the app")
				case got == nil:
				case len(got.Header["Upgrade"]) > 0 || len(got.TransferEncoding) > 0:
					t.Errorf("%q: the app got %v, %v", fields, got.Header, got.TransferEncoding)
				case got.Host != "other.example.com":
					for program, path := range readings(got.RequestURI) {
						if isBelow(path, "/admin") {
							t.Errorf("%q: the app got %s%s, which %s reads as %s", fields, got.Host, got.RequestURI, program, path)
						}
					}
				}
			}
		})
	}
}

// askByHTTP2 sends a GET with these header fields, in this order, and waits for the answer, whatever it is.
func (d *frontDoor) askByHTTP2(t *testing.T, fields []string) {
	t.Helper()
	conn, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", d.port), &tls.Config{RootCAs: d.pool, ServerName: appHost, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	io.WriteString(conn, http2.ClientPreface)
	framer := http2.NewFramer(conn, conn)
	framer.WriteSettings()
	var head bytes.Buffer
	pack := hpack.NewEncoder(&head)
	fields = append([]string{":method", "GET", ":scheme", "https"}, fields...)
	for i := 0; i < len(fields); i += 2 {
		pack.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: head.Bytes(), EndHeaders: true, EndStream: true})
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			return
		}
		switch frame.(type) {
		case *http2.HeadersFrame, *http2.RSTStreamFrame, *http2.GoAwayFrame:
			return
		}
	}
}
