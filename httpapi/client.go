package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Client calls the API: a server's by its address, or this machine's by a socket. Its errors are *curfew.Error with the server's
// code, and ErrProofNeeded; but if the server can't be reached, what the transport returned. A Client may be used from many
// goroutines.
type Client struct {
	http http.Client
	// Server is Curfew's address, such as https://example.com/.curfew. Empty for transports that lead to one server.
	Server string
	// Operator is the name of who gives the commands, for the history; may be empty. Only who runs the machine is believed.
	Operator string
	// Authorize says in each request whose it is; nil where the transport is enough.
	Authorize func(*http.Request)
}

// NewClient returns a client that reaches the API by rt: http.DefaultTransport, a SocketTransport or a HandlerTransport. It follows no
// redirect: the API has none, and what Authorize adds is for Server alone.
func NewClient(rt http.RoundTripper) *Client {
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{http: http.Client{Transport: rt, CheckRedirect: stay}}
}

// Status asks which server answers. Only who runs the machine may.
func (c *Client) Status(ctx context.Context) (s Status, err error) {
	return s, c.call(ctx, http.MethodGet, "/status", nil, &s)
}

// call makes a call, with body as JSON if there is one, and reads the answer into the value, if there is one.
func (c *Client) call(ctx context.Context, method, path string, body, into any) error {
	resp, err := c.send(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNoContent {
		return nil
	}
	if !isOfType(resp, jsonType) {
		return strangeAnswer(resp)
	}
	if into == nil {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(into); err != nil {
		return fmt.Errorf("read the server's answer: %w", err)
	}
	return nil
}

func (c *Client) send(ctx context.Context, method, path string, body any) (*http.Response, error) {
	req, err := c.request(ctx, method, path, body)
	if err != nil {
		return nil, err
	}
	return c.do(req)
}

// do sends a request, and returns the answer unless it is an error.
func (c *Client) do(req *http.Request) (*http.Response, error) {
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask the server: %w", err)
	}
	if resp.StatusCode >= http.StatusMultipleChoices {
		defer resp.Body.Close()
		return nil, readProblem(resp)
	}
	return resp, nil
}

// stream sends one request, and returns the answer if it is of the media type.
func (c *Client) stream(req *http.Request, mediaType string) (io.ReadCloser, error) {
	resp, err := c.do(req)
	if err != nil {
		return nil, err
	}
	if !isOfType(resp, mediaType) {
		defer resp.Body.Close()
		return nil, strangeAnswer(resp)
	}
	return resp.Body, nil
}

// download writes an answer of the media type as it comes.
func (c *Client) download(ctx context.Context, path, mediaType string, to io.Writer) error {
	req, err := c.request(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	body, err := c.stream(req, mediaType)
	if err != nil {
		return err
	}
	defer body.Close()
	if _, err := io.Copy(to, body); err != nil {
		return fmt.Errorf("read the server's answer: %w", err)
	}
	return nil
}

func (c *Client) request(ctx context.Context, method, path string, body any) (*http.Request, error) {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(text)
	}
	server := strings.TrimSuffix(c.Server, "/")
	if server == "" {
		server = "http://curfew"
	}
	req, err := http.NewRequestWithContext(ctx, method, server+"/api/v1"+path, content)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", jsonType)
	}
	if c.Operator != "" {
		req.Header.Set(operatorHeader, c.Operator)
	}
	if c.Authorize != nil {
		c.Authorize(req)
	}
	return req, nil
}

// maxAnswer is how much of one document is read: no page is as large.
const maxAnswer = 16 << 20

func isOfType(resp *http.Response, mediaType string) bool {
	got, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	return err == nil && got == mediaType
}

// pages goes through all entries of all pages.
func pages[T any](get func(cursor string) ([]T, string, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for next, first := "", true; first || next != ""; first = false {
			var list []T
			var err error
			if list, next, err = get(next); err != nil {
				yield(*new(T), err)
				return
			}
			for _, e := range list {
				if !yield(e, nil) {
					return
				}
			}
		}
	}
}

func set(v url.Values, name, value string) {
	if value != "" {
		v.Set(name, value)
	}
}

func setTime(v url.Values, name string, t time.Time) {
	if !t.IsZero() {
		v.Set(name, t.UTC().Format(time.RFC3339Nano))
	}
}

func (p Paging) set(v url.Values) {
	set(v, "cursor", p.Cursor)
	if p.Limit > 0 {
		v.Set("limit", strconv.Itoa(p.Limit))
	}
}
