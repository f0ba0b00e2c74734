package gate

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"html"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// guardTag puts the guard into the pages of apps that can't be changed. Both its methods are for paths where the
// guard is on: ask for the request that goes to the app, into for what the app answered to exactly that request.
type guardTag struct {
	tag       string // without its end
	integrity string
	version   string // of everything that is done to a page
}

// rules is counted up when the same page with the same tag would be changed in another way than before.
const rules = "1"

// newGuardTag returns the tag for pages on a host that has Curfew's own URLs below base, such as "/.curfew", and the addresses of
// sign-in page and sign-out.
func newGuardTag(base, signIn, signOut string) guardTag {
	script := sha256.Sum256(guard)
	g := guardTag{
		tag: `<script src="` + GuardPath + `" defer data-session="` + base + `/api/v1/session" data-signin="` + html.EscapeString(signIn) + `"` +
			` data-signout="` + html.EscapeString(signOut) + `"`,
		integrity: "sha256-" + base64.StdEncoding.EncodeToString(script[:]),
	}
	sum := sha256.Sum256([]byte(rules + g.tag + g.integrity))
	g.version = hex.EncodeToString(sum[:4])
	return g
}

// ask prepares a request for a page: the app is not asked for what into could not read, nor whether a page is
// unchanged that the browser has without the guard.
func (g guardTag) ask(out *http.Request) {
	if !isPage(out) {
		return
	}
	acceptKnownCodings(out.Header)
	if out.Method == http.MethodGet || out.Method == http.MethodHead {
		g.unmarkConditions(out.Header)
	}
}

// into puts the guard into the answer, if that is an HTML page for a window or a frame; whatever else it is goes on as
// it came. A page that comes in pieces goes on in pieces; nothing of it is waited for here, unless its length is known, which
// its beginning tells for the page with the guard. It is an http/httputil.ReverseProxy's ModifyResponse, and must be the last to
// change the headers.
func (g guardTag) into(res *http.Response) error {
	switch page := isPage(res.Request); {
	case res.StatusCode == http.StatusNotModified && page:
		g.intoStored(res.Header)
	case isHTML(res.Header):
		// A cache must not answer a script with a window's page, nor the other way round.
		addVary(res.Header, "Sec-Fetch-Mode", "Accept")
		if page && isTransformable(res) {
			g.intoPage(res)
		}
	}
	return nil
}

func (g guardTag) intoPage(res *http.Response) {
	h := res.Header
	recode, ok := recoder(h)
	if !ok || !runsScripts(h) {
		return
	}
	nonce := admit(h)
	g.markValidators(h)
	forgetBytes(h)
	forgetBytes(res.Trailer)
	h.Set("Accept-Ranges", "none")
	length := res.ContentLength
	res.ContentLength = -1
	if res.Body == nil || res.Body == http.NoBody || res.Request.Method == http.MethodHead {
		return
	}
	t := &tagger{tag: g.text(nonce, h)}
	body := recode(res.Body, t)
	if body == t && length > 0 {
		// All of the page is there already. If its new length is known, it need not go out in chunks.
		res.ContentLength = length + int64(t.look())
		h.Set("Content-Length", strconv.FormatInt(res.ContentLength, 10))
	}
	res.Body = &changedBody{Reader: body, Closer: res.Body, res: res}
}

// changedBody has at its end no trailers that speak of the very bytes that the app sent.
type changedBody struct {
	io.Reader
	io.Closer
	res *http.Response
}

func (b *changedBody) Read(p []byte) (n int, err error) {
	n, err = b.Reader.Read(p)
	if err == io.EOF {
		forgetBytes(b.res.Trailer)
	}
	return n, err
}

// intoStored is for the answer that a page is unchanged which the browser has with the guard; others are not asked about.
func (g guardTag) intoStored(h http.Header) {
	addVary(h, "Sec-Fetch-Mode", "Accept")
	if _, fresh := admitted(h); fresh {
		// The page has its nonce from when it was sent, in its tag and in its policy, which stays if none is sent now.
		h.Del(policyHeader)
		h.Del(reportHeader)
	} else {
		admit(h)
	}
	g.markValidators(h)
	forgetBytes(h)
	h.Set("Accept-Ranges", "none")
}

// text returns the whole tag for a page with these headers.
func (g guardTag) text(nonce string, h http.Header) string {
	tag := g.tag
	if nonce != "" {
		tag += ` nonce="` + nonce + `"`
	}
	if h.Get("Integrity-Policy")+h.Get("Integrity-Policy-Report-Only") != "" {
		tag += ` crossorigin integrity="` + g.integrity + `"` // integrity counts only for what is fetched by CORS
	}
	return tag + "></script>"
}

// forgetBytes takes out what speaks of the very bytes that the app sent.
func forgetBytes(h http.Header) {
	for _, name := range []string{"Content-Length", "Content-Md5", "Digest", "Content-Digest", "Repr-Digest"} {
		h.Del(name)
	}
}

func addVary(h http.Header, names ...string) {
	for item := range items(h, "Vary") {
		names = slices.DeleteFunc(names, func(name string) bool { return item == "*" || strings.EqualFold(item, name) })
	}
	if len(names) > 0 {
		h.Add("Vary", strings.Join(names, ", "))
	}
}

// maxHeld is how much of a page is looked at for the tag's place, and kept in memory meanwhile. Who has more than
// that before the head, which can only be comments and space, has no guard.
const maxHeld = 64 << 10

// tagger reads a page, with the tag put in.
type tagger struct {
	page io.Reader
	tag  string

	done bool   // with looking for the place
	held []byte // read, but not passed on yet
	err  error  // comes after held
}

func (t *tagger) Read(p []byte) (int, error) {
	if !t.done {
		t.look()
	}
	if len(t.held) > 0 {
		n := copy(p, t.held)
		t.held = t.held[n:]
		return n, nil
	}
	t.held = nil
	if t.err != nil {
		return 0, t.err
	}
	return t.page.Read(p)
}

// look reads until it is known where the tag goes, and returns by how many bytes the page becomes longer.
func (t *tagger) look() (longer int) {
	p := preview{page: t.page}
	at := place(&p)
	t.done, t.held, t.err = true, p.read, p.err
	if at == nowhere {
		return 0
	}
	t.held = slices.Insert(t.held, at, []byte(t.tag)...)
	return len(t.tag)
}
