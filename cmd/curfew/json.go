package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// jsonFlag is that of commands that print what programs can use.
type jsonFlag struct {
	JSON bool `env:"-" name:"json" help:"Print JSON."`
}

// print prints the value as JSON or, for people, the text.
func (f jsonFlag) print(w io.Writer, v any, format string, args ...any) error {
	if f.JSON {
		return printJSON(w, v)
	}
	_, err := fmt.Fprintf(w, format, args...)
	return err
}

// printJSON prints one value.
func printJSON(w io.Writer, v any) error {
	text, err := encodeJSON(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", text)
	return err
}

// printLine prints one value in one line.
func printLine(w io.Writer, v any) error {
	text, err := encodeJSON(v, "", "")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", text)
	return err
}

// printList prints a list as it comes. After an error it has no end, so that nobody takes it for whole.
func printList[T any](w io.Writer, list iter.Seq2[T, error]) error {
	before := "[\n  "
	for v, err := range list {
		if err != nil {
			return err
		}
		text, err := encodeJSON(v, "  ", "  ")
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "%s%s", before, text); err != nil {
			return err
		}
		before = ",\n  "
	}
	end := "\n]\n"
	if strings.HasPrefix(before, "[") {
		end = "[]\n"
	}
	_, err := io.WriteString(w, end)
	return err
}

// encodeJSON returns v as JSON that is safe to show: what is not visible in it is escaped.
func encodeJSON(v any, prefix, indent string) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent(prefix, indent)
	err := e.Encode(v)
	return escapeInvisible(bytes.TrimRight(b.Bytes(), "\n")), err
}

// escapeInvisible escapes what is in strings: outside of them, JSON has no such characters but white space.
func escapeInvisible(text []byte) []byte {
	var out []byte
	for _, r := range string(text) {
		switch {
		case unicode.IsPrint(r) || r == '\n':
			out = utf8.AppendRune(out, r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return out
}
