package console

import (
	"embed"
	"hash/fnv"
	"html/template"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/account"
	"github.com/curfewhq/curfew/internal/mount"
)

//go:embed page/*.tmpl
var pageFiles embed.FS

// page is what a template shows. Each is a struct with a frame in it and a file of its own.
type page interface {
	base() *frame
	file() string // page/FILE.tmpl
}

// frame is what all pages have around them.
type frame struct {
	Title  string
	Nav    string  // the entry of the menu that is lit
	Viewer *viewer // nil while nobody is signed in
	Theme  string  // "light", "dark", or "system"
	Notice string
	Here   string // the page's own address, to come back to; like all addresses of ours without the base
}

func (f *frame) base() *frame { return f }

// viewer is who looks at the page.
type viewer struct {
	person
	ID      curfew.UserID
	Role    string
	SeesAll bool
	Manages bool
}

// person is somebody as lists show them.
type person struct {
	Name     string // full name, else user name
	User     string // user name, where Name is not it
	Initials string
	Hue      int // 0 to hues-1, the same for the same user name
}

const hues = 12

func personOf(name, fullName string) person {
	h := fnv.New32a()
	h.Write([]byte(name))
	p := person{Name: name, Initials: initials(name), Hue: int(h.Sum32() % hues)}
	if fullName != "" {
		p.Name, p.User, p.Initials = fullName, name, initials(fullName)
	}
	return p
}

// initials are the first letters of the first and the last word, or the first two of a single one.
func initials(s string) string {
	words := strings.Fields(s)
	if len(words) == 0 {
		return "?"
	}
	_, n := utf8.DecodeRuneInString(words[0])
	first, rest := words[0][:n], words[0][n:]
	if len(words) > 1 {
		rest = words[len(words)-1]
	}
	_, n = utf8.DecodeRuneInString(rest)
	return strings.ToUpper(first + rest[:n])
}

var roleNames = map[account.Role]string{
	account.Admin: "Administrator", account.Auditor: "Auditor", account.User: "User",
}

// fillFrame completes the frame of a page that goes to the request's sender.
func (c *console) fillFrame(f *frame, w http.ResponseWriter, r *request) {
	f.Theme = themeOf(r.Request)
	if f.Here == "" {
		f.Here = r.URL.RequestURI()
	}
	f.Notice = takeNotice(w, r)
	if r.account.ID == "" {
		return
	}
	f.Viewer = &viewer{
		person:  personOf(r.account.Name, r.account.FullName),
		ID:      r.account.ID,
		Role:    roleNames[r.account.Role],
		SeesAll: r.account.Role.SeesAll(),
		Manages: r.account.Role.Manages(),
	}
}

// allPages makes the pages for each base below which they may be asked for.
func allPages(a assets) map[string]map[string]*template.Template {
	return map[string]map[string]*template.Template{"": parsePages(a, ""), mount.Base: parsePages(a, mount.Base)}
}

// parsePages makes a template of each file in page/ but layout and part, which all the others share. Their links begin
// with the base.
func parsePages(a assets, base string) map[string]*template.Template {
	shared := template.Must(template.New("layout.tmpl").Funcs(pageFuncs(a, base)).
		ParseFS(pageFiles, "page/layout.tmpl", "page/part.tmpl"))
	pages := map[string]*template.Template{}
	entries, err := pageFiles.ReadDir("page")
	if err != nil {
		panic(err) // they are part of the program
	}
	for _, e := range entries {
		name := strings.TrimSuffix(e.Name(), ".tmpl")
		if name != "layout" && name != "part" {
			t := template.Must(shared.Clone())
			pages[name] = template.Must(t.ParseFS(pageFiles, "page/"+e.Name()))
		}
	}
	return pages
}

func pageFuncs(a assets, base string) template.FuncMap {
	asset := func(name string) string { return base + a.url(name) }
	return template.FuncMap{
		"base":      func() string { return base },
		"guard":     func() string { return mount.Base + "/guard.js" },
		"asset":     asset,
		"grouped":   grouped,
		"plural":    plural,
		"recentFor": recentFor,
		"inDialog":  func() template.HTMLAttr { return inDialog },
		"icon": func(name string) template.HTML {
			return template.HTML(`<svg class="icon" aria-hidden="true"><use href="` +
				template.HTMLEscapeString(asset("vendor/icons.svg")+"#"+name) + `"></use></svg>`)
		},
		"min": func() int { return seconds(curfew.MinLifetime) },
		"max": func() int { return seconds(curfew.MaxLifetime) },
	}
}

// inDialog makes htmx load a link's or a form's answer into the dialog. Without script both work as they are.
const inDialog template.HTMLAttr = `hx-boost='target:"#dialog" select:"#panel" swap:"innerHTML ignoreTitle:true show:none" push:false'`
