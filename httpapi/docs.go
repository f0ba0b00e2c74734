package httpapi

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/curfewhq/curfew/internal/mount"
)

// The page that shows the OpenAPI document is our own: it needs no script and keeps the strict policy, which the usual
// renderers, with a megabyte of script that writes styles into the page, don't (decision 13).

//go:embed docs.tmpl
var docsPage string

//go:embed docs.css
var docsCSS []byte

var docsTemplate = template.Must(template.New("docs").Funcs(template.FuncMap{"type": typeOf, "fields": fieldsOf, "lower": strings.ToLower}).Parse(docsPage))

// docsView is what the page shows.
type docsView struct {
	Base    string // stands before our addresses
	Doc     *huma.OpenAPI
	Groups  []docsGroup
	Schemas []docsSchema
}

// Response is the answer itself, where a call refers to one that others have too.
func (v docsView) Response(r *huma.Response) *huma.Response {
	if name, ok := strings.CutPrefix(r.Ref, responsesRef); ok {
		return v.Doc.Components.Responses[name]
	}
	return r
}

// docsGroup are the calls with a tag.
type docsGroup struct {
	*huma.Tag
	Calls []*huma.Operation
}

type docsSchema struct {
	Name string
	*huma.Schema
}

// docsField is a parameter of an address, or a field of an object.
type docsField struct {
	Name     string
	Required bool
	Schema   *huma.Schema
}

func (a *api) docs(w http.ResponseWriter, c *call) error {
	view := docsView{Base: mount.Of(c.Request), Doc: a.openAPI}
	for _, tag := range a.openAPI.Tags {
		view.Groups = append(view.Groups, docsGroup{tag, tagged(a.openAPI, tag.Name)})
	}
	schemas := a.openAPI.Components.Schemas.Map()
	for _, name := range slices.Sorted(maps.Keys(schemas)) {
		view.Schemas = append(view.Schemas, docsSchema{name, schemas[name]})
	}
	var b bytes.Buffer
	if err := docsTemplate.Execute(&b, view); err != nil {
		return err
	}
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Write(b.Bytes()) // a client that has gone is not our concern
	return nil
}

func docsStyle(w http.ResponseWriter, _ *call) error {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Write(docsCSS)
	return nil
}

// tagged are the calls with a tag, by path.
func tagged(doc *huma.OpenAPI, tag string) (calls []*huma.Operation) {
	for _, path := range slices.Sorted(maps.Keys(doc.Paths)) {
		item := doc.Paths[path]
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if op != nil && slices.Contains(op.Tags, tag) {
				calls = append(calls, op)
			}
		}
	}
	return calls
}

// fieldsOf are the fields of an object, those that must be there first.
func fieldsOf(s *huma.Schema) (list []docsField) {
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		list = append(list, docsField{name, slices.Contains(s.Required, name), s.Properties[name]})
	}
	slices.SortStableFunc(list, func(a, b docsField) int {
		switch {
		case a.Required == b.Required:
			return 0
		case a.Required:
			return -1
		default:
			return 1
		}
	})
	return list
}

// typeOf says in words what a value must be.
func typeOf(s *huma.Schema) template.HTML {
	esc := template.HTMLEscapeString
	switch {
	case s.Ref != "":
		name := s.Ref[strings.LastIndexByte(s.Ref, '/')+1:]
		return template.HTML(`<a href="#` + esc(name) + `">` + esc(name) + `</a>`)
	case s.Type == huma.TypeArray:
		return "list of " + typeOf(s.Items) + template.HTML(esc(atMost(s.MaxItems)))
	case len(s.Enum) > 0:
		var values []string
		for _, v := range s.Enum {
			values = append(values, fmt.Sprint(v))
		}
		return template.HTML(esc(strings.Join(values, ", ")))
	case s.Format == "date-time":
		return "time"
	default:
		return template.HTML(esc(s.Type + bounds(s) + atMost(s.MaxLength)))
	}
}

func bounds(s *huma.Schema) string {
	switch {
	case s.Minimum != nil && s.Maximum != nil:
		return fmt.Sprintf(" from %.0f to %.0f", *s.Minimum, *s.Maximum)
	case s.Minimum != nil:
		return fmt.Sprintf(" from %.0f", *s.Minimum)
	default:
		return ""
	}
}

func atMost(n *int) string {
	if n == nil {
		return ""
	}
	return fmt.Sprintf(", at most %d", *n)
}
