package audit

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// A line is written without encoding/json, which would take a tenth of the time that a sign-in has in the store's writer. It
// reads the same, and package encoding/json reads it.

// appendLine appends the record as a line of JSON, without the line's end.
func (r *Record) appendLine(to []byte) []byte {
	o := object{append(to, '{')}
	o.number("no", r.No)
	o.key("at")
	o.text = r.At.appendJSON(o.text)
	o.string("event", string(r.Event))
	o.string("outcome", string(r.Outcome))
	o.party("by", r.By)
	o.optional("from", r.From)
	o.party("user", r.User)
	o.optional("session", string(r.Session))
	o.optional("device", r.Device)
	o.optional("key", r.Key)
	o.optional("webhook", r.Webhook)
	o.optional("reason", r.Reason)
	if r.Count != 0 {
		o.number("count", int64(r.Count))
	}
	o.changes("changes", r.Changes)
	o.optional("version", r.Version)
	o.optional("note", r.Note)
	return append(o.text, '}')
}

// parse reads a line.
func parse(line []byte) (r Record, err error) {
	err = json.Unmarshal(line, &r)
	return r, err
}

const timeFormat = "2006-01-02T15:04:05.000Z"

// MarshalJSON implements json.Marshaler.
func (t Time) MarshalJSON() ([]byte, error) {
	return t.appendJSON(make([]byte, 0, len(timeFormat)+2)), nil
}

func (t Time) appendJSON(to []byte) []byte {
	return t.UTC().AppendFormat(to, `"`+timeFormat+`"`)
}

// object is an object of JSON that is being written. Its keys need no escapes.
type object struct{ text []byte }

func (o *object) key(key string) {
	if o.text[len(o.text)-1] != '{' {
		o.text = append(o.text, ',')
	}
	o.text = append(o.text, '"')
	o.text = append(o.text, key...)
	o.text = append(o.text, '"', ':')
}

func (o *object) number(key string, n int64) {
	o.key(key)
	o.text = strconv.AppendInt(o.text, n, 10)
}

func (o *object) string(key, s string) {
	o.key(key)
	o.text = appendString(o.text, s)
}

// optional writes a string unless it is empty.
func (o *object) optional(key, s string) {
	if s != "" {
		o.string(key, s)
	}
}

func (o *object) party(key string, p *Party) {
	if p == nil {
		return
	}
	o.key(key)
	in := object{append(o.text, '{')}
	in.optional("id", string(p.ID))
	in.string("name", p.Name)
	in.optional("session", string(p.Session))
	in.optional("key", p.Key)
	o.text = append(in.text, '}')
}

func (o *object) changes(key string, changes []Change) {
	if len(changes) == 0 {
		return
	}
	o.key(key)
	o.text = append(o.text, '[')
	for i, c := range changes {
		if i > 0 {
			o.text = append(o.text, ',')
		}
		in := object{append(o.text, '{')}
		in.string("field", c.Field)
		in.string("from", c.From)
		in.string("to", c.To)
		o.text = append(in.text, '}')
	}
	o.text = append(o.text, ']')
}

// appendString appends a string of JSON, as package encoding/json writes it without escapes for HTML.
func appendString(to []byte, s string) []byte {
	if isPlain(s) {
		to = append(to, '"')
		to = append(to, s...)
		return append(to, '"')
	}
	var escaped bytes.Buffer
	e := json.NewEncoder(&escaped)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic(err) // no string has an error
	}
	return append(to, bytes.TrimSuffix(escaped.Bytes(), []byte("\n"))...)
}

// isPlain reports whether a string stands in JSON as it is.
func isPlain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}
