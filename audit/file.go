package audit

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// maxLine bounds a line of a file. No record comes near.
const maxLine = 1 << 20

// VerifyFile is Log.Verify for lines that Lines gave, all or those from one on. The first line is believed.
func VerifyFile(r io.Reader, marks ...Mark) (first, last Mark, err error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	var c checker
	for n := 1; lines.Scan(); n++ {
		text, hash, ok := withoutHash(bytes.TrimSuffix(lines.Bytes(), []byte("\r")))
		if !ok {
			return first, c.at, fmt.Errorf("line %d is no record with its hash", n)
		}
		if n == 1 {
			if first, err = markOf(text, hash); err != nil {
				return first, c.at, err
			}
			c = checker{at: first, marks: marks}
			if err := c.passed(); err != nil {
				return first, c.at, err
			}
			if first.No != 1 || first.Hash == (Hash{}).Next(text) {
				continue
			}
			return first, c.at, &Broken{1, noHash}
		}
		if err := c.line(text); err != nil {
			return first, c.at, err
		}
		if c.at.Hash.String() != hash {
			return first, c.at, &Broken{c.at.No, noHash}
		}
	}
	if first == (Mark{}) && lines.Err() == nil {
		return first, c.at, errors.New("there is no record")
	}
	return first, c.at, errors.Join(lines.Err(), c.reached())
}

func markOf(text []byte, hash string) (m Mark, err error) {
	var is struct{ No int64 }
	if err := json.Unmarshal(text, &is); err != nil {
		return m, err
	}
	return ParseMark(fmt.Sprintf("%d:%s", is.No, hash))
}

const hashField = `,"hash":"`

// withHash adds the hash to a line.
func withHash(line []byte, h Hash) []byte {
	return fmt.Appendf(nil, `%s%s%s"}`, bytes.TrimSuffix(line, []byte("}")), hashField, h)
}

// withoutHash is the reverse of withHash.
func withoutHash(line []byte) (text []byte, hash string, ok bool) {
	i := bytes.LastIndex(line, []byte(hashField))
	if i < 0 || !bytes.HasSuffix(line, []byte(`"}`)) {
		return nil, "", false
	}
	return append(slices.Clone(line[:i]), '}'), string(line[i+len(hashField) : len(line)-2]), true
}
