package gate

import (
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// isPage reports whether the request asks for something that will stand in a window or a frame, and not for a piece of
// a page, which a script puts into one. Browsers say so by Fetch Metadata, by the mode and not the destination, which is
// "empty" for a page that comes by way of the app's service worker. Over plain HTTP they don't say it, and there the media
// types tell, for what scripts commonly load has a header that a navigation can't have.
func isPage(r *http.Request) bool {
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" {
		return mode == "navigate"
	}
	return takes(r.Header, "text/html") && !byScript(r.Header)
}

// scriptHeaders are what jQuery and others, htmx, pjax, Turbo and Unpoly send along.
var scriptHeaders = []string{"X-Requested-With", "HX-Request", "X-PJAX", "X-Turbo-Request-Id", "Turbo-Frame", "X-Up-Version"}

func byScript(h http.Header) bool {
	for _, name := range scriptHeaders {
		if h.Get(name) != "" {
			return true
		}
	}
	return false
}

// takes reports whether the media type is among those that the request takes by name.
func takes(h http.Header, mediaType string) bool {
	for item := range items(h, "Accept") {
		kind, q := quality(item)
		if strings.EqualFold(kind, mediaType) {
			return q > 0
		}
	}
	return false
}

// items ranges over the elements of a header that is a list, whether in one line or many (RFC 9110, 5.6.1).
func items(h http.Header, name string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for _, line := range h.Values(name) {
			for item := range strings.SplitSeq(line, ",") {
				if item = strings.TrimSpace(item); item != "" && !yield(item) {
					return
				}
			}
		}
	}
}

// quality splits an element of Accept or Accept-Encoding into what it names and its weight (RFC 9110, 12.4.2).
func quality(item string) (name string, q float64) {
	name, parameters, _ := strings.Cut(item, ";")
	for p := range strings.SplitSeq(parameters, ";") {
		key, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		if strings.EqualFold(key, "q") {
			if q, err := strconv.ParseFloat(value, 64); err == nil {
				return strings.TrimSpace(name), q
			}
		}
	}
	return strings.TrimSpace(name), 1
}

// isHTML reports whether the answer is HTML in an encoding in which the tag's bytes mean what they say. XHTML is
// none: there a mistake costs the whole page.
func isHTML(h http.Header) bool {
	kind, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	if !strings.EqualFold(strings.TrimSpace(kind), "text/html") {
		return false
	}
	_, parameters, _ := mime.ParseMediaType(h.Get("Content-Type")) // what is said badly is not said
	return !notASCII[strings.ToLower(strings.TrimSpace(parameters["charset"]))]
}

// notASCII has the labels of the encodings, of all in the WHATWG Encoding Standard, that have other bytes than ASCII for "<" or
// for what stands around it, and of some that browsers don't know any more.
var notASCII = func() map[string]bool {
	set := make(map[string]bool)
	for label := range strings.FieldsSeq(`
		utf-16 utf-16le utf-16be csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff unicodefffe
		iso-2022-jp csiso2022jp iso-2022-kr csiso2022kr iso-2022-cn iso-2022-cn-ext hz-gb-2312 replacement
		utf-7 unicode-1-1-utf-7 utf-32 utf-32le utf-32be`) {
		set[label] = true
	}
	return set
}()

// isTransformable reports whether the answer is a whole page that may be changed: not a part of one, nor a file to
// keep, nor one whose maker forbids it (RFC 9110, 7.7).
func isTransformable(res *http.Response) bool {
	switch s := res.StatusCode; {
	case s < 200, s == http.StatusNoContent, s == http.StatusResetContent, s == http.StatusPartialContent, s == http.StatusNotModified:
		return false
	case res.ContentLength == 0 && res.Request.Method != http.MethodHead:
		return false
	}
	if disposition, _, _ := strings.Cut(res.Header.Get("Content-Disposition"), ";"); strings.EqualFold(strings.TrimSpace(disposition), "attachment") {
		return false
	}
	for item := range items(res.Header, "Cache-Control") {
		if strings.EqualFold(item, "no-transform") {
			return false
		}
	}
	return true
}
