package httpapi_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// schema is what the rules look at in a schema of the document.
type schema struct {
	Ref         string `json:"$ref"`
	Type        any
	Format      string
	Description string
	Enum        []string
	Examples    []any
	Minimum     *float64
	Maximum     *float64
	MaxLength   *int
	MaxItems    *int
	Items       *schema
	Properties  map[string]*schema
}

type parameter struct {
	Name, In, Description string
	Schema                *schema
}

type response struct {
	Ref         string `json:"$ref"`
	Description string
	Headers     map[string]struct{ Description string }
	Content     map[string]struct{ Schema *schema }
}

type operation struct {
	OperationID          string
	Summary, Description string
	Parameters           []parameter
	RequestBody          *struct {
		Content map[string]struct{ Schema *schema }
	}
	Responses map[string]response
	Security  []map[string][]string
}

type document struct {
	Paths      map[string]map[string]operation
	Security   []map[string][]string
	Components struct {
		Schemas         map[string]*schema
		Responses       map[string]response
		SecuritySchemes map[string]struct{ In, Name string }
	}
}

var parseDocument = sync.OnceValues(func() (doc document, err error) {
	text, err := os.ReadFile(documentPath)
	if err != nil {
		return doc, err
	}
	return doc, json.Unmarshal(text, &doc)
})

func readDocument(t testing.TB) document {
	t.Helper()
	doc, err := parseDocument()
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// operations calls f with each call, and what it is called in errors.
func (d document) operations(f func(place string, op operation)) {
	for path, methods := range d.Paths {
		for method, op := range methods {
			f(strings.ToUpper(method)+" "+path, op)
		}
	}
}

// schemas calls f with each field and each parameter; inside those of requests.
func (d document) schemas(f func(place string, s *schema, request bool)) {
	requests := map[string]bool{}
	d.operations(func(place string, op operation) {
		for _, p := range op.Parameters {
			p.Schema.Description = p.Description
			f(place+": "+p.Name, p.Schema, true)
		}
		if op.RequestBody != nil {
			d.mark(requests, op.RequestBody.Content["application/json"].Schema)
		}
	})
	for name, s := range d.Components.Schemas {
		for field, s := range s.Properties {
			f(name+"."+field, s, requests[name])
		}
	}
}

// mark notes the objects that a schema refers to.
func (d document) mark(seen map[string]bool, s *schema) {
	if s == nil {
		return
	}
	if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok && !seen[name] {
		seen[name] = true
		s = d.Components.Schemas[name]
	}
	d.mark(seen, s.Items)
	for _, field := range s.Properties {
		d.mark(seen, field)
	}
}

// Who makes a client of the document alone finds each thing explained.
func TestDocumentExplainsAll(t *testing.T) {
	doc := readDocument(t)
	explained := func(place, text string) {
		if strings.TrimSpace(text) == "" {
			t.Errorf("%s has no description", place)
		}
		if m := regexp.MustCompile(`\b(Type|Code|Err|Reason)[A-Z]\w*|\bnil\b`).FindString(text); m != "" {
			t.Errorf("%s speaks of Go: %s", place, m)
		}
		if m := regexp.MustCompile(`\b[Ss]ee [a-z]+[A-Z]\w*`).FindString(text); m != "" {
			t.Errorf("%s sends the reader elsewhere: %s", place, m)
		}
	}
	doc.operations(func(place string, op operation) {
		explained(place, op.Summary)
		explained(place, op.Description)
		for status, r := range op.Responses {
			if r.Ref == "" {
				explained(place+" "+status, r.Description)
			}
		}
	})
	doc.schemas(func(place string, s *schema, _ bool) { explained(place, s.Description) })
	for name, s := range doc.Components.Schemas {
		explained(name, s.Description)
	}
	for name, r := range doc.Components.Responses {
		explained(name, r.Description)
		for header, h := range r.Headers {
			explained(name+" "+header, h.Description)
		}
	}
}

// What a client may send is bounded, and so is what it must have room for.
func TestDocumentSaysBounds(t *testing.T) {
	readDocument(t).schemas(func(place string, s *schema, request bool) {
		switch kind := s.Type; {
		case s.Ref != "" || kind == "object" || kind == "boolean" || len(s.Enum) > 0:
		case kind == "array":
			if s.MaxItems == nil {
				t.Errorf("%s: how many?", place)
			}
		case kind == "integer":
			if s.Minimum == nil || request && s.Maximum == nil {
				t.Errorf("%s: from where to where?", place)
			}
		case kind == "string":
			if request && s.MaxLength == nil && s.Format != "date-time" {
				t.Errorf("%s: how long?", place)
			}
		default:
			t.Errorf("%s: may be null, or is a %v", place, kind)
		}
	})
}

// Examples are what they are examples of.
func TestDocumentExamples(t *testing.T) {
	readDocument(t).schemas(func(place string, s *schema, _ bool) {
		if strings.HasSuffix(place, "_at") && s.Format != "date-time" {
			t.Errorf("%s is no date-time", place)
		}
		for _, example := range s.Examples {
			text, isText := example.(string)
			n, isNumber := example.(float64)
			_, err := time.Parse("2006-01-02T15:04:05.000Z", text)
			if isText != (s.Type == "string") || isNumber != (s.Type == "integer") || s.Format == "date-time" && err != nil ||
				isNumber && (s.Minimum != nil && n < *s.Minimum || s.Maximum != nil && n > *s.Maximum) {
				t.Errorf("%s: example %v", place, example)
			}
		}
	})
}

// Each enum has all values of the Go type, and no other.
func TestDocumentEnums(t *testing.T) {
	roles, reasons := constants(t, "../account", "Role"), constants(t, "..", "Reason")
	states, codes := constants(t, "..", "State"), constants(t, "..", "Code")
	events, outcomes := constants(t, "../audit", "Event"), constants(t, "../audit", "Outcome")
	types := slices.DeleteFunc(constants(t, "../webhook", "Type"), func(s string) bool { return s == "curfew.test" })
	want := map[string][]string{
		"Session.role": roles, "Session.state": states, "Session.reason": reasons, "GET /api/v1/history: reason": reasons,
		"Problem.code": codes,
		"Record.event": events, "Record.outcome": outcomes, "GET /api/v1/audit: event": events, "GET /api/v1/audit: outcome": outcomes,
		"User.role": roles, "NewUser.role": roles, "UserChange.role": roles, "Key.role": roles, "NewKey.role": roles, "MadeKey.role": roles,
		"Webhook.types": types,
	}
	readDocument(t).schemas(func(place string, s *schema, _ bool) {
		if strings.HasSuffix(place, ": sort") || strings.HasSuffix(place, ": format") {
			return
		}
		if s.Items != nil {
			s = s.Items
		}
		got := slices.Sorted(slices.Values(s.Enum))
		if !slices.Equal(got, want[place]) {
			t.Errorf("%s is one of\n%q, in Go\n%q", place, got, want[place])
		}
		delete(want, place)
	})
	for place := range want {
		t.Errorf("%s is not there", place)
	}
}

// constants returns the values of the constants of a string type that a package has, sorted.
func constants(t *testing.T, dir, typeName string) (values []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			if is, ok := spec.Type.(*ast.Ident); !ok || is.Name != typeName {
				return true
			}
			for _, v := range spec.Values {
				if literal, ok := v.(*ast.BasicLit); ok && literal.Value != `""` {
					text, err := strconv.Unquote(literal.Value)
					if err != nil {
						t.Fatal(err)
					}
					values = append(values, text)
				}
			}
			return true
		})
	}
	if len(values) == 0 {
		t.Fatalf("%s has no constants of type %s", dir, typeName)
	}
	slices.Sort(values)
	return values
}

