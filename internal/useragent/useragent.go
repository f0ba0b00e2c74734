// Package useragent puts a client's device into words for lists of sessions.
//
// A client can claim to be any device, so the words help people to recognise their own sessions and prove nothing.
package useragent

import (
	"net/http"
	"regexp"
	"strings"

	"github.com/mileusna/useragent"
)

// Unknown is what Describe says of a client that says nothing, or nothing sensible.
const Unknown = "Unknown device"

// maxInput is how many bytes of a header are looked at. Browsers send fewer than half as many.
const maxInput = 512

// Describe returns a device in words, such as "Chrome 156 on macOS", "Safari 26 on iPhone" or "curl 8.5". The words
// are ASCII and no longer than 64 characters: of what the client wrote, only names of known browsers and systems, or
// else one product token, get into them.
func Describe(h http.Header) string {
	ua := head(h.Get("User-Agent"))
	if !strings.HasPrefix(ua, "Mozilla/") {
		return describeTool(ua)
	}
	parsed := useragent.Parse(ua)
	browser, system := browserOf(parsed), systemOf(parsed)
	if b := brand(head(h.Get("Sec-CH-UA"))); b != "" {
		browser = b
	}
	if s := platforms[h.Get("Sec-CH-UA-Platform")]; s != "" {
		system = s
	}
	return join(browser, system)
}

func head(s string) string { return s[:min(len(s), maxInput)] }

func join(browser, system string) string {
	switch {
	case browser == "" && system == "":
		return Unknown
	case browser == "":
		return "Unknown browser on " + system
	case system == "":
		return browser
	default:
		return browser + " on " + system
	}
}

// product is the first product token of a User-Agent header (RFC 9110, 10.1.5), with as much of its version as says
// something to people.
var product = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9._-]{0,31})(?:/v?([0-9]{1,5}(?:\.[0-9]{1,5})?)[^ ]*)?(?: |$)`)

// describeTool describes what doesn't claim to be a browser.
func describeTool(ua string) string {
	m := product.FindStringSubmatch(ua)
	switch {
	case m == nil:
		return Unknown
	case m[2] == "" || m[1] == "Go-http-client": // whose number is that of HTTP
		return m[1]
	default:
		return m[1] + " " + m[2]
	}
}

var (
	token = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._-]{0,31}$`)
	major = regexp.MustCompile(`^[0-9]{1,5}`)
)

// names are browsers that the parser calls otherwise than their own token in the header, and what people call them.
var names = map[string]string{
	useragent.Chrome:           "Chrome",
	useragent.Edge:             "Edge",
	useragent.Firefox:          "Firefox",
	useragent.Opera:            "Opera",
	useragent.HeadlessChrome:   "Headless Chrome",
	useragent.InternetExplorer: "Internet Explorer",
	useragent.MobileSafari:     "Safari",
	useragent.OperaMini:        "Opera Mini",
	useragent.OperaTouch:       "Opera Touch",
	useragent.SamsungBrowser:   "Samsung Internet",
	"Android browser":          "Android Browser",
	"Ddg":                      "DuckDuckGo",
	"Huawei Browser":           "Huawei Browser",
	"Miui Browser":             "Mi Browser",
	"YaBrowser":                "Yandex Browser",
}

func browserOf(ua useragent.UserAgent) string {
	name, known := names[ua.Name]
	if !known && isProduct(ua) {
		name = ua.Name
	}
	return withVersion(name, ua.Version)
}

// isProduct reports whether the name is one that the header gives to a product, not a part of a comment such as X11,
// which the parser takes where it finds nothing better.
func isProduct(ua useragent.UserAgent) bool {
	return token.MatchString(ua.Name) && ua.Name != useragent.Mozilla && strings.Contains(ua.String, " "+ua.Name+"/")
}

func withVersion(name, version string) string {
	if v := major.FindString(version); name != "" && v != "" {
		return name + " " + v
	}
	return name
}

// berkeleys are systems that the parser does not find.
var berkeleys = regexp.MustCompile(`\b(?:Free|Net|Open)BSD\b`)

func systemOf(ua useragent.UserAgent) string {
	switch ua.OS {
	case "":
		return berkeleys.FindString(ua.String)
	case useragent.IOS:
		return ua.Device // iPhone or iPad
	case useragent.Harmony:
		return "HarmonyOS"
	default:
		return ua.OS
	}
}

// brands are the names in Sec-CH-UA that say more than the User-Agent header, which most Chromium browsers share.
var brands = map[string]string{
	"Brave":                   "Brave",
	"DuckDuckGo":              "DuckDuckGo",
	"Google Chrome":           "Chrome",
	"HeadlessChrome":          "Headless Chrome",
	"Microsoft Edge":          "Edge",
	"Opera":                   "Opera",
	"Opera GX":                "Opera GX",
	"Samsung Internet":        "Samsung Internet",
	"Vivaldi":                 "Vivaldi",
	"YaBrowser":               "Yandex Browser",
	"Yandex":                  "Yandex Browser",
	"Android WebView":         "Android WebView",
	"Microsoft Edge WebView2": "Edge WebView",
}

var brandVersion = regexp.MustCompile(`"([^"\\]{1,64})" *; *v="([0-9]{1,5})"`)

// brand returns the browser that the Sec-CH-UA header names, or "" if it names none that we know. Chromium stands for
// itself only where no product built on it is named.
func brand(header string) string {
	chromium := ""
	for _, m := range brandVersion.FindAllStringSubmatch(header, -1) {
		if name := brands[m[1]]; name != "" {
			return withVersion(name, m[2])
		}
		if m[1] == "Chromium" {
			chromium = withVersion(m[1], m[2])
		}
	}
	return chromium
}

// platforms are the values of Sec-CH-UA-Platform, quotes included. On iOS no browser sends it.
var platforms = map[string]string{
	`"Android"`:     "Android",
	`"Chrome OS"`:   "ChromeOS",
	`"Chromium OS"`: "ChromeOS",
	`"Linux"`:       "Linux",
	`"macOS"`:       "macOS",
	`"Windows"`:     "Windows",
}
