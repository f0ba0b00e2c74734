package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// The bounds of what a receiver may take of us.
const (
	answerTime = 15 * time.Second
	maxAnswer  = 64 << 10 // bytes
	idleTime   = 90 * time.Second
)

// newClient returns a client that follows no redirect: the endpoint is the one that was configured.
func newClient() *http.Client {
	return &http.Client{
		Timeout:       answerTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 2, IdleConnTimeout: idleTime, MaxResponseHeaderBytes: maxAnswer, ForceAttemptHTTP2: true,
		},
	}
}

// post sends a message once. The error tells nothing that the receiver wrote.
func (r *receiver) post(ctx context.Context, m message) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.URL.String(), bytes.NewReader(m.body))
	if err != nil {
		return err
	}
	now := time.Now()
	signatures := make([]string, 0, len(r.signers))
	for _, signer := range r.signers {
		s, err := signer.Sign(m.id, now, m.body)
		if err != nil {
			return err
		}
		signatures = append(signatures, s)
	}
	h := req.Header
	h.Set("Content-Type", "application/json")
	h.Set("User-Agent", "Curfew")
	h.Set(standardwebhooks.HeaderWebhookID, m.id)
	h.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	h.Set(standardwebhooks.HeaderWebhookSignature, strings.Join(signatures, " "))
	resp, err := r.client.Do(req)
	if err != nil {
		return unanswered(err)
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer)) // so that the connection can be used again
	if resp.StatusCode/100 == 2 {
		return nil
	}
	return answered(resp)
}

// failure is an answer that is none of success.
type failure struct {
	status  int
	gone    bool          // no messages are wanted any more
	refused bool          // this message is not, whenever it comes
	after   time.Duration // when to try again
}

func (f *failure) Error() string {
	text := fmt.Sprintf("it answered %d %s", f.status, http.StatusText(f.status))
	if f.status/100 == 3 {
		text += "; a redirect is not followed"
	}
	return text
}

// failureOf sorts an error of post.
func failureOf(err error) *failure {
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	return &failure{}
}

// answered sorts an answer, as Standard Webhooks have it: 410 means no more. What may be otherwise the next time is tried again.
func answered(resp *http.Response) *failure {
	f := &failure{status: resp.StatusCode, gone: resp.StatusCode == http.StatusGone}
	switch resp.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
	default:
		f.refused = resp.StatusCode/100 == 4 && !f.gone
	}
	f.after = retryAfter(resp.Header.Get("Retry-After"), time.Now())
	return f
}

// retryAfter reads how long to wait, which is in seconds or a date (RFC 9110, section 10.2.3); 0 if it is neither, or over.
func retryAfter(text string, now time.Time) time.Duration {
	if n, err := strconv.Atoi(text); err == nil {
		return time.Duration(min(max(n, 0), 1<<20)) * time.Second
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	return max(at.Sub(now), 0)
}

// unanswered says why there is no answer, without the URL, whose query may hold a secret. What a receiver sends instead of HTTP stands in the
// errors of package http, be it that secret or a megabyte; so only those are told that don't quote it.
func unanswered(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		if u.Timeout() {
			return errors.New("it did not answer in time")
		}
		err = u.Err
	}
	if certificate, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return fmt.Errorf("%.200s", certificate.Error()) // which may quote many names
	}
	if network, ok := errors.AsType[*net.OpError](err); ok {
		return network
	}
	switch {
	case errors.Is(err, io.EOF):
		return errors.New("it closed the connection without an answer")
	case errors.Is(err, http.ErrSchemeMismatch):
		return http.ErrSchemeMismatch
	default:
		return errors.New("its answer is not HTTP")
	}
}

// outcomeOf sorts what post returned.
func outcomeOf(err error) Outcome {
	f, answered := errors.AsType[*failure](err)
	switch {
	case err == nil:
		return Taken
	case !answered:
		return Unanswered
	case f.gone:
		return Gone
	case f.refused:
		return Refused
	default:
		return Failed
	}
}
