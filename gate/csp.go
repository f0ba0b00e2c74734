package gate

import (
	"crypto/rand"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// The app's Content-Security-Policy gets what the guard needs, and no more. The guard needs to be run, and to talk to Curfew on
// its own origin: a source for its script element, and 'self' for connections. It needs nothing for styles,
// frames or Trusted Types.
const (
	policyHeader = "Content-Security-Policy"
	reportHeader = "Content-Security-Policy-Report-Only"
)

// Which directives speak of script elements and connections: the first that there is (CSP 3, 6.8.3).
var (
	elementDirectives    = []string{"script-src-elem", "script-src", "default-src"}
	connectionDirectives = []string{"connect-src", "default-src"}
)

// runsScripts reports whether the page may run scripts as part of its origin. In a sandbox the guard could
// do nothing.
func runsScripts(h http.Header) bool {
	for _, p := range policies(h, policyHeader) {
		tokens, ok := p.sources("sandbox")
		if ok && !(has(tokens, "allow-scripts") && has(tokens, "allow-same-origin")) {
			return false
		}
	}
	return true
}

// admit changes the policies so that they let the guard in, and returns the nonce that its tag must have, if any.
//
// Where a policy has a nonce for the page's scripts, the tag takes that one, and the policy stays as it is. Else a nonce
// is added: it admits this one tag, which 'self' would do only together with all scripts of the app's origin. Only where
// anything inline may run, 'self' is added, since a nonce would end that, and little is left to protect.
func admit(h http.Header) (nonce string) {
	nonce, fresh := admitted(h)
	for _, name := range []string{policyHeader, reportHeader} {
		for i, line := range h[name] {
			var changed []string
			for text := range strings.SplitSeq(line, ",") {
				p := parsePolicy(text)
				switch p.lacks() {
				case selfSource:
					p.add(elementDirectives, selfSource)
				case nonceSource:
					if fresh {
						p.add(elementDirectives, "'nonce-"+nonce+"'")
					}
				}
				if sources, ok := p.governing(connectionDirectives); ok && !allowsSelf(sources) {
					p.add(connectionDirectives, selfSource)
				}
				changed = append(changed, p.String())
			}
			h[name][i] = strings.Join(changed, ",")
		}
	}
	return nonce
}

// admitted returns the nonce by which the guard gets in, and whether it is a fresh one that the policies have yet to
// name. A tag has only one nonce, so the page's own will do only if all policies that want one have it.
func admitted(h http.Header) (nonce string, fresh bool) {
	var common []string
	wanted := false
	for _, p := range slices.Concat(policies(h, policyHeader), policies(h, reportHeader)) {
		if p.lacks() != nonceSource {
			continue
		}
		nonces := p.nonces()
		if wanted {
			nonces = slices.DeleteFunc(nonces, func(n string) bool { return !slices.Contains(common, n) })
		}
		common, wanted = nonces, true
	}
	switch {
	case !wanted:
		return "", false
	case len(common) > 0:
		return common[0], false
	}
	return rand.Text(), true
}

// Sources that the guard's tag may need. nonceSource stands for one that has yet to be found.
const (
	selfSource  = "'self'"
	nonceSource = "'nonce-'"
)

// policy is one policy, with the text of each of its directives.
type policy []string

func parsePolicy(text string) policy {
	return strings.Split(text, ";")
}

func (p policy) String() string { return strings.Join(p, ";") }

func policies(h http.Header, name string) []policy {
	var all []policy
	for _, line := range h[name] {
		for text := range strings.SplitSeq(line, ",") {
			all = append(all, parsePolicy(text))
		}
	}
	return all
}

// words splits at ASCII white space only: to a browser, all else is part of a word, which means nothing then.
func words(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \t\n\f\r", r) })
}

// find returns the index of a directive; of several with one name, browsers obey the first.
func (p policy) find(name string) int {
	return slices.IndexFunc(p, func(directive string) bool {
		fields := words(directive)
		return len(fields) > 0 && strings.EqualFold(fields[0], name)
	})
}

func (p policy) sources(name string) (sources []string, ok bool) {
	i := p.find(name)
	if i < 0 {
		return nil, false
	}
	return words(p[i])[1:], true
}

// governing returns the sources of the first of these directives that there is. Without one, everything is allowed.
func (p policy) governing(directives []string) (sources []string, ok bool) {
	for _, name := range directives {
		if sources, ok := p.sources(name); ok {
			return sources, true
		}
	}
	return nil, false
}

// lacks returns the kind of source that the guard's tag needs and the policy does not have, or nothing.
func (p policy) lacks() string {
	sources, ok := p.governing(elementDirectives)
	switch {
	case !ok:
		return ""
	case has(sources, "'strict-dynamic'"): // makes addresses and 'unsafe-inline' mean nothing
		return nonceSource
	case allowsSelf(sources):
		return ""
	case has(sources, "'unsafe-inline'") && !slices.ContainsFunc(sources, isNonceOrHash):
		return selfSource
	}
	return nonceSource
}

// add lets a source in by the first of the directives. If the policy has only one of the others, what that allows is
// said again in the first, so that nothing else that falls back on it gets wider.
func (p *policy) add(directives []string, source string) {
	i := p.find(directives[0])
	if i < 0 {
		sources, _ := p.governing(directives)
		last := len(*p) - 1
		if len(words((*p)[last])) > 0 {
			*p = append(*p, "")
			last++
		}
		(*p)[last] = " " + directives[0] + " " + strings.Join(withSource(sources, source), " ")
		return
	}
	fields := words((*p)[i])
	lead := (*p)[i][:strings.Index((*p)[i], fields[0])]
	(*p)[i] = lead + fields[0] + " " + strings.Join(withSource(fields[1:], source), " ")
}

// withSource adds a source to a list. 'none' means nothing beside others.
func withSource(sources []string, source string) []string {
	kept := slices.DeleteFunc(slices.Clone(sources), func(s string) bool { return strings.EqualFold(s, "'none'") })
	return append(kept, source)
}

func allowsSelf(sources []string) bool {
	return has(sources, selfSource) || has(sources, "*")
}

func has(tokens []string, token string) bool {
	return slices.ContainsFunc(tokens, func(t string) bool { return strings.EqualFold(t, token) })
}

// A source that is a nonce or a hash (CSP 3, 2.3.1). What is in a nonce stands in the tag as it is: it can't end the attribute.
var (
	nonceForm = regexp.MustCompile(`(?i)^'nonce-([A-Za-z0-9+/_-]+={0,2})'$`)
	hashForm  = regexp.MustCompile(`(?i)^'sha(?:256|384|512)-[A-Za-z0-9+/_-]+={0,2}'$`)
)

func isNonceOrHash(source string) bool {
	return nonceForm.MatchString(source) || hashForm.MatchString(source)
}

func (p policy) nonces() []string {
	sources, _ := p.governing(elementDirectives)
	var all []string
	for _, s := range sources {
		if match := nonceForm.FindStringSubmatch(s); match != nil {
			all = append(all, match[1])
		}
	}
	return all
}
