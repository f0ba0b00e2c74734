package gate

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"golang.org/x/net/html"
)

// Pages with a ^ where the tag must go; those without are left alone.
var pages = []string{
	"<!doctype html><html><head>^<title>x</title></head><body>y</body></html>",
	"<!DOCTYPE html>\n<HTML lang=en>\n<HEAD data-x='>'>^\n<meta charset=utf-8>",
	"\xef\xbb\xbf<!doctype html><head>^<base href=/x/>",
	"<head/>^<title>x</title>",
	"<html><head\n>^",

	// Without a head tag, where a parser opens the head.
	"<!doctype html>\n^<title>x</title><p>y",
	"<!doctype html><html>^<body>x",
	"<html><!-- <head> -->^<body><!-- <head> -->x",
	" \t\r\n\f^plain text",
	"<!doctype html>\n \n^text <head>",
	"^<p>x<head>y",
	"<html>^<frameset cols=50%,*><frame src=a></frameset>",
	"^<template><head></head></template>",
	"^<script>'<head>'</script><head>",
	"^<title><head></title><head>",
	"^<meta charset=utf-8><head>",
	"^<header>x</header>",
	"<html>^</head><body>",
	"^</body>x",
	"^</br>x",
	"</p></div><html></a><head>^",
	"^<noscript><head></noscript>",
	"^< p>",
	"^<3",
	"^&amp;<head>",
	"^\xef\xbb",

	// Comments and what is taken for one.
	"<!-- <head> --><!doctype html><head>^",
	"<!--><head>^-->",
	"<!---><head>^-->",
	"<!-- x --!><head>^",
	"<!-- x -- > <head> --><head>^",
	"<?xml version='1.0'?><!doctype html><head>^",
	"<![CDATA[<head>^]]><head>",
	"<!doctype html PUBLIC '<head>^'",
	"</><head>^",
	"</ <head><head>^",
	"<!--[if IE]><html><head><![endif]--><!--[if !IE]><!--><html><!--<![endif]--><head>^",
	"<html a=\"<head>\" b='<head>' c=<head>^<p>",

	// No place.
	"",
	" \n",
	"<!doctype html>",
	"<!-- <head>",
	"<html",
	"<head",
	"<head x='>",
	"<div class='<head>",
	"<html>\n<!-- x -->",
	"\xff\xfe<\x00h\x00e\x00a\x00d\x00>\x00",
	"\xfe\xff\x00<\x00p\x00>",
	"<\x00h\x00e\x00a\x00d\x00>\x00",
	"\x1b$B<head>",
}

func TestPlace(t *testing.T) {
	for _, marked := range pages {
		page, want := unmarkedPage(marked)
		if at := place(&preview{page: bytes.NewReader(page)}); at != want {
			t.Errorf("%q: %d, want %d", marked, at, want)
		}
	}
}

func unmarkedPage(marked string) (page []byte, at int) {
	before, after, ok := strings.Cut(marked, "^")
	if !ok {
		return []byte(marked), nowhere
	}
	return []byte(before + after), len(before)
}

// TestPlaceIsNotGuessed breaks each page off at every length: the place is the same, or there is none.
func TestPlaceIsNotGuessed(t *testing.T) {
	for _, marked := range pages {
		page, _ := unmarkedPage(marked)
		checkPlace(t, page)
	}
}

func checkPlace(t *testing.T, page []byte) {
	t.Helper()
	want := place(&preview{page: bytes.NewReader(page)})
	for n := range len(page) + 1 {
		if at := place(&preview{page: brokenOff(page[:n])}); at != nowhere && at != want {
			t.Fatalf("%q: place %d after %d bytes, then %d", page, at, n, want)
		}
	}
}

// brokenOff is a page of which no more comes.
func brokenOff(page []byte) io.Reader {
	return io.MultiReader(bytes.NewReader(page), iotest.ErrReader(io.ErrUnexpectedEOF))
}

// TestPlaceIsKnownAtOnce has of each page only what it takes to tell: an app may keep the rest for long.
func TestPlaceIsKnownAtOnce(t *testing.T) {
	for _, marked := range []string{
		"<!doctype html><html><head>^", "<!-- x --!><head data-x='>'>^", "\xef\xbb\xbf<head>^", "<html>^<body>", "^</body>", " \n^te", "^<3", "^&a",
	} {
		page, want := unmarkedPage(marked)
		if at := place(&preview{page: brokenOff(page)}); at != want {
			t.Errorf("%q: %d, want %d", marked, at, want)
		}
	}
}

// TestPlaceIsLookedForOnce has a page come byte by byte. Looking anew at each would take memory each time.
func TestPlaceIsLookedForOnce(t *testing.T) {
	for _, begin := range []string{"<!-- " + strings.Repeat("x", maxHeld/2) + " -->", strings.Repeat(" ", maxHeld/2), strings.Repeat("<!>", maxHeld/6)} {
		allocs := testing.AllocsPerRun(1, func() {
			r := &tagger{page: iotest.OneByteReader(strings.NewReader(begin + "<head>")), tag: testTag}
			if longer := r.look(); longer != len(testTag) {
				t.Errorf("%.9s…: %d bytes longer, want %d", begin, longer, len(testTag))
			}
		})
		if allocs > 200 {
			t.Errorf("%.9s…: %v allocations for %d bytes", begin, allocs, len(begin))
		}
	}
}

