package gate

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// FRESH stands for a nonce made for this answer.
func TestAdmit(t *testing.T) {
	for name, test := range map[string]struct{ policy, want, nonce string }{
		"no policy":        {"", "", ""},
		"nothing about it": {"img-src 'none'; frame-ancestors 'self'", "", ""},
		"already allowed":  {"default-src 'self'", "", ""},
		"allowed by *":     {"default-src *", "", ""},
		"in capitals":      {"DEFAULT-SRC 'SELF'", "", ""},
		"allowed by its own": {
			"default-src 'none'; script-src 'self'; connect-src 'self'", "", ""},

		"another origin": {
			"script-src https://cdn.example",
			"script-src https://cdn.example; script-src-elem https://cdn.example 'nonce-FRESH'", "FRESH"},
		"elements by themselves": {
			"script-src 'self'; script-src-elem https://cdn.example ; img-src *",
			"script-src 'self'; script-src-elem https://cdn.example 'nonce-FRESH'; img-src *", "FRESH"},
		"none at all": {
			"default-src 'none'",
			"default-src 'none'; script-src-elem 'nonce-FRESH'; connect-src 'self'", "FRESH"},
		"none for scripts": {
			"script-src 'none'; connect-src 'none'",
			"script-src 'none'; connect-src 'self'; script-src-elem 'nonce-FRESH'", "FRESH"},
		"an empty list": {
			"script-src-elem; connect-src;",
			"script-src-elem 'nonce-FRESH'; connect-src 'self';", "FRESH"},
		"only connections": {
			"default-src https://cdn.example; script-src 'self' ;",
			"default-src https://cdn.example; script-src 'self' ; connect-src https://cdn.example 'self'", ""},
		"the first of two counts": {
			"script-src https://a.example; script-src 'self'",
			"script-src https://a.example; script-src 'self'; script-src-elem https://a.example 'nonce-FRESH'", "FRESH"},

		"a nonce": {
			"script-src 'nonce-abc'; connect-src 'self'", "", "abc"},
		"a nonce in all policies": {
			"script-src 'nonce-abc' 'nonce-def', script-src 'nonce-def' 'strict-dynamic'", "", "def"},
		"a nonce, but 'self' too": {
			"script-src 'self' 'nonce-abc'", "", ""},
		"a nonce beside a policy with 'self'": {
			"script-src 'nonce-abc', script-src 'self'", "", "abc"},
		"different nonces": {
			"script-src 'nonce-abc', script-src 'nonce-def'",
			"script-src 'nonce-abc'; script-src-elem 'nonce-abc' 'nonce-FRESH', script-src 'nonce-def'; script-src-elem 'nonce-def' 'nonce-FRESH'", "FRESH"},
		"a nonce that is none": {
			`script-src 'nonce-a"><b>'`,
			`script-src 'nonce-a"><b>'; script-src-elem 'nonce-a"><b>' 'nonce-FRESH'`, "FRESH"},
		"strict-dynamic with a nonce": {
			"script-src 'strict-dynamic' 'nonce-abc' 'self' 'unsafe-inline' https:; object-src 'none'", "", "abc"},
		"strict-dynamic with a hash": {
			"script-src 'self' 'unsafe-inline' 'strict-dynamic' 'sha256-YWJj'",
			"script-src 'self' 'unsafe-inline' 'strict-dynamic' 'sha256-YWJj'; script-src-elem 'self' 'unsafe-inline' 'strict-dynamic' 'sha256-YWJj' 'nonce-FRESH'", "FRESH"},
		"hashes": {
			"script-src 'sha256-YWJj'",
			"script-src 'sha256-YWJj'; script-src-elem 'sha256-YWJj' 'nonce-FRESH'", "FRESH"},

		// A nonce would end 'unsafe-inline'.
		"anything inline": {
			"script-src 'unsafe-inline' https://cdn.example",
			"script-src 'unsafe-inline' https://cdn.example; script-src-elem 'unsafe-inline' https://cdn.example 'self'", ""},
		"anything inline, but for a hash": {
			"script-src-elem 'unsafe-inline' 'sha256-YWJj'",
			"script-src-elem 'unsafe-inline' 'sha256-YWJj' 'nonce-FRESH'", "FRESH"},

		"several": {
			"default-src 'self',default-src https:, img-src *",
			"default-src 'self',default-src https:; script-src-elem https: 'nonce-FRESH'; connect-src https: 'self', img-src *", "FRESH"},
		"white space that is none": {
			"script-src\thttps://a.example\u00a0*",
			"script-src\thttps://a.example\u00a0*; script-src-elem https://a.example\u00a0* 'nonce-FRESH'", "FRESH"},
		"Trusted Types": {
			"require-trusted-types-for 'script'; trusted-types 'none'", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			for _, header := range []string{policyHeader, reportHeader} {
				h := http.Header{header: {test.policy, "frame-ancestors 'none'"}}
				nonce := admit(h)
				got := h[header][0]
				if freshForm.MatchString(nonce) {
					got, nonce = strings.ReplaceAll(got, nonce, "FRESH"), "FRESH"
				}
				want := test.want
				if want == "" {
					want = test.policy
				}
				if got != want || nonce != test.nonce || h[header][1] != "frame-ancestors 'none'" {
					t.Errorf("%s: nonce %q, policy\n\t%q, want %q and\n\t%q", header, nonce, got, test.nonce, want)
				}
			}
		})
	}
}

