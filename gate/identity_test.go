package gate

import (
	"maps"
	"net/http"
	"slices"
	"testing"

	"github.com/curfewhq/curfew"
)

func TestIdentityIsOurs(t *testing.T) {
	h := http.Header{"Accept": {"*/*"}, "X-Request-Id": {"1"}, "Remoteness": {"far"}, "Referer": {"x"}, "X-Forward": {"1"},
		"X-Auth-Token": {"1"}, "Proxy-Connection": {"x"}, "X": {"1"}, "X-": {"1"}, "X-Webhook": {"1"}, "Client-Ipa": {"1"}, "X-Author": {"1"}}
	want := h.Clone()
	for _, name := range []string{
		"Remote-User", "remote-user", "REMOTE_USER", "Remote_user", "Remote-Name", "Remote-Role", "Remote-Groups", "Remote-Email",
		"X-Forwarded-For", "x_forwarded_for", "X-Forwarded_Proto", "X-Forwarded-User", "X-Forwarded-Prefix", "Forwarded", "FORWARDED",
		"Remote.User", "remote~user", "X.Forwarded-For", "X-Remote-User", "X-Real-Ip", "X_Real_IP", "X-Original-Url", "X-Rewrite-Url",
		"X-Webauth-User", "x_webauth_email", "X-Auth-Request-User", "X.Auth.Request.Email", "X-Authentik-Username", "X_AUTHENTIK_GROUPS",
		"X-Forwarded-Email", "X-Forwarded-Groups", "X-Forwarded-Preferred-Username", "X-Forwarded", "X-Remote-Groups", "X-Authenticated-User",
		"x_authenticated_userid", "Client-Ip", "CLIENT_IP", "True-Client-Ip", "true.client.ip", "X-Client-Ip", "X-Cluster-Client-Ip", "Proxy", "PROXY",
	} {
		h[name] = []string{"mallory", "mallory"}
	}
	stranger := h.Clone()
	setIdentity(stranger, &decision{})
	if !maps.EqualFunc(stranger, want, slices.Equal) {
		t.Errorf("a stranger's headers: %v, want %v", stranger, want)
	}
	d := decision{session: curfew.Session{ID: "s", User: curfew.User{Name: "amara", FullName: "Amára\r\nX: y"}}, role: "admin"}
	setIdentity(h, &d)
	setForwarded(h, curfew.Origin{Addr: "192.0.2.7", Secure: true, Host: "app.example.com:8443"})
	for name, value := range map[string]string{
		"Remote-User": "amara", "Remote-Name": "AmáraX: y", "Remote-Role": "admin",
		"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "app.example.com:8443",
	} {
		want[name] = []string{value}
	}
	if !maps.EqualFunc(h, want, slices.Equal) {
		t.Errorf("amara's headers: %v, want %v", h, want)
	}
}
