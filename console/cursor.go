package console

import (
	"encoding/base64"
	"net/url"
	"strings"

	"github.com/curfewhq/curfew"
)

// links are the ways from a page of a list to its neighbours; empty where there is none.
type links struct{ Prev, Next string }

// The names of a cursor in an address.
const (
	afterParam  = "after"
	beforeParam = "before"
)

// cursorOf reads the place in a list from an address. What can't be read is the first page.
func cursorOf(q url.Values) curfew.Cursor {
	name, back := afterParam, false
	if q.Get(beforeParam) != "" {
		name, back = beforeParam, true
	}
	b, err := base64.RawURLEncoding.DecodeString(q.Get(name))
	id, key, ok := strings.Cut(string(b), "\x00")
	if err != nil || !ok || len(b) > 1024 {
		return curfew.Cursor{}
	}
	return curfew.Cursor{Key: key, ID: curfew.SessionID(id), Back: back}
}

// pageLinks returns the addresses of the neighbouring pages, which keep search, filters and order.
func pageLinks(u *url.URL, prev, next *curfew.Cursor) links {
	return links{Prev: cursorLink(u, beforeParam, prev), Next: cursorLink(u, afterParam, next)}
}

func cursorLink(u *url.URL, name string, c *curfew.Cursor) string {
	if c == nil {
		return ""
	}
	return placeLink(u, name, base64.RawURLEncoding.EncodeToString([]byte(string(c.ID)+"\x00"+c.Key)))
}

// placeLink returns the address of the same list at another place.
func placeLink(u *url.URL, name, place string) string {
	if place == "" {
		return ""
	}
	q := withoutPlace(u)
	q.Set(name, place)
	return u.Path + "?" + q.Encode()
}

// firstLink returns the address of the list's first page.
func firstLink(u *url.URL) string { return u.Path + "?" + withoutPlace(u).Encode() }

func withoutPlace(u *url.URL) url.Values {
	q := u.Query()
	q.Del(afterParam)
	q.Del(beforeParam)
	return q
}
