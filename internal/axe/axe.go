// Package axe holds axe-core, which the browser tests check every page's accessibility with. Only tests import it, so
// it is in no program.
package axe

import _ "embed"

// Source is the script. Evaluated in a page, it defines window.axe.
//
//go:embed axe.min.js
var Source string
