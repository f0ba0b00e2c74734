package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Hash stands for a record and all before it: it is the SHA-256 of the hash before and the record's line, without the line's
// end. Before the first record it is zero.
type Hash [sha256.Size]byte

// Next returns the hash of a line that comes after the one with the hash h.
func (h Hash) Next(line []byte) Hash {
	d := sha256.New()
	d.Write(h[:])
	d.Write(line)
	return Hash(d.Sum(nil))
}

func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// Mark is a place in the chain: the hash that the record has. Whoever keeps marks elsewhere can tell later that nothing up to
// there has changed.
type Mark struct {
	No   int64
	Hash Hash
}

func (m Mark) String() string { return fmt.Sprintf("%d:%s", m.No, m.Hash) }

var errMark = errors.New("a mark is a number, a colon and a hash of 64 hexadecimal digits")

// ParseMark reads what String writes.
func ParseMark(s string) (m Mark, err error) {
	var text string
	if _, err := fmt.Sscanf(s, "%d:%s", &m.No, &text); err != nil {
		return m, errMark
	}
	hash, err := hex.DecodeString(text)
	if err != nil || len(hash) != len(m.Hash) || m.No < 0 {
		return m, errMark
	}
	copy(m.Hash[:], hash)
	return m, nil
}

// BlockSize is how many records a block holds at most.
const BlockSize = 256

// Block is some records in a row, as a store keeps them: those of one transaction or a part of them.
type Block struct {
	No    int64     // of the first record
	Count int       // of the records
	At    time.Time // of the last record
	Lines []byte    // the records, each a line of JSON with its end
	Hash  Hash      // of the last record
}

// End returns the place of the last record.
func (b Block) End() Mark { return Mark{b.No + int64(b.Count) - 1, b.Hash} }

// lineSlack is how much longer than the first line those of a block may be before room must be made again.
const lineSlack = 32

// Seal makes a block of up to BlockSize records that come after a place in the chain, and gives them their numbers.
func Seal(after Mark, records []Record) Block {
	b := Block{No: after.No + 1, Count: len(records), Hash: after.Hash}
	for i, r := range records {
		r.No = b.No + int64(i)
		start := len(b.Lines)
		b.Lines = r.appendLine(b.Lines)
		b.Hash = b.Hash.Next(b.Lines[start:])
		b.Lines = append(b.Lines, '\n')
		if i == 0 { // the others are about as long
			b.Lines = slices.Grow(b.Lines, (len(b.Lines)+lineSlack)*(len(records)-1))
		}
		b.At = r.At.Time
	}
	return b
}
