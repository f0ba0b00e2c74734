package main

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/gate"
)

// proxy is a range of addresses, or one address.
type proxy netip.Prefix

// UnmarshalText reads a range such as 10.0.0.0/8, or an address.
func (p *proxy) UnmarshalText(text []byte) error {
	if a, err := netip.ParseAddr(string(text)); err == nil {
		*p = proxy(netip.PrefixFrom(a, a.BitLen()))
		return nil
	}
	v, err := netip.ParsePrefix(string(text))
	if err != nil {
		return fmt.Errorf("%q is not an address or a range of addresses such as 10.0.0.0/8", text)
	}
	*p = proxy(v.Masked())
	return nil
}

func prefixes(proxies []proxy) []netip.Prefix {
	list := make([]netip.Prefix, len(proxies))
	for i, p := range proxies {
		list[i] = netip.Prefix(p)
	}
	return list
}

// domain is a domain of which all hosts may have a cookie.
type domain string

// UnmarshalText reads a domain such as example.com. It refuses those that browsers give no cookies: addresses, and
// domains below which anybody may have a host (publicsuffix.org).
func (d *domain) UnmarshalText(text []byte) error {
	s := strings.ToLower(string(text))
	_, err := netip.ParseAddr(strings.Trim(s, "[]"))
	last := s[strings.LastIndexByte(s, '.')+1:]
	suffix, _ := publicsuffix.PublicSuffix(s)
	switch {
	case err == nil, last != "" && strings.Trim(last, "0123456789") == "":
		return fmt.Errorf("%q is an address; cookies for several hosts need a domain such as example.com", text)
	case isDomain(strings.TrimLeft(s, "*.")) && !isDomain(s):
		return fmt.Errorf("%q must be without a dot before it: %s is for all hosts below it anyway", text, strings.TrimLeft(s, "*."))
	case !isDomain(s):
		return fmt.Errorf("%q is not a domain such as example.com; give one in Unicode as xn--…", text)
	case suffix == s:
		return fmt.Errorf("anybody may have a host below %q, so browsers refuse cookies for it; give your own domain below it", text)
	}
	*d = domain(s)
	return nil
}

// isDomain reports whether s is made of labels of letters, digits and hyphens (RFC 1123, 2.1), without a dot around it.
func isDomain(s string) bool {
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "-") != label || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
	}
	return len(s) <= 253
}

// hostName is a host, without a port.
type hostName string

// UnmarshalText reads a host such as console.example.com.
func (h *hostName) UnmarshalText(text []byte) error {
	s := strings.ToLower(string(text))
	if err := gate.CheckHost(s); err != nil {
		return unnamed(err)
	}
	*h = hostName(s)
	return nil
}

// duration is a time.Duration that may be given in days too, such as "30d".
type duration time.Duration

// UnmarshalText reads a duration.
func (d *duration) UnmarshalText(text []byte) error {
	s := string(text)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return fmt.Errorf("%q is not a whole number of days", s)
		}
		*d = duration(time.Duration(n) * 24 * time.Hour)
		return nil
	}
	v, err := time.ParseDuration(s)
	if err != nil || v < 0 {
		return fmt.Errorf("%q is not a duration such as 30d, 12h or 90m", s)
	}
	*d = duration(v)
	return nil
}

// upstream is an app as --upstream names it.
type upstream gate.App

// UnmarshalText reads an address such as http://127.0.0.1:3000, or HOST=ADDRESS.
func (u *upstream) UnmarshalText(text []byte) error {
	host, address, named := strings.Cut(string(text), "=")
	if !named {
		host, address = "", string(text)
	} else if host == "" {
		return fmt.Errorf("%q must be an address, or HOST=ADDRESS", text)
	}
	var at upstreamURL
	if err := at.UnmarshalText([]byte(address)); err != nil {
		return err
	}
	app := gate.App{Host: strings.ToLower(host), Upstream: at.URL}
	*u = upstream(app)
	err := app.Check()
	if e, ok := errors.AsType[*curfew.Error](err); ok && e.Field == "upstream" {
		return errors.New(e.Message) // the flag's name is said already
	}
	return err
}
