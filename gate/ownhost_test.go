package gate

import (
	"net/http"
	"strings"
	"testing"
)

// ownHostApp refuses posts of other origins, as apps do that compare Origin with Host; and it leads to wherever it is asked to lead.
func ownHostApp(w http.ResponseWriter, r *http.Request) {
	if to := r.Header.Get("Lead-To"); to != "" {
		w.Header().Set("Location", strings.ReplaceAll(to, "OWN", r.Host))
		w.WriteHeader(http.StatusFound)
		return
	}
	http.NewCrossOriginProtection().Handler(http.HandlerFunc(echo)).ServeHTTP(w, r)
}

// TestOwnHost has an app that knows no other host than its own. Posts of its own pages get there, and those of others look like it.
func TestOwnHost(t *testing.T) {
	for _, encrypted := range []bool{false, true} {
		f := newFront(t, http.HandlerFunc(ownHostApp), frontOptions{app: App{OwnHost: true}, tls: encrypted})
		public, own := f.server.URL, f.gate.apps[""].Upstream.String()
		otherScheme := strings.Replace(strings.Replace(public, "http", "https", 1), "httpss", "http", 1)

		post := func(origin, referer string) *http.Response {
			r := f.request(http.MethodPost, "/", nil, f.amara)
			r.Header["Origin"] = strings.Fields(origin)
			r.Header.Set("Referer", referer)
			return f.do(r)
		}
		e := parseEcho(t, post(public, public+"/page?q"))
		if "http://"+e.Host != own || "https://"+e.Header.Get("X-Forwarded-Host") != strings.Replace(public, "http:", "https:", 1) {
			t.Errorf("host %q, X-Forwarded-Host %q", e.Host, e.Header.Get("X-Forwarded-Host"))
		}
		if e.Header.Get("Origin") != own || e.Header.Get("Referer") != own+"/page?q" {
			t.Errorf("the app's own page: Origin %q, Referer %q", e.Header.Get("Origin"), e.Header.Get("Referer"))
		}
		for _, origin := range []string{
			"null", "https://evil.example", otherScheme, public + "0", public + "/", public + ".evil.example", strings.ToUpper(public), public + " " + public,
		} {
			if resp := post(origin, ""); resp.StatusCode != http.StatusForbidden && origin != otherScheme && !strings.Contains(origin, " ") {
				t.Errorf("Origin %q got in: %d", origin, resp.StatusCode)
			}
			r := f.request(http.MethodGet, "/", nil, f.amara)
			r.Header["Origin"] = strings.Fields(origin)
			if got := strings.Join(parseEcho(t, f.do(r)).Header["Origin"], " "); got != origin {
				t.Errorf("Origin %q became %q", origin, got)
			}
		}
		for _, referer := range []string{public + ".evil.example/", public + "@evil.example/", "https://evil.example/?" + public + "/", otherScheme + "/"} {
			if e := parseEcho(t, post(public, referer)); e.Header.Get("Referer") != referer {
				t.Errorf("Referer %q became %q", referer, e.Header.Get("Referer"))
			}
		}
		for to, want := range map[string]string{
			"http://OWN/a?b#c": public + "/a?b#c", "https://OWN": public, "/a": "/a", "http://OWN@evil.example/": "http://" + own[7:] + "@evil.example/",
			"https://elsewhere.example/": "https://elsewhere.example/", "//OWN/": "//" + own[7:] + "/",
		} {
			r := f.request(http.MethodGet, "/", nil, f.amara)
			r.Header.Set("Lead-To", to)
			if got := f.do(r).Header.Get("Location"); got != want {
				t.Errorf("%s led to %q, want %q", to, got, want)
			}
		}
	}
}

// TestHostStays has an app that knows the host it is asked under. What browsers say stays as they said it.
func TestHostStays(t *testing.T) {
	f := newFront(t, http.HandlerFunc(echo), frontOptions{})
	r := f.request(http.MethodPost, "/", nil, f.amara)
	r.Header.Set("Origin", f.server.URL)
	r.Header.Set("Referer", f.server.URL+"/")
	if e := parseEcho(t, f.do(r)); e.Header.Get("Origin") != f.server.URL || e.Header.Get("Referer") != f.server.URL+"/" || "http://"+e.Host != f.server.URL {
		t.Errorf("%s: %v", e.Host, e.Header)
	}
}
