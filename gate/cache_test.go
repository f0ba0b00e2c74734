package gate

import (
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/curfewhq/curfew"
)

func TestMakePrivate(t *testing.T) {
	for said, want := range map[string]string{
		"-":                                     "private", // not said
		"":                                      "private",
		"public":                                "private",
		"public, max-age=3600":                  "private, max-age=3600",
		"PUBLIC,Max-Age=60,immutable":           "private, Max-Age=60, immutable",
		"s-maxage=60":                           "private",
		"max-age=60, S-MaxAge=3600":             "private, max-age=60",
		"max-age=60, proxy-revalidate":          "private, max-age=60",
		"no-cache":                              "private, no-cache",
		"no-cache | public":                     "private, no-cache",
		"no-cache | no-store":                   "no-cache | no-store",
		"no-store":                              "no-store",
		"no-store, public":                      "private, no-store",
		"private":                               "private",
		"max-age=60, Private":                   "max-age=60, Private",
		"private, s-maxage=60":                  "private",
		`private="x-a, x-b", max-age=60`:        "private, max-age=60",
		`no-cache="a, public", max-age=60`:      `private, no-cache="a, public", max-age=60`,
		`ext="\\", public`:                      `private, ext="\\"`,
		`ext="\", public`:                       `private, ext="\", public`, // within the quotes
		"public=1, private=, stale-if-error=60": "private, stale-if-error=60",
	} {
		h := http.Header{}
		if said != "-" {
			h[cacheHeader] = strings.Split(said, " | ")
		}
		makePrivate(h)
		if got := strings.Join(h[cacheHeader], " | "); got != want {
			t.Errorf("%q becomes %q, want %q", said, got, want)
		}
	}
	if private[0] != "private" || len(private) != 1 {
		t.Errorf("the common value has become %q", private)
	}
}

// TestSharedCaches has an app allow shared caches to keep its answers: they must not where somebody has to be signed in. The
// validators and what the answer varies by stay.
func TestSharedCaches(t *testing.T) {
	said := map[string]string{
		"Cache-Control": "public, max-age=60, s-maxage=3600", "Surrogate-Control": "max-age=3600", "Cdn-Cache-Control": "max-age=3600",
		"Cloudflare-Cdn-Cache-Control": "max-age=3600", "X-Accel-Expires": "3600", "Edge-Control": "cache-maxage=1h",
		"Etag": `"a"`, "Vary": "Accept-Language", "Expires": "Thu, 01 Jan 2099 00:00:00 GMT", "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT",
	}
	f := newFront(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range said {
			w.Header().Set(name, value)
		}
		w.Header().Set("Content-Type", "text/css")
		if r.Header.Get("If-None-Match") != "" {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		io.WriteString(w, "p {}")
	}), frontOptions{app: App{Rules: []Rule{{Path: "/public", Access: Access{Public: true}}}}})
	for path, token := range map[string]curfew.Token{"/a.css": f.mia, "/public/a.css": {}} {
		for _, condition := range []string{"", `"a"`} {
			r := f.request(http.MethodGet, path, nil, token)
			r.Header.Set("If-None-Match", condition)
			res, err := f.client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			want := maps.Clone(said)
			if path == "/a.css" {
				want["Cache-Control"] = "private, max-age=60"
				for _, name := range []string{"Surrogate-Control", "Cdn-Cache-Control", "Cloudflare-Cdn-Cache-Control", "X-Accel-Expires", "Edge-Control"} {
					want[name] = ""
				}
			}
			for name, value := range want {
				if got := res.Header.Get(name); got != value {
					t.Errorf("%s (%d): %s is %q, want %q", path, res.StatusCode, name, got, value)
				}
			}
		}
	}
}

// TestClearSiteData has an app sign its reader out by taking all cookies of the site away: ours stays.
func TestClearSiteData(t *testing.T) {
	for said, want := range map[string]string{
		`"cookies"`: "-", `"cache", "cookies"`: `"cache"`, `"Cookies","storage"`: `"storage"`, `cookies`: "-",
		`"*"`:   `"cache", "clientHints", "executionContexts", "prefetchCache", "prerenderCache", "storage"`,
		`"new"`: `"new"`, `"cache" | "cookies"`: `"cache"`,
	} {
		h := http.Header{clearHeader: strings.Split(said, " | ")}
		keepCookies(h)
		got := strings.Join(h[clearHeader], " | ")
		if _, ok := h[clearHeader]; !ok {
			got = "-"
		}
		if got != want {
			t.Errorf("%s becomes %s, want %s", said, got, want)
		}
	}
	f := newFront(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(clearHeader, `"cookies", "cache"`)
	}), frontOptions{})
	res, err := f.client.Do(f.request(http.MethodGet, "/logout", nil, f.mia))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if got := res.Header.Values(clearHeader); !slices.Equal(got, []string{`"cache"`}) {
		t.Errorf("through the proxy: %q", got)
	}
}
