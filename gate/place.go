package gate

import (
	"bytes"
	"io"
	"slices"

	"golang.org/x/net/html"
)

// nowhere is the place of the tag in what is left alone.
const nowhere = -1

// place returns where the guard's tag goes: right behind <head>, or else where a parser would open the head by itself.
// There the tag changes nothing about how the rest is parsed. It reads no more of the page than it takes to tell, and each
// byte once, in however small pieces they come.
func place(page *preview) int {
	at, ok := afterMark(page)
	if !ok {
		return nowhere
	}
	page.handed = at
	z := html.NewTokenizer(page)
	for {
		at = page.pastSpace(at) // as a parser does before the head
		if !page.isMarkup(at) {
			return placeOfText(page, at)
		}
		kind := z.Next()
		if kind == html.TextToken {
			kind = z.Next() // the space was a token too
		}
		raw := z.Raw()
		switch kind {
		case html.ErrorToken: // the end, perhaps in the middle of a tag
			return nowhere
		case html.StartTagToken, html.SelfClosingTagToken:
			switch name, _ := z.TagName(); string(name) {
			case "head":
				return at + len(raw)
			case "html":
			default:
				return at
			}
		case html.EndTagToken:
			switch name, _ := z.TagName(); string(name) {
			case "head", "body", "html", "br": // open the head; others are passed over
				return at
			}
		}
		at += len(raw)
	}
}

const utf8Mark = "\xef\xbb\xbf"

// afterMark passes over a byte order mark, which says more about a page's encoding than all else.
func afterMark(page *preview) (at int, ok bool) {
	switch {
	case page.begins(utf8Mark):
		return len(utf8Mark), true
	case page.begins("\xfe\xff"), page.begins("\xff\xfe"):
		return nowhere, false // UTF-16
	default:
		return 0, true
	}
}

// placeOfText is the place in a page that goes on with text, or not at all.
func placeOfText(page *preview, at int) int {
	text := page.read[at:]
	switch {
	case len(text) == 0:
		return nowhere
	case page.err != io.EOF && (len(text) == 1 || string(text) == "</" || string(page.read) == utf8Mark[:2]):
		return nowhere // it broke off, and might have become a tag, a mark, or what the next case is about
	case bytes.ContainsAny(text[:min(len(text), 2)], "\x00\x1b"):
		return nowhere // UTF-16 or ISO-2022-JP, unannounced
	default:
		return at
	}
}

// preview is the beginning of a page, which is read as far as somebody wants to see it, and kept.
type preview struct {
	page   io.Reader
	read   []byte // no more than maxHeld
	err    error  // comes after read
	handed int    // how much of it Read has handed on
}

// has reports whether the page has n bytes or more.
func (p *preview) has(n int) bool {
	for len(p.read) < n && p.err == nil && len(p.read) < maxHeld {
		p.read = slices.Grow(p.read, 4<<10)
		var more int
		more, p.err = p.page.Read(p.read[len(p.read):min(cap(p.read), maxHeld)])
		p.read = p.read[:len(p.read)+more]
	}
	return len(p.read) >= n
}

// Read hands on what has been read of the page, and reads on only behind that.
func (p *preview) Read(b []byte) (int, error) {
	if !p.has(p.handed + 1) {
		if p.err == nil {
			return 0, io.ErrShortBuffer
		}
		return 0, p.err
	}
	n := copy(b, p.read[p.handed:])
	p.handed += n
	return n, nil
}

func (p *preview) begins(with string) bool {
	for i := range len(with) {
		if !p.has(i+1) || p.read[i] != with[i] {
			return false
		}
	}
	return true
}

// pastSpace returns where what stands at at is no space, or the page ends.
func (p *preview) pastSpace(at int) int {
	for p.has(at+1) && bytes.IndexByte([]byte(" \t\n\f\r"), p.read[at]) >= 0 {
		at++
	}
	return at
}

// isMarkup reports whether a tag, a comment or what is taken for one begins at at.
func (p *preview) isMarkup(at int) bool {
	if !p.has(at+2) || p.read[at] != '<' {
		return false
	}
	switch c := p.read[at+1]; c {
	case '!', '?':
		return true
	case '/':
		return p.has(at + 3)
	default:
		return 'a' <= c|0x20 && c|0x20 <= 'z'
	}
}
