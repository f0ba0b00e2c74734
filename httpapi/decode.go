package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
)

// mayBeAbsent marks a body without which a request means something too.
type mayBeAbsent interface{ mayBeAbsent() }

// decode reads the body, one JSON object, which must be what the schema says.
func decode(r *http.Request, into any, known huma.Registry, schema *huma.Schema) error {
	if _, ok := into.(mayBeAbsent); ok && r.ContentLength == 0 {
		return nil
	}
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != jsonType {
		return &statusError{http.StatusUnsupportedMediaType, "the body must be application/json"}
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return bodyError(err)
	}
	if account.HoldsKeySecret(string(body)) {
		return errSecretInBody
	}
	if !utf8.Valid(body) { // the decoder would put something else in its place
		return &statusError{http.StatusBadRequest, "the body must be UTF-8"}
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err = d.Decode(into); err == nil {
		err = onlyOne(d)
	}
	if err == nil {
		err = checkFields(body)
	}
	if err == nil {
		return validate(body, known, schema)
	}
	return bodyError(err)
}

// errSecretInBody keeps a secret that was pasted into the wrong place out of names, which are shown, logged and kept for years.
var errSecretInBody = &statusError{http.StatusBadRequest, "the secret of an API key is in the body, which is no place for it; give it as Authorization: Bearer"}

// checkFields refuses what the decoder lets through: a field twice, of which others may read the other one, and one in
// another case than ours, which is lower.
func checkFields(body []byte) error {
	d := json.NewDecoder(bytes.NewReader(body))
	if brace, err := d.Token(); err != nil || brace != json.Delim('{') {
		return errors.Join(err, errors.New("no object"))
	}
	return checkObject(d)
}

// checkObject checks an object after its brace.
func checkObject(d *json.Decoder) error {
	seen := map[string]bool{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		field, _ := name.(string)
		if seen[field] || strings.Trim(field, "abcdefghijklmnopqrstuvwxyz_") != "" {
			return &statusError{http.StatusBadRequest, fmt.Sprintf("the body has the field %q twice or in another case", field)}
		}
		seen[field] = true
		if err := checkValue(d); err != nil {
			return err
		}
	}
	_, err := d.Token()
	return err
}

func checkValue(d *json.Decoder) error {
	v, err := d.Token()
	switch {
	case err != nil:
		return err
	case v == json.Delim('{'):
		return checkObject(d)
	case v != json.Delim('['):
		return nil
	}
	for d.More() {
		if err := checkValue(d); err != nil {
			return err
		}
	}
	_, err = d.Token()
	return err
}

// onlyOne returns an error unless the JSON is at its end.
func onlyOne(d *json.Decoder) error {
	if _, err := d.Token(); err == nil {
		return errors.New("more than one value")
	} else if err != io.EOF {
		return err
	}
	return nil
}

// bodyError says what is wrong with a body. It tells the place and the kind, never what stood there: it may be a password.
func bodyError(err error) error {
	if err == nil {
		return nil
	}
	if tooBig, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &statusError{http.StatusRequestEntityTooLarge, fmt.Sprintf("the body must not exceed %d bytes", tooBig.Limit)}
	}
	if misuse, ok := errors.AsType[*statusError](err); ok {
		return misuse
	}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && wrong.Field != "" {
		return &curfew.Error{Code: curfew.CodeInvalid, Field: wrong.Field, Message: kindWords(wrong.Type)}
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return &statusError{http.StatusBadRequest, "the body has an unknown field " + name}
	}
	return &statusError{http.StatusBadRequest, "the body must be one JSON object"}
}

// validate checks a body against its schema.
func validate(body []byte, known huma.Registry, schema *huma.Schema) error {
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		return bodyError(err)
	}
	var found huma.ValidateResult
	huma.Validate(known, schema, huma.NewPathBuffer(nil, 0), huma.ModeWriteToServer, v, &found)
	if len(found.Errors) == 0 {
		return nil
	}
	return &invalidError{fieldErrors(found.Errors)}
}

// invalidError is a request of which fields are wrong.
type invalidError struct{ fields []FieldError }

// Error names the first field.
func (e *invalidError) Error() string { return e.fields[0].Field + " " + e.fields[0].Detail }

// maxFieldErrors is how many mistakes one answer lists.
const maxFieldErrors = 20

// fieldErrors puts what huma says of a request into our words. The values that it quotes may be secrets, and stay out.
func fieldErrors(errs []error) []FieldError {
	var list []FieldError
	for _, err := range errs[:min(len(errs), maxFieldErrors)] {
		d, ok := errors.AsType[*huma.ErrorDetail](err)
		if !ok {
			d = &huma.ErrorDetail{Message: "is wrong"}
		}
		list = append(list, fieldError(*d))
	}
	return list
}

func fieldError(d huma.ErrorDetail) FieldError {
	f := FieldError{Field: d.Location, Detail: inWords(d.Message)}
	for _, place := range []string{"body", "query", "path", "header"} {
		f.Field = strings.TrimPrefix(strings.TrimPrefix(f.Field, place), ".")
	}
	if name, ok := strings.CutPrefix(f.Detail, "expected required property "); ok {
		name, _, _ = strings.Cut(name, " ")
		f.Field = strings.TrimPrefix(f.Field+"."+name, ".")
		f.Detail = "is missing"
	}
	if rest, ok := strings.CutPrefix(f.Detail, "expected "); ok {
		f.Detail = "must be: " + rest
	}
	if rule, ok := rules[f.Field]; ok {
		f.Detail = rule
	}
	return f
}

// rules are what the engine itself says of fields that are wrong.
var rules = map[string]string{"seconds": lifetimeMessage, "lifetime_seconds": lifetimeMessage, "expires_in_seconds": messageOf(account.CheckKeyLife(0))}

// lifetimeMessage is what the engine says of a lifetime that is none.
var lifetimeMessage = messageOf(curfew.CheckLifetime(0))

func messageOf(err error) string { return err.(*curfew.Error).Message }