// A session's cookie is called otherwise over plain HTTP and for several hosts, and each of these is a way in.
func TestDocumentNamesCookies(t *testing.T) {
	doc := readDocument(t)
	names := map[string]bool{}
	for _, s := range doc.Components.SecuritySchemes {
		if s.In == "cookie" {
			names[s.Name] = true
		}
	}
	want := []string{"__Host-curfew", "__Secure-curfew", "curfew"}
	if got := slices.Sorted(maps.Keys(names)); !slices.Equal(got, want) {
		t.Errorf("cookies %q", got)
	}
	doc.operations(func(place string, op operation) {
		ways := op.Security
		if ways == nil {
			ways = doc.Security
		}
		cookies := 0
		for _, way := range ways {
			for scheme := range way {
				if doc.Components.SecuritySchemes[scheme].In == "cookie" {
					cookies++
				}
			}
		}
		if cookies != len(want) {
			t.Errorf("%s: %d cookies", place, cookies)
		}
	})
}

// Calls that can be repeated safely say so in the same words.
func TestDocumentIdempotencyKeys(t *testing.T) {
	texts, calls := map[string]bool{}, 0
	readDocument(t).operations(func(_ string, op operation) {
		for _, p := range op.Parameters {
			if p.Name == "Idempotency-Key" {
				texts[p.Description] = true
				calls++
			}
		}
	})
	if len(texts) != 1 || calls != 3 {
		t.Errorf("%d calls, with %d texts: %v", calls, len(texts), texts)
	}
}

// statusesOf returns the statuses that the document says a call may answer; nil if there is no such call.
func (d document) statusesOf(method, address string) (statuses []string) {
	parts := strings.Split(address, "/")
	for path, methods := range d.Paths {
		op, ok := methods[strings.ToLower(method)]
		if !ok || !fits(parts, strings.Split(path, "/")) {
			continue
		}
		if statuses == nil || !strings.Contains(path, "{") { // sessions/events is no ID
			statuses = slices.Sorted(maps.Keys(op.Responses))
		}
	}
	return statuses
}

func fits(address, pattern []string) bool {
	return slices.EqualFunc(address, pattern, func(a, p string) bool { return a == p || strings.HasPrefix(p, "{") })
}
