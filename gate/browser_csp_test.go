package gate

import (
	"strings"
	"testing"
	"time"
)

// TestPolicies has the guard run in pages with all kinds of policies: it breaks none of them, and its dialog can be used.
func TestPolicies(t *testing.T) {
	const csp, report = "Content-Security-Policy", "Content-Security-Policy-Report-Only"
	for name, headers := range map[string]map[string]string{
		"no policy":             {},
		"self":                  {csp: "default-src 'self'"},
		"nothing":               {csp: "default-src 'none'"},
		"nothing, twice":        {csp: "default-src 'none'\nscript-src 'none', connect-src 'none'"},
		"another origin":        {csp: "script-src https://cdn.example; connect-src https://api.example; style-src 'none'"},
		"its nonce":             {csp: "script-src 'nonce-abc' 'strict-dynamic'; object-src 'none'; base-uri 'none'"},
		"two nonces":            {csp: "script-src 'nonce-abc'\nscript-src 'nonce-def' 'strict-dynamic'"},
		"hashes":                {csp: "script-src 'strict-dynamic' 'sha256-YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXoxMjM0NTY=' 'self'"},
		"inline":                {csp: "script-src 'unsafe-inline' https://cdn.example"},
		"elements":              {csp: "script-src 'self'; script-src-elem 'none'; script-src-attr 'none'"},
		"only reported":         {csp: "default-src 'self'", report: "script-src 'none'; connect-src 'none'; style-src 'none'"},
		"Trusted Types":         {csp: "default-src 'self'; require-trusted-types-for 'script'; trusted-types 'none'"},
		"a sandbox":             {csp: "sandbox allow-scripts allow-same-origin; default-src 'none'"},
		"integrity":             {"Integrity-Policy": "blocked-destinations=(script)", csp: "default-src 'none'"},
		"isolation":             {"Cross-Origin-Embedder-Policy": "require-corp", "Cross-Origin-Opener-Policy": "same-origin", csp: "default-src 'none'"},
		"all that is permitted": {"Permissions-Policy": "fullscreen=(), geolocation=()", "Document-Policy": "document-write=?0", "X-Frame-Options": "DENY"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := protect(t, answerWith(headers, "<!doctype html><title>x</title><p>y"))
			b := openTab(t, p.base)
			b.until("the guard runs", "states > 0")
			b.showsDialog(p)
		})
	}
}

// TestPolicyKeepsOthersOut has a page whose policy the guard's needs were added to: what it forbade is still forbidden.
func TestPolicyKeepsOthersOut(t *testing.T) {
	t.Parallel()
	body := `<!doctype html><title>x</title><script>window.inline = true</script><script src=/.curfew/guard.js?again onload="window.other = true"></script>`
	p := protect(t, answerWith(map[string]string{"Content-Security-Policy": "default-src 'none'"}, body))
	b := openTab(t, p.base)
	b.until("the guard runs", "states > 0")
	if eval[bool](b, "!!(window.inline || window.other)") {
		t.Error("another script runs too")
	}
	if errors := b.TakeErrors(); len(errors) < 2 {
		t.Errorf("the browser's console has only %q", errors)
	}
}

// TestSandbox has pages in which scripts may not run, or not as the app's: they are left alone, without an error.
func TestSandbox(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{"sandbox", "sandbox allow-scripts"} {
		p := protect(t, answerWith(map[string]string{"Content-Security-Policy": policy}, "<!doctype html><title>x</title><p>y"))
		b := openTab(t, p.base)
		if got := eval[int](b, "document.scripts.length"); got != 0 {
			t.Errorf("%s: %d scripts", policy, got)
		}
	}
}

// TestPolicyInMarkup has policies that can't be amended without changing the page. They come too late for the guard's script,
// whose tag is in front of them; if they forbid it to talk to the server, it says so once and keeps quiet.
func TestPolicyInMarkup(t *testing.T) {
	for policy, runs := range map[string]bool{
		"script-src 'none'":                      true,
		"script-src 'nonce-abc'":                 true,
		"default-src 'self'":                     true,
		"default-src 'none'":                     false,
		"connect-src https://api.example":        false,
		"default-src 'none'; connect-src 'self'": true,
	} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			p := protect(t, answerWith(nil, `<!doctype html><meta http-equiv=Content-Security-Policy content="`+policy+`"><title>x</title><p>y`))
			b := openTab(t, p.base)
			if runs {
				b.until("the guard runs", "states > 0")
				b.showsDialog(p)
				return
			}
			time.Sleep(6 * time.Second) // it would ask again after 5
			if errors := b.TakeErrors(); eval[int](b, "states") != 0 || len(errors) != 1 && len(errors) != 2 || !strings.Contains(errors[0], "connect") {
				t.Errorf("the browser's console: %q", errors)
			}
		})
	}
}