const testTag = `<script src="/.curfew/guard.js"></script>`

func TestTagger(t *testing.T) {
	for _, marked := range pages {
		page, _ := unmarkedPage(marked)
		want := strings.Replace(marked, "^", testTag, 1)
		for name, r := range map[string]io.Reader{
			"at once":      bytes.NewReader(page),
			"byte by byte": iotest.OneByteReader(bytes.NewReader(page)),
			"EOF at once":  iotest.DataErrReader(bytes.NewReader(page)),
		} {
			got, err := io.ReadAll(&tagger{page: r, tag: testTag})
			if string(got) != want || err != nil {
				t.Errorf("%s: %q, %v, want %q", name, got, err, want)
			}
		}
	}
}

// TestTaggerSplit splits each page in two at every byte.
func TestTaggerSplit(t *testing.T) {
	for _, marked := range pages {
		page, _ := unmarkedPage(marked)
		want := strings.Replace(marked, "^", testTag, 1)
		for n := range page {
			got, err := io.ReadAll(&tagger{page: io.MultiReader(bytes.NewReader(page[:n]), bytes.NewReader(page[n:])), tag: testTag})
			if string(got) != want || err != nil {
				t.Fatalf("split at %d: %q, %v, want %q", n, got, err, want)
			}
		}
	}
}

// TestTaggerHoldsLittle has a page whose head comes late, one whose head comes too late, and one that breaks off.
func TestTaggerHoldsLittle(t *testing.T) {
	comment := func(n int) string { return "<!--" + strings.Repeat("x", n) + "-->" }
	late := comment(maxHeld/2) + "<head>"
	tooLate := comment(maxHeld) + "<head>" + strings.Repeat("y", maxHeld)
	for page, want := range map[string]string{late: late + testTag, tooLate: tooLate} {
		r := &tagger{page: strings.NewReader(page), tag: testTag}
		got, err := io.ReadAll(r)
		if string(got) != want || err != nil {
			t.Errorf("%d bytes: got %d, %v, want %d", len(page), len(got), err, len(want))
		}
		if r.held != nil {
			t.Errorf("%d bytes: something is still held at the end", len(page))
		}
	}
	broken := io.MultiReader(strings.NewReader("<!doctype html><hea"), iotest.ErrReader(io.ErrUnexpectedEOF))
	got, err := io.ReadAll(&tagger{page: broken, tag: testTag})
	if string(got) != "<!doctype html><hea" || err != io.ErrUnexpectedEOF {
		t.Errorf("broken off: %q, %v", got, err)
	}
}

// FuzzPlace has a parser look at what comes out: the script stands in the head, everything else is as it was.
func FuzzPlace(f *testing.F) {
	for _, marked := range pages {
		page, _ := unmarkedPage(marked)
		f.Add(page)
	}
	f.Fuzz(func(t *testing.T, page []byte) {
		if len(page) < 256 {
			checkPlace(t, page)
		}
		got, err := io.ReadAll(&tagger{page: bytes.NewReader(page), tag: testTag})
		if err != nil {
			t.Fatal(err)
		}
		at := place(&preview{page: bytes.NewReader(page)})
		if at == nowhere || at > maxHeld-8 {
			if at == nowhere && !bytes.Equal(got, page) {
				t.Fatalf("%q became %q", page, got)
			}
			return
		}
		if want := string(page[:at]) + testTag + string(page[at:]); string(got) != want {
			t.Fatalf("%q became %q", page, got)
		}
		before, after := parse(t, page), parse(t, got)
		if before == nil || after == nil {
			return // too deep for the parser
		}
		script := first(after, "head").FirstChild
		if script == nil || script.Data != "script" || script.Attr[0].Val != "/.curfew/guard.js" {
			t.Fatalf("%q: the script is not the first in the head: %s", got, render(t, after))
		}
		script.Parent.RemoveChild(script)
		if want, got := render(t, before), render(t, after); want != got {
			t.Fatalf("%q is parsed otherwise with the tag: %s, was %s", page, got, want)
		}
	})
}

// parse returns nil for pages that x/net/html does not parse. It wants them decoded, without a mark.
func parse(t *testing.T, page []byte) *html.Node {
	t.Helper()
	doc, err := html.Parse(bytes.NewReader(bytes.TrimPrefix(page, []byte("\xef\xbb\xbf"))))
	if err != nil {
		return nil
	}
	return doc
}

func first(n *html.Node, name string) *html.Node {
	for d := range n.Descendants() {
		if d.Type == html.ElementNode && d.Data == name {
			return d
		}
	}
	return nil
}

func render(t *testing.T, doc *html.Node) string {
	t.Helper()
	var b bytes.Buffer
	if err := html.Render(&b, doc); err != nil {
		return "" // as for text behind <plaintext>
	}
	return b.String()
}
