package tracing

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/textproto"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/curfewhq/curfew"
)

// Defaults of the OpenTelemetry protocol (OTLP 1.9, exporter configuration).
const (
	defaultEndpoint = "http://localhost:4318"
	tracesPath      = "/v1/traces"
	defaultTimeout  = 10 * time.Second
)

// destination is where spans go, and how.
type destination struct {
	url     *url.URL
	header  http.Header // may hold a key
	timeout time.Duration
	gzip    bool
	tls     *tls.Config
}

// environment reads variables. What is empty is as if it were not there, as the specification says.
type environment struct{}

func (environment) get(name string) string { return strings.TrimSpace(os.Getenv(name)) }

// otlp returns the value of a setting, that for traces before that for all signals, and which variable it is from.
func (e environment) otlp(setting string) (value, name string) {
	name = "OTEL_EXPORTER_OTLP_TRACES_" + setting
	if value = e.get(name); value == "" {
		name = "OTEL_EXPORTER_OTLP_" + setting
		value = e.get(name)
	}
	return value, name
}

func invalid(name, format string, args ...any) error {
	return &curfew.Error{Code: curfew.CodeInvalid, Message: name + " " + fmt.Sprintf(format, args...)}
}

// destinationOf reads where spans go; nil if nowhere. What asks for traces is an endpoint, or OTEL_TRACES_EXPORTER=otlp.
func destinationOf(e environment) (*destination, error) {
	endpoint, _ := e.otlp("ENDPOINT")
	exporter := e.get("OTEL_TRACES_EXPORTER")
	if strings.EqualFold(e.get("OTEL_SDK_DISABLED"), "true") || exporter == "none" || endpoint == "" && exporter == "" {
		return nil, nil
	}
	if exporter != "" && exporter != "otlp" {
		return nil, invalid("OTEL_TRACES_EXPORTER", "must be otlp or none")
	}
	if v, name := e.otlp("PROTOCOL"); v != "" && v != "http/protobuf" {
		return nil, invalid(name, "must be http/protobuf, which collectors have at port 4318")
	}
	if err := e.checkSampler(); err != nil {
		return nil, err
	}
	d := &destination{}
	for _, read := range []func(environment) error{d.readEndpoint, d.readHeaders, d.readTimeout, d.readCompression, d.readTLS} {
		if err := read(e); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func (d *destination) readEndpoint(e environment) error {
	v, name := e.otlp("ENDPOINT")
	if v == "" {
		v = defaultEndpoint
	}
	u, err := url.Parse(v)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return invalid(name, "must be an address such as %s", defaultEndpoint)
	}
	if name == "OTEL_EXPORTER_OTLP_ENDPOINT" { // of all signals
		u.Path = strings.TrimSuffix(u.Path, "/") + tracesPath
	}
	d.url = u
	return nil
}

// readHeaders reads key=value,key=value, with values percent-encoded. The errors hold none of it.
func (d *destination) readHeaders(e environment) error {
	v, name := e.otlp("HEADERS")
	d.header = http.Header{}
	for pair := range strings.SplitSeq(v, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		key, value, ok := strings.Cut(pair, "=")
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if key = textproto.TrimString(key); !ok || err != nil || !httpguts.ValidHeaderFieldName(key) || !httpguts.ValidHeaderFieldValue(value) {
			return invalid(name, "must be of the form key=value,key=value, with values percent-encoded")
		}
		d.header.Set(key, value)
	}
	return nil
}

func (d *destination) readTimeout(e environment) error {
	d.timeout = defaultTimeout
	v, name := e.otlp("TIMEOUT")
	if v == "" {
		return nil
	}
	ms, err := strconv.ParseUint(v, 10, 31)
	if err != nil || ms == 0 {
		return invalid(name, "must be a number of milliseconds")
	}
	d.timeout = time.Duration(ms) * time.Millisecond
	return nil
}

func (d *destination) readCompression(e environment) error {
	v, name := e.otlp("COMPRESSION")
	if v != "" && v != "none" && v != "gzip" {
		return invalid(name, "must be gzip or none")
	}
	d.gzip = v == "gzip"
	return nil
}

func (d *destination) readTLS(e environment) error {
	d.tls = &tls.Config{}
	if file, name := e.otlp("CERTIFICATE"); file != "" {
		pem, err := os.ReadFile(file)
		d.tls.RootCAs = x509.NewCertPool()
		if err != nil || !d.tls.RootCAs.AppendCertsFromPEM(pem) {
			return invalid(name, "must be a file with certificates, PEM: %s", file)
		}
	}
	certificate, name := e.otlp("CLIENT_CERTIFICATE")
	key, _ := e.otlp("CLIENT_KEY")
	if certificate == "" && key == "" {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		return invalid(name, "and the key beside it can't be used: %v", err)
	}
	d.tls.Certificates = []tls.Certificate{pair}
	return nil
}

var samplers = []string{"", "always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio"}

// checkSampler looks at what the SDK reads itself, and would ignore if it is wrong.
func (e environment) checkSampler() error {
	if sampler := strings.ToLower(e.get("OTEL_TRACES_SAMPLER")); !slices.Contains(samplers, sampler) {
		return invalid("OTEL_TRACES_SAMPLER", "must be one of %s", strings.Join(samplers[1:], ", "))
	} else if arg := e.get("OTEL_TRACES_SAMPLER_ARG"); arg != "" && strings.HasSuffix(sampler, "traceidratio") {
		if ratio, err := strconv.ParseFloat(arg, 64); err != nil || !(ratio >= 0 && ratio <= 1) {
			return invalid("OTEL_TRACES_SAMPLER_ARG", "must be a number from 0 to 1")
		}
	}
	return nil
}
