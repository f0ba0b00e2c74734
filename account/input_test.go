package account

import (
	"strings"
	"testing"

	"github.com/curfewhq/curfew"
)

func TestCleanName(t *testing.T) {
	for in, want := range map[string]string{
		"amara": "amara", "Amara": "amara", " AMARA\t": "amara", "a": "a", "7of9": "7of9",
		"a.b_c-d@e": "a.b_c-d@e", strings.Repeat("a", 64): strings.Repeat("a", 64),
		"": "", " ": "", ".a": "", "-a": "", "@a": "", "_a": "", "a b": "", "a\x00": "", "ämara": "", "a+b": "",
		"\u212a": "", // the Kelvin sign, whose lower case is k
		"\xff":   "", strings.Repeat("a", 65): "", "Curfew_key_0": "",
	} {
		if got, ok := cleanName(in); got != want || ok != (want != "") {
			t.Errorf("cleanName(%q) = %q, %v; want %q", in, got, ok, want)
		}
	}
}

func TestFieldsCheck(t *testing.T) {
	good := Fields{Name: "amara", FullName: "Amara Ölçer", Role: User, Password: "correct horse"}
	cases := map[string]struct {
		field  string
		change func(*Fields)
	}{
		"good":                  {"", func(*Fields) {}},
		"no full name":          {"", func(f *Fields) { f.FullName = "" }},
		"long full name":        {"", func(f *Fields) { f.FullName = strings.Repeat("ö", 128) }},
		"shortest password":     {"", func(f *Fields) { f.Password = "öööööööö" }},
		"longest password":      {"", func(f *Fields) { f.Password = strings.Repeat("x", 1024) }},
		"name":                  {"username", func(f *Fields) { f.Name = "a b" }},
		"too long full name":    {"full_name", func(f *Fields) { f.FullName = strings.Repeat("ö", 129) }},
		"full name not UTF-8":   {"full_name", func(f *Fields) { f.FullName = "\xff" }},
		"full name of lines":    {"full_name", func(f *Fields) { f.FullName = "a\nb" }},
		"full name turned over": {"full_name", func(f *Fields) { f.FullName = "a\u202eb" }},
		"full name of escapes":  {"full_name", func(f *Fields) { f.FullName = "a\x1b[2Jb" }},
		"full name of emoji":    {"", func(f *Fields) { f.FullName = "👩\u200d🚒" }},
		"full name of joiners":  {"full_name", func(f *Fields) { f.FullName = "\u200b\u200d\ufeff\u00ad" }},
		"full name of fillers":  {"full_name", func(f *Fields) { f.FullName = "\u3164\u115f \u2800" }},
		"full name of marks":    {"full_name", func(f *Fields) { f.FullName = "\ufe0f\u0301" }},
		"full name of a key":    {"full_name", func(f *Fields) { f.FullName = "my curfew_key_0" }},
		"no role":               {"role", func(f *Fields) { f.Role = "" }},
		"unknown role":          {"role", func(f *Fields) { f.Role = "root" }},
		"short lifetime":        {"seconds", func(f *Fields) { f.Lifetime = curfew.MinLifetime - 1 }},
		"short password":        {"password", func(f *Fields) { f.Password = "ööööööö" }},
		"long password":         {"password", func(f *Fields) { f.Password = strings.Repeat("x", 1025) }},
		"password not UTF-8":    {"password", func(f *Fields) { f.Password = "12345678\xff" }},
		"password is the name":  {"password", func(f *Fields) { f.Name, f.Password = "amaraamara", "AmaraAmara" }},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			f := good
			c.change(&f)
			_, err := f.check()
			wantInvalid(t, err, c.field)
		})
	}
}

func wantInvalid(t *testing.T, err error, field string) {
	t.Helper()
	if field == "" {
		if err != nil {
			t.Errorf("error %v, want none", err)
		}
		return
	}
	e, ok := err.(*curfew.Error)
	if !ok || e.Code != curfew.CodeInvalid || e.Field != field || e.Message == "" {
		t.Errorf("error %+v, want an invalid %s", err, field)
	}
}

func TestFieldsAreTidied(t *testing.T) {
	f, err := Fields{Name: " Amara ", FullName: "  Amara Ölçer ", Role: User, Password: " 12345678 "}.check()
	want := Fields{Name: "amara", FullName: "Amara Ölçer", Role: User, Lifetime: curfew.DefaultLifetime, Password: " 12345678 "}
	if err != nil || f != want {
		t.Errorf("check = %+v, %v; want %+v", f, err, want)
	}
}
