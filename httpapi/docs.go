package httpapi

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"github.com/curfewhq/curfew/internal/mount"
)

// The page that shows the OpenAPI document is our own: it is rendered once, needs no script, and keeps the strict policy, which the
// usual renderers, with a megabyte of script and styles in the page, don't.

//go:embed docs.tmpl
var docsPage string

//go:embed docs.css
var docsCSS []byte

var docsTemplate = template.Must(template.New("docs").Parse(docsPage))

// docs shows the API to people.
func (a *api) docs(w http.ResponseWriter, c *call) error {
	var b bytes.Buffer
	page := docsView{Base: mount.Of(c.Request), Doc: a.openAPI, Groups: groups(a.openAPI)}
	if err := docsTemplate.Execute(&b, page); err != nil {
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

type docsView struct {
	Base   string
	Doc    *huma.OpenAPI
	Groups []group
}

type group struct{}

func groups(*huma.OpenAPI) []group { return nil }

var _ sync.Once
