package gate

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/internal/weborigin"
)

// ownHost is where an app thinks it is that knows no other host than its own. What a browser says of the place people ask for must fit
// that, or the app takes its own pages for a stranger's. What a browser says of other places stays: that is how the app tells.
type ownHost struct {
	host   string // as browsers write it
	origin string
}

func newOwnHost(target url.URL) ownHost {
	return ownHost{weborigin.Host(target.Scheme, target.Host), weborigin.Join(target.Scheme, target.Host)}
}

// ask makes the request one for the app's own host. Origin and Referer change only if they name the very origin that is asked.
func (o ownHost) ask(in, out *http.Request) {
	out.Host = o.host
	public := weborigin.Of(curfew.OriginOf(in))
	if v := out.Header["Origin"]; len(v) == 1 && v[0] == public {
		out.Header["Origin"] = []string{o.origin}
	}
	if v := out.Header["Referer"]; len(v) == 1 {
		if rest, ok := cutOrigin(v[0], public); ok {
			out.Header["Referer"] = []string{o.origin + rest}
		}
	}
}

// answer leads people on where they are, if the app leads them to its own host. Its scheme it may know from X-Forwarded-Proto.
func (o ownHost) answer(in *http.Request, h http.Header) {
	location := h.Get("Location")
	for _, scheme := range []string{"http://", "https://"} {
		if rest, ok := cutOrigin(location, scheme+o.host); ok {
			h.Set("Location", weborigin.Of(curfew.OriginOf(in))+rest)
			return
		}
	}
}

// cutOrigin returns what follows an origin in an address, if the address is of that origin.
func cutOrigin(address, origin string) (rest string, ok bool) {
	rest, ok = strings.CutPrefix(address, origin)
	return rest, ok && (rest == "" || strings.IndexByte("/?#", rest[0]) >= 0)
}
