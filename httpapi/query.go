package httpapi

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/curfewhq/curfew"
)

// errQuery is a query of which net/url would leave out a part without a word.
var errQuery = &curfew.Error{Code: curfew.CodeInvalid, Message: "what follows the ? in the address can't be read: % is written as %25 there, and ; as %3B"}

// checkQuery refuses a query that would be read as less than it says, so that no slip in a filter lists everybody: one that can't be
// read, a parameter that is there twice, of which the first alone would count, and one without a value, which would count for nothing.
func checkQuery(r *http.Request, lists map[string]bool) error {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return errQuery
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		values := query[name]
		if len(values) > 1 && !lists[name] {
			return &curfew.Error{Code: curfew.CodeInvalid, Field: name, Message: "is there more than once"}
		}
		if slices.ContainsFunc(values, isBlank) && name != "cursor" { // the first page's
			return &curfew.Error{Code: curfew.CodeInvalid, Field: name, Message: "must not be empty"}
		}
		if slices.ContainsFunc(values, func(v string) bool { return !utf8.ValidString(v) }) {
			return &curfew.Error{Code: curfew.CodeInvalid, Field: name, Message: "must be UTF-8"}
		}
	}
	return nil
}

func isBlank(text string) bool { return strings.TrimSpace(text) == "" }

// listsOf are the parameters of a route that may be there more than once.
func listsOf(o *huma.OpenAPI, rt route) map[string]bool {
	lists := map[string]bool{}
	if item := o.Paths[rt.path]; rt.method == http.MethodGet && item != nil && item.Get != nil {
		for _, p := range item.Get.Parameters {
			lists[p.Name] = p.Schema.Type == huma.TypeArray
		}
	}
	return lists
}
