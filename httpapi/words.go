package httpapi

import (
	"reflect"
	"strings"
)

// inWords puts what huma says of a value as we say it.
func inWords(message string) string {
	for _, w := range words {
		rest, ok := strings.CutPrefix(message, w.huma)
		if !ok {
			continue
		}
		if text, found := strings.CutSuffix(w.ours, "…"); found {
			return text + strings.Trim(rest, `"`) + w.unit
		}
		return w.ours
	}
	return message
}

// words are what huma's messages begin with, and what we say: where that ends in …, with what follows, and its unit.
var words = []struct{ huma, ours, unit string }{
	{"expected length >= 1", "must not be empty", ""},
	{"expected length >= ", "must be at least …", " characters long"},
	{"expected length <= ", "must be at most …", " characters long"},
	{"expected array length <= ", "must have at most …", " entries"},
	{"expected number >= ", "must be at least …", ""},
	{"expected number <= ", "must be at most …", ""},
	{"expected value to be one of ", "must be one of …", ""},
	{"expected string to be RFC 3339 date-time", isTime, ""},
	{"invalid date/time", isTime, ""},
	{"expected string", isText, ""},
	{"expected boolean", isBoolean, ""},
	{"expected integer", isInteger, ""},
	{"invalid integer", isInteger, ""},
	{"expected array", isList, ""},
	{"expected object", isObject, ""},
	{"unknown query parameter", "is not a parameter of this call", ""},
}

const (
	isTime    = "must be a time as in RFC 3339, such as 2026-03-01T12:00:00Z"
	isText    = "must be text"
	isBoolean = "must be true or false"
	isInteger = "must be a whole number"
	isList    = "must be a list"
	isObject  = "must be an object"
)

// kindWords says what a field must be that is of another kind.
func kindWords(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return isText
	case reflect.Bool:
		return isBoolean
	case reflect.Slice:
		return isList
	case reflect.Struct:
		return isObject
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return isInteger + " from 0 on, and not too large"
	default:
		return isInteger
	}
}