var freshForm = regexp.MustCompile(`^[A-Z2-7]{26}$`)

func TestAdmitBothHeaders(t *testing.T) {
	h := http.Header{policyHeader: {"script-src 'nonce-abc'"}, reportHeader: {"script-src 'none'", "script-src 'nonce-abc'"}}
	nonce := admit(h)
	for name, lines := range h {
		for _, line := range lines {
			if !freshForm.MatchString(nonce) || !strings.HasSuffix(line, " 'nonce-"+nonce+"'") {
				t.Errorf("%s: %q does not end with the nonce %q", name, line, nonce)
			}
		}
	}
	if other := admit(http.Header{policyHeader: {"default-src 'none'"}}); other == nonce {
		t.Error("two pages have the same nonce")
	}
}

func TestRunsScripts(t *testing.T) {
	for policy, want := range map[string]bool{
		"":                      true,
		"default-src 'none'":    true,
		"sandbox":               false,
		"sandbox allow-scripts": false,
		"sandbox allow-forms; default-src 'self'":                       false,
		"default-src 'self', sandbox allow-scripts":                     false,
		"Sandbox Allow-Scripts allow-same-origin; default-src 'self'":   true,
		"sandbox allow-scripts allow-same-origin, sandbox allow-forms ": false,
	} {
		if got := runsScripts(http.Header{policyHeader: {policy}}); got != want {
			t.Errorf("%q: %v", policy, got)
		}
	}
	if !runsScripts(http.Header{reportHeader: {"sandbox"}}) {
		t.Error("sandbox means nothing in a policy that only reports")
	}
}

// FuzzAdmit has any policy: what was allowed stays so, nothing but the guard's needs comes in, and doing it twice
// changes nothing more.
func FuzzAdmit(f *testing.F) {
	for _, policy := range []string{
		"default-src 'none'", "script-src 'self' 'strict-dynamic', ;; default-src", "connect-src;script-src 'unsafe-inline'", "\tscript-src-elem\t'none' ; ;",
	} {
		f.Add(policy)
	}
	f.Fuzz(func(t *testing.T, text string) {
		h := http.Header{policyHeader: {text}}
		before := policies(h, policyHeader)
		nonce := admit(h)
		after := policies(h, policyHeader)
		if len(before) != len(after) {
			t.Fatalf("%q became %q", text, h[policyHeader])
		}
		for i, p := range after {
			elements, any := p.governing(elementDirectives)
			if any && !has(elements, "*") && !has(elements, selfSource) && (nonce == "" || !has(elements, "'nonce-"+nonce+"'")) {
				t.Errorf("%q: the guard is not let in", p)
			}
			checkAdded(t, before[i], p, elementDirectives, selfSource, "'nonce-"+nonce+"'")
			checkAdded(t, before[i], p, connectionDirectives, selfSource)
			for _, directive := range before[i] {
				name, _, _ := strings.Cut(strings.TrimSpace(directive), " ")
				if strings.EqualFold(name, "script-src-elem") || strings.EqualFold(name, "connect-src") {
					continue
				}
				if was, ok := before[i].sources(name); ok {
					if is, _ := p.sources(name); strings.Join(is, " ") != strings.Join(was, " ") {
						t.Errorf("%q: %s was %q", p, name, was)
					}
				}
			}
		}
		once := h[policyHeader][0]
		if admit(h); h[policyHeader][0] != once {
			t.Errorf("%q became %q the second time", once, h[policyHeader][0])
		}
	})
}

// checkAdded fails the test if the directives' sources have become others than they were and one of those that may come in.
func checkAdded(t *testing.T, before, after policy, directives []string, may ...string) {
	t.Helper()
	was, _ := before.governing(directives)
	is, _ := after.governing(directives)
	for _, s := range is {
		if !has(was, s) && !has(may, s) {
			t.Errorf("%q came into %q", s, before)
		}
	}
	for _, s := range was {
		if !has(is, s) && !strings.EqualFold(s, "'none'") {
			t.Errorf("%q was lost from %q", s, before)
		}
	}
}
