package gate

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A page with the guard is another one than the app's, so its validator says which guard was put in: a browser must
// not be told "not modified" about a page from before the guard was switched on or changed. It goes back to the app as
// what it was. Such a validator is weak, for pages of one validator may differ in a nonce.
//
//	"abc"            W/"abc.curfew-s1a2b3c4d"
//	W/"abc"          W/"abc.curfew-w1a2b3c4d"
//	none, but a date W/"65f0c3a0.curfew-t1a2b3c4d"
const (
	strongTag = 's'
	weakTag   = 'w'
	timeTag   = 't' // in place of Last-Modified, which can't say anything more
)

func (g guardTag) mark(kind byte, opaque string) string {
	return `W/"` + opaque + ".curfew-" + string(kind) + g.version + `"`
}

// markValidators makes the answer's ETag that of the page with this guard.
func (g guardTag) markValidators(h http.Header) {
	kind, opaque, ok := splitTag(h.Get("ETag"))
	if modified, err := http.ParseTime(h.Get("Last-Modified")); !ok && err == nil {
		kind, opaque, ok = timeTag, strconv.FormatInt(modified.Unix(), 16), true
	}
	h.Del("ETag")
	if ok {
		h.Set("ETag", g.mark(kind, opaque))
	}
}

// unmarkConditions makes the conditions of a request those that the app can decide: whether the page is still the one
// into which this guard was put. All others go, since the browser must get the page anew if it has it without.
func (g guardTag) unmarkConditions(h http.Header) {
	var tags []string
	var modified string
	for item := range items(h, "If-None-Match") {
		kind, opaque, ok := g.unmark(item)
		switch {
		case !ok:
		case kind == strongTag:
			tags = append(tags, `"`+opaque+`"`)
		case kind == weakTag:
			tags = append(tags, `W/"`+opaque+`"`)
		default:
			if seconds, err := strconv.ParseInt(opaque, 16, 64); err == nil {
				modified = time.Unix(seconds, 0).UTC().Format(http.TimeFormat)
			}
		}
	}
	h.Del("If-None-Match")
	h.Del("If-Modified-Since")
	if len(tags) > 0 {
		h.Set("If-None-Match", strings.Join(tags, ", "))
	} else if modified != "" {
		h.Set("If-Modified-Since", modified)
	}
}

func (g guardTag) unmark(tag string) (kind byte, opaque string, ok bool) {
	_, marked, _ := splitTag(tag)
	for _, kind := range []byte{strongTag, weakTag, timeTag} {
		if opaque, ok := strings.CutSuffix(marked, ".curfew-"+string(kind)+g.version); ok {
			return kind, opaque, true
		}
	}
	return 0, "", false
}

// splitTag takes an entity tag apart (RFC 9110, 8.8.3). One with a comma is refused: it would be torn in a list.
func splitTag(tag string) (kind byte, opaque string, ok bool) {
	kind = strongTag
	if rest, weak := strings.CutPrefix(tag, "W/"); weak {
		kind, tag = weakTag, rest
	}
	if len(tag) < 2 || tag[0] != '"' || tag[len(tag)-1] != '"' || strings.ContainsAny(tag[1:len(tag)-1], `",`) {
		return 0, "", false
	}
	return kind, tag[1 : len(tag)-1], true
}
