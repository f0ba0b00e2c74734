package useragent

import (
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"
)

var devices = []struct {
	ua, brands, platform string
	want                 string
}{
	{ua: "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36",
		brands: `"Google Chrome";v="156", "Chromium";v="156", "Not)A;Brand";v="24"`, platform: `"macOS"`, want: "Chrome 156 on macOS"},
	{ua: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36", want: "Chrome 156 on Windows"},
	{ua: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36",
		brands: `"Not_A Brand";v="8", "Chromium";v="156"`, platform: `"Linux"`, want: "Chromium 156 on Linux"},
	{ua: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/156.0.0.0 Safari/537.36",
		brands: `"HeadlessChrome";v="156", "Chromium";v="156", "Not)A;Brand";v="24"`, platform: `"Linux"`, want: "Headless Chrome 156 on Linux"},
	{ua: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/156.0.0.0 Safari/537.36", want: "Headless Chrome 156 on Linux"},
	{ua: "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36",
		brands: `"Chromium";v="156", "Google Chrome";v="156"`, platform: `"Chrome OS"`, want: "Chrome 156 on ChromeOS"},
	{ua: "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Mobile Safari/537.36", want: "Chrome 156 on Android"},
	{ua: "Mozilla/5.0 (iPhone; CPU iPhone OS 26_1_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/156.0.7890.40 Mobile/15E148 Safari/604.1", want: "Chrome 156 on iPhone"},
	{ua: "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36",
		brands: `"Chromium";v="156", "Brave";v="156", "Not)A;Brand";v="24"`, platform: `"macOS"`, want: "Brave 156 on macOS"},
	{ua: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36 Edg/156.0.0.0",
		brands: `"Chromium";v="156", "Microsoft Edge";v="156", "Not)A;Brand";v="24"`, platform: `"Windows"`, want: "Edge 156 on Windows"},
	{ua: "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Mobile Safari/537.36 EdgA/156.0.0.0", want: "Edge 156 on Android"},
	{ua: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/154.0.0.0 Safari/537.36 OPR/138.0.0.0", want: "Opera 138 on Windows"},
	{ua: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/154.0.0.0 Safari/537.36 OPR/138.0.0.0",
		brands: `"Opera";v="138", "Chromium";v="154", "Not)A;Brand";v="24"`, platform: `"Linux"`, want: "Opera 138 on Linux"},
	{ua: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36 Vivaldi/8.2.4000.30", want: "Vivaldi 8 on Linux"},
	{ua: "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/30.0 Chrome/150.0.0.0 Mobile Safari/537.36", want: "Samsung Internet 30 on Android"},
	{ua: "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:151.0) Gecko/20100101 Firefox/151.0", want: "Firefox 151 on Linux"},
	{ua: "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:151.0) Gecko/20100101 Firefox/151.0", want: "Firefox 151 on Windows"},
	{ua: "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:151.0) Gecko/20100101 Firefox/151.0", want: "Firefox 151 on macOS"},
	{ua: "Mozilla/5.0 (Android 16; Mobile; rv:151.0) Gecko/151.0 Firefox/151.0", want: "Firefox 151 on Android"},
	{ua: "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) FxiOS/151.0 Mobile/15E148 Safari/605.1.15", want: "Firefox 151 on iPhone"},
	{ua: "Mozilla/5.0 (X11; FreeBSD amd64; rv:151.0) Gecko/20100101 Firefox/151.0", want: "Firefox 151 on FreeBSD"},
	{ua: "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 Safari/605.1.15", want: "Safari 26 on macOS"},
	{ua: "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 Mobile/15E148 Safari/604.1", want: "Safari 26 on iPhone"},
	{ua: "Mozilla/5.0 (iPad; CPU OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 Mobile/15E148 Safari/604.1", want: "Safari 26 on iPad"},
	{ua: "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 Safari/605.1.15 Ddg/26.1", want: "Safari 26 on macOS"},
	{ua: "Mozilla/5.0 (Windows NT 10.0; Microsoft Windows 10.0.26100; en-US) PowerShell/7.5.4", want: "PowerShell 7 on Windows"},
	{ua: "curl/8.5.0", want: "curl 8.5"},
	{ua: "Wget/1.25.0", want: "Wget 1.25"},
	{ua: "Go-http-client/1.1", want: "Go-http-client"},
	{ua: "Go-http-client/2.0", want: "Go-http-client"},
	{ua: "python-requests/2.34.2", want: "python-requests 2.34"},
	{ua: "Apache-HttpClient/5.5.1 (Java/25.0.1)", want: "Apache-HttpClient 5.5"},
	{ua: "node", want: "node"},

	{ua: "", want: Unknown},
	{ua: "   ", want: Unknown},
	{ua: "Mozilla/5.0", want: Unknown},
	{ua: "<script>alert(1)</script>", want: Unknown},
	{ua: "Chrome\u202e 156", want: Unknown},
	{ua: "curl/8.5\x1b[31m", want: "curl 8.5"},
	{ua: strings.Repeat("a", 1<<20), want: Unknown},
	{ua: "Mozilla/5.0 (X11; Linux x86_64) " + strings.Repeat("x", 1<<20), want: "Unknown browser on Linux"},
	{ua: "Mozilla/5.0 (X11; Linux x86_64) Chrome/1.0 Safari/1.0 ended by amara/1.0", want: "Unknown browser on Linux"},
	{ua: "curl/8.5.0", brands: `"Google Chrome";v="156"`, platform: `"macOS"`, want: "curl 8.5"},
	{ua: "Mozilla/5.0 (X11; Linux x86_64; rv:151.0) Gecko/20100101 Firefox/151.0", brands: `"Anything at all";v="1"`, platform: `"Amiga"`, want: "Firefox 151 on Linux"},
}

func TestDescribe(t *testing.T) {
	for _, d := range devices {
		if got := Describe(headers(d.ua, d.brands, d.platform)); got != d.want {
			t.Errorf("%.120q %s %s:\ngot  %q\nwant %q", d.ua, d.brands, d.platform, got, d.want)
		}
	}
}

func TestDescribeWithoutHeaders(t *testing.T) {
	if got := Describe(http.Header{}); got != Unknown {
		t.Errorf("got %q", got)
	}
}

// Whatever a client sends, the words are short, printable ASCII.
func FuzzDescribe(f *testing.F) {
	for _, d := range devices {
		f.Add(d.ua[:min(len(d.ua), 600)], d.brands, d.platform)
	}
	f.Fuzz(func(t *testing.T, ua, brands, platform string) {
		got := Describe(headers(ua, brands, platform))
		if got == "" || utf8.RuneCountInString(got) > 64 {
			t.Errorf("%q has %d characters", got, utf8.RuneCountInString(got))
		}
		if i := strings.IndexFunc(got, func(r rune) bool { return r < ' ' || r > '~' || strings.ContainsRune(`<>"'&`, r) }); i >= 0 {
			t.Errorf("%q has %q", got, got[i:])
		}
		if strings.Count(got, " on ") > 1 {
			t.Errorf("%q names two systems", got)
		}
	})
}

func headers(ua, brands, platform string) http.Header {
	h := http.Header{}
	h.Set("User-Agent", ua)
	h.Set("Sec-CH-UA", brands)
	h.Set("Sec-CH-UA-Platform", platform)
	return h
}
