package schema

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// A document is a JSON object without white space: keys by length, then by bytes (PostgreSQL's own order, which spares it
// the sorting), null columns left out, values canonical.

func storedOrder(columns []Column) []int {
	order := make([]int, len(columns))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		x, y := columns[a].Name, columns[b].Name
		return cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(x, y))
	})
	return order
}

// Stored returns the indexes of the columns in the order of a document's keys.
func (s *Schema) Stored() []int { return s.stored }

// AppendName appends `"name":` for a column.
func (s *Schema) AppendName(out []byte, column int) []byte {
	return append(AppendString(out, []byte(s.Columns[column].Name)), ':')
}

// Document writes values (canonical JSON by column, nil for null) as a document.
func (s *Schema) Document(values [][]byte) []byte {
	out := []byte{'{'}
	for _, i := range s.stored {
		if values[i] == nil {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(s.AppendName(out, i), values[i]...)
	}
	return append(out, '}')
}

// KeyID derives a record's id from the canonical JSON values of its key's columns, in the key's order: the same key is the
// same record, wherever it comes from.
func KeyID(values ...[]byte) uuid.UUID {
	var space [256]byte
	buf := space[:0]
	for _, v := range values {
		buf = binary.BigEndian.AppendUint32(buf, uint32(len(v)))
		buf = append(buf, v...)
	}
	return hashID(buf)
}

// RowID is the id of a row of an import into a dataset without key: the same row of the same import is the same record.
func RowID(imported uuid.UUID, row int64) uuid.UUID {
	return hashID(binary.BigEndian.AppendUint64(imported[:], uint64(row)))
}

// hashID makes a UUID of version 8 (RFC 9562: custom) from a SHA-256.
func hashID(data []byte) uuid.UUID {
	sum := sha256.Sum256(data)
	id := uuid.UUID(sum[:16])
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80
	return id
}

const hex = "0123456789abcdef"

// AppendString appends a JSON string. The text must be UTF-8 without zero bytes.
func AppendString(out, text []byte) []byte {
	for _, b := range text {
		if b < ' ' || b == '"' || b == '\\' {
			return appendEscaped(out, text)
		}
	}
	return appendQuoted(out, text)
}

func appendQuoted(out, text []byte) []byte {
	out = append(out, '"')
	out = append(out, text...)
	return append(out, '"')
}

func appendEscaped(out, text []byte) []byte {
	out = append(out, '"')
	for _, b := range text {
		switch {
		case b == '"' || b == '\\':
			out = append(out, '\\', b)
		case b == '\n':
			out = append(out, '\\', 'n')
		case b == '\r':
			out = append(out, '\\', 'r')
		case b == '\t':
			out = append(out, '\\', 't')
		case b < ' ':
			out = append(out, '\\', 'u', '0', '0', hex[b>>4], hex[b&15])
		default:
			out = append(out, b)
		}
	}
	return append(out, '"')
}

// AppendNumber writes whole numbers as such, and others as short as they can be read back.
func AppendNumber(out []byte, f float64) []byte {
	if f == float64(int64(f)) && f <= MaxInteger && f >= -MaxInteger {
		return strconv.AppendInt(out, int64(f), 10)
	}
	return strconv.AppendFloat(out, f, 'g', -1, 64)
}

// appendTime writes a time in UTC without trailing zeros.
func appendTime(out []byte, t time.Time) []byte {
	out = append(out, '"')
	out = t.UTC().AppendFormat(out, "2006-01-02T15:04:05.999999Z")
	return append(out, '"')
}

func validText(text string) bool {
	if !utf8.ValidString(text) {
		return false
	}
	for i := range len(text) {
		if text[i] == 0 {
			return false
		}
	}
	return true
}

// Walk gives the members of a canonical document: column and raw JSON value. It reports false if the document is not
// canonical.
func (s *Schema) Walk(document []byte, f func(column int, raw []byte)) bool {
	if len(document) < 2 || document[0] != '{' {
		return false
	}
	rest := document[1:]
	var space [maxNameLength]byte
	for _, i := range s.stored {
		name := s.AppendName(space[:0], i)
		if len(rest) < len(name) || string(rest[:len(name)]) != string(name) {
			continue
		}
		rest = rest[len(name):]
		n := valueLength(rest)
		f(i, rest[:n])
		if rest = rest[n:]; len(rest) == 0 || rest[0] != ',' {
			break
		}
		rest = rest[1:]
	}
	return string(rest) == "}"
}

// valueLength of the JSON scalar at the beginning of text.
func valueLength(text []byte) int {
	if len(text) == 0 || text[0] != '"' {
		for i, b := range text {
			if b == ',' || b == '}' {
				return i
			}
		}
		return len(text)
	}
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}
