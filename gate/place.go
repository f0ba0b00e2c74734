package gate

import (
	"bytes"

	"golang.org/x/net/html"
)

// nowhere is the place of the tag in what is left alone.
const nowhere = -1

// place returns where the guard's tag goes: right behind <head>, or else where a parser would open the head by itself.
// There the tag changes nothing about how the rest is parsed. page is what is known of the page so far, and whole
// says that this is all; known is false if more is needed to tell.
func place(page []byte, whole bool) (at int, known bool) {
	at, known = afterMark(page, whole)
	if !known || at == nowhere {
		return at, known
	}
	z := html.NewTokenizer(bytes.NewReader(page[at:]))
	for {
		kind, raw := z.Next(), z.Raw()
		switch kind {
		case html.ErrorToken: // the end, perhaps in the middle of a tag
			return nowhere, whole
		case html.TextToken:
			text := bytes.TrimLeft(raw, " \t\n\f\r") // before the head, a parser passes over space
			at += len(raw) - len(text)
			switch {
			case len(text) == 0:
				continue
			case !whole && at+len(text) == len(page) && (len(text) == 1 || string(text) == "</"):
				return 0, false // may become a tag, or what the next case is about
			case bytes.ContainsAny(text[:min(len(text), 2)], "\x00\x1b"):
				return nowhere, true // UTF-16 or ISO-2022-JP, unannounced
			}
			return at, true
		case html.StartTagToken, html.SelfClosingTagToken:
			switch name, _ := z.TagName(); string(name) {
			case "head":
				return at + len(raw), true
			case "html":
			default:
				return at, true
			}
		case html.EndTagToken:
			switch name, _ := z.TagName(); string(name) {
			case "head", "body", "html", "br": // open the head; others are passed over
				return at, true
			}
		}
		at += len(raw)
	}
}

// afterMark passes over a byte order mark, which says more about a page's encoding than all else.
func afterMark(page []byte, whole bool) (at int, known bool) {
	for _, mark := range []string{"\xef\xbb\xbf", "\xfe\xff", "\xff\xfe"} {
		switch {
		case !bytes.HasPrefix(page, []byte(mark)):
			if !whole && bytes.HasPrefix([]byte(mark), page) {
				return 0, false
			}
		case len(mark) == 2:
			return nowhere, true // UTF-16
		default:
			return len(mark), true
		}
	}
	return 0, true
}
