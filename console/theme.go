package console

import (
	"net/http"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/internal/landing"
)

const themeCookie = "curfew-theme"

// themeOf is the theme that the sender chose, by which pages are right from the first paint on.
func themeOf(r *http.Request) string {
	if k, err := r.Cookie(themeCookie); err == nil && (k.Value == "light" || k.Value == "dark") {
		return k.Value
	}
	return "system"
}

func (c *console) setTheme(r *request) (answer, error) {
	k := &http.Cookie{
		Name: themeCookie, Value: r.field("theme"), Path: "/", MaxAge: 365 * 24 * 60 * 60,
		HttpOnly: true, Secure: curfew.OriginOf(r.Request).Secure, SameSite: http.SameSiteLaxMode,
	}
	if k.Value != "light" && k.Value != "dark" {
		k.Value, k.MaxAge = "", -1
	}
	back := landing.Path(r.field("back"))
	if back == "" {
		back = homePath
	}
	return answer{location: back, cookie: k}, nil
}
