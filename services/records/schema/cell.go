package schema

import (
	"bytes"
	"fmt"
	"math"
	"net/mail"
	"net/url"
	"strconv"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/google/uuid"
)

// MaxInteger is the greatest whole number of an integer column, and -MaxInteger the least: what JSON carries exactly.
const MaxInteger = 1<<53 - 1

// Nulls decides which cells mean null. The zero value is the default rule: in number, boolean and date columns an empty
// cell, NA, N/A, NULL and null; in text columns only an empty cell.
type Nulls struct{ tokens [][]byte }

// NewNulls replaces the default rule by tokens that mean null in every column; no tokens keep the default.
func NewNulls(tokens []string) Nulls {
	var n Nulls
	for _, t := range tokens {
		n.tokens = append(n.tokens, []byte(t))
	}
	return n
}

func (n Nulls) null(kind Kind, cell []byte) bool {
	if n.tokens != nil {
		for _, t := range n.tokens {
			if bytes.Equal(t, cell) {
				return true
			}
		}
		return false
	}
	if len(cell) == 0 {
		return true
	}
	if len(cell) > 4 || kind.text() {
		return false
	}
	switch string(cell) {
	case "NA", "N/A", "NULL", "null":
		return true
	}
	return false
}

// AppendCell reads a cell and appends its canonical JSON value to out. Null appends nothing and returns null = true.
// Fault is "" or what is wrong, to be followed by the cell.
func (c *Column) AppendCell(out, cell []byte, nulls Nulls) (_ []byte, null bool, fault string) {
	if nulls.null(c.Kind, cell) {
		if c.Required {
			return out, true, "is empty, but the column is required"
		}
		return out, true, ""
	}
	if c.Kind != String {
		cell = bytes.TrimSpace(cell)
	}
	switch c.Kind {
	case String:
		if bytes.IndexByte(cell, 0) >= 0 {
			return out, false, "contains a zero byte"
		}
		return AppendString(out, cell), false, ""
	case Integer:
		if n, ok := parseInteger(cell); ok {
			return strconv.AppendInt(out, n, 10), false, ""
		}
		if wholeNumber(cell) {
			return out, false, beyond
		}
	case Number:
		if f, ok := parseNumber(cell); ok {
			return AppendNumber(out, f), false, ""
		}
	case Boolean:
		if b, err := strconv.ParseBool(view(cell)); err == nil {
			return strconv.AppendBool(out, b), false, ""
		}
	case DateTime:
		if canonicalTime(cell) {
			return appendQuoted(out, cell), false, ""
		}
		if t, ok := parseTime(view(cell)); ok {
			return appendTime(out, t), false, ""
		}
	default:
		if text, ok := c.Kind.normal(cell); ok {
			return AppendString(out, text), false, ""
		}
	}
	return out, false, "is not " + c.Kind.String()
}

// normal checks the formats that stay text.
func (k Kind) normal(cell []byte) ([]byte, bool) {
	switch k {
	case Date:
		_, err := time.Parse(time.DateOnly, view(cell))
		return cell, err == nil
	case UUID:
		id, err := uuid.ParseBytes(cell)
		return []byte(id.String()), err == nil
	case Email:
		a, err := mail.ParseAddress(string(cell))
		return cell, err == nil && a.Address == string(cell)
	case URI:
		u, err := url.Parse(string(cell))
		return cell, err == nil && u.IsAbs() && utf8.Valid(cell)
	}
	return cell, true
}

// beyond is the fault of a whole number that JSON can't carry exactly.
var beyond = fmt.Sprintf("is beyond ±%d", MaxInteger)

// wholeNumber knows digits with an optional sign, however many.
func wholeNumber(cell []byte) bool {
	digits := bytes.TrimLeft(cell, "+-")
	return len(cell)-len(digits) <= 1 && len(digits) > 0 && len(bytes.Trim(digits, "0123456789")) == 0
}

// parseInteger reads decimal digits with an optional sign, within MaxInteger.
func parseInteger(cell []byte) (int64, bool) {
	digits, negative := cell, false
	if len(cell) > 0 && (cell[0] == '-' || cell[0] == '+') {
		digits, negative = cell[1:], cell[0] == '-'
	}
	if len(digits) == 0 || len(digits) > 18 {
		return 0, false
	}
	var n int64
	for _, d := range digits {
		if d < '0' || d > '9' {
			return 0, false
		}
		n = n*10 + int64(d-'0')
	}
	if negative {
		n = -n
	}
	return n, n <= MaxInteger && n >= -MaxInteger
}

// parseNumber reads decimal notation; no infinities, no hexadecimal.
func parseNumber(cell []byte) (float64, bool) {
	for _, b := range cell {
		if (b < '0' || b > '9') && b != '.' && b != '-' && b != '+' && b != 'e' && b != 'E' {
			return 0, false
		}
	}
	f, err := strconv.ParseFloat(view(cell), 64)
	return f, err == nil && !math.IsInf(f, 0)
}

// parseTime reads RFC 3339, cut to microseconds, in years that a four-digit year can tell in UTC.
func parseTime(text string) (time.Time, bool) {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return t, false
	}
	t = t.UTC().Truncate(time.Microsecond)
	return t, t.Year() >= 1 && t.Year() <= 9999
}

// canonicalTime knows the common form 2013-01-01T10:00:00Z without parsing it in full.
func canonicalTime(cell []byte) bool {
	if len(cell) != 20 || cell[4] != '-' || cell[7] != '-' || cell[10] != 'T' || cell[13] != ':' || cell[16] != ':' || cell[19] != 'Z' {
		return false
	}
	two := func(i int) int {
		a, b := cell[i]-'0', cell[i+1]-'0'
		if a > 9 || b > 9 {
			return 1000
		}
		return int(a)*10 + int(b)
	}
	century, year, month, day := two(0), two(2), two(5), two(8)
	return century < 100 && year < 100 && century+year > 0 && month >= 1 && month <= 12 && day >= 1 && day <= 28 &&
		two(11) < 24 && two(14) < 60 && two(17) < 60
}

// view reads bytes as a string without copying; the string must not outlive the call it is made for.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
