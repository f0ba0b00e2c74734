package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
)

var iconName = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// readIcons reads names of icons, one a line, and returns them in order, each once. Lines with # are comments.
func readIcons(name string) ([]string, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var icons []string
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if !iconName.MatchString(line) {
			return nil, fmt.Errorf("%s: bad icon name %q", name, line)
		}
		icons = append(icons, line)
	}
	slices.Sort(icons)
	return slices.Compact(icons), nil
}

// sprite makes one SVG of the icons, each a <symbol> with the icon's name as its id.
func sprite(p source, have map[string][]byte) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("<svg xmlns=\"http://www.w3.org/2000/svg\">\n")
	fmt.Fprintf(&b, "<!-- %s, see LICENSE-lucide.txt -->\n", strings.ReplaceAll(p.String(), "@", " "))
	for _, name := range p.icons {
		if err := symbol(&b, name, have[iconPath(name)]); err != nil {
			return nil, fmt.Errorf("icon %s: %w", name, err)
		}
	}
	b.WriteString("</svg>\n")
	return b.Bytes(), nil
}

// What a symbol may consist of. An icon with anything else, such as a script or a link, is refused.
var (
	shapes = []string{"circle", "ellipse", "g", "line", "path", "polygon", "polyline", "rect"}
	// carried are the attributes that go from an icon's <svg> to its <symbol>. Its size stays behind: whoever uses
	// the symbol says how large it is.
	carried = []string{"viewBox", "fill", "stroke", "stroke-width", "stroke-linecap", "stroke-linejoin"}
	drawing = append([]string{
		"d", "cx", "cy", "r", "rx", "ry", "x", "y", "x1", "y1", "x2", "y2", "width", "height", "points", "transform",
	}, carried[1:]...)
)

// symbol writes the <symbol> made of one icon.
func symbol(b *bytes.Buffer, id string, svg []byte) error {
	depth := 0
	for d := xml.NewDecoder(bytes.NewReader(svg)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch t := token.(type) {
		case xml.StartElement:
			if err := openTag(b, id, t, depth); err != nil {
				return err
			}
			depth++
		case xml.EndElement:
			depth--
			closeTag(b, t, depth)
		}
	}
}

func openTag(b *bytes.Buffer, id string, t xml.StartElement, depth int) error {
	if depth == 0 {
		if t.Name.Local != "svg" {
			return fmt.Errorf("begins with <%s>", t.Name.Local)
		}
		fmt.Fprintf(b, "<symbol id=%q", id)
		writeAttributes(b, slices.DeleteFunc(t.Attr, func(a xml.Attr) bool { return !slices.Contains(carried, a.Name.Local) }))
		return nil
	}
	if !slices.Contains(shapes, t.Name.Local) {
		return fmt.Errorf("has a <%s>", t.Name.Local)
	}
	for _, a := range t.Attr {
		if a.Name.Space != "" || !slices.Contains(drawing, a.Name.Local) {
			return fmt.Errorf("has an attribute %s", a.Name.Local)
		}
	}
	b.WriteString("<" + t.Name.Local)
	writeAttributes(b, t.Attr)
	return nil
}

func writeAttributes(b *bytes.Buffer, attributes []xml.Attr) {
	for _, a := range attributes {
		fmt.Fprintf(b, ` %s="`, a.Name.Local)
		xml.EscapeText(b, []byte(a.Value))
		b.WriteByte('"')
	}
	b.WriteByte('>')
}

func closeTag(b *bytes.Buffer, t xml.EndElement, depth int) {
	if depth == 0 {
		b.WriteString("</symbol>\n")
		return
	}
	fmt.Fprintf(b, "</%s>", t.Name.Local)
}
