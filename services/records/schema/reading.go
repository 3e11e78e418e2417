package schema

import (
	"bytes"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Reading says how a file writes the cells of a column, where it is not as AppendCell wants them. It keeps a buffer, so
// each goroutine needs its own.
type Reading struct {
	Nulls Nulls
	Trim  bool
	Case  Case
	// Decimal and Thousands are the signs in numbers; 0: a point, none.
	Decimal, Thousands byte
	// Times is the format of a date or date-time column; nil: ISO 8601.
	Times *TimeFormat
	// Lookup puts other values in the place of cells.
	Lookup *Lookup

	buf []byte
}

// Case of letters.
type Case int

// The cases.
const (
	AsIs Case = iota
	Upper
	Lower
)

// Lookup maps a cell to the canonical JSON value that takes its place.
type Lookup struct {
	Values        map[string][]byte
	UnknownIsNull bool
}

// Tokens is the rule by which only tokens mean null: of JSON, which knows null.
func Tokens(tokens []string) Nulls {
	n := NewNulls(tokens)
	if n.tokens == nil {
		n.tokens = [][]byte{}
	}
	return n
}

// Plain reports whether cells are as AppendCell wants them, null tokens apart.
func (r *Reading) plain() bool {
	return !r.Trim && r.Case == AsIs && r.Decimal == 0 && r.Thousands == 0 && r.Times == nil && r.Lookup == nil
}

// AppendRead is AppendCell for cells as a file writes them.
func (c *Column) AppendRead(out, cell []byte, r *Reading) (_ []byte, null bool, fault string) {
	if r.plain() {
		return c.AppendCell(out, cell, r.Nulls)
	}
	if r.Trim {
		cell = bytes.TrimSpace(cell)
	}
	if r.Nulls.null(c.Kind, cell) {
		return c.Null(out)
	}
	switch r.Case {
	case Upper:
		cell = bytes.ToUpper(cell)
	case Lower:
		cell = bytes.ToLower(cell)
	}
	if r.Lookup != nil {
		return c.look(out, cell, r.Lookup)
	}
	switch {
	case (c.Kind == Integer || c.Kind == Number) && (r.Decimal != 0 || r.Thousands != 0):
		plain, ok := r.number(bytes.TrimSpace(cell))
		if !ok {
			return out, false, "is not " + c.Kind.String() + r.signs(c.Kind)
		}
		out, null, fault := c.AppendCell(out, plain, Nulls{tokens: [][]byte{}})
		if fault != "" && fault != beyond {
			fault += r.signs(c.Kind)
		}
		return out, null, fault
	case r.Times != nil && c.Kind == Date:
		t, ok := r.Times.parse(bytes.TrimSpace(cell))
		if !ok {
			return out, false, "is not a date as " + r.Times.text
		}
		out = append(out, '"')
		return append(t.AppendFormat(out, time.DateOnly), '"'), false, ""
	case r.Times != nil && c.Kind == DateTime:
		t, ok := r.Times.parse(bytes.TrimSpace(cell))
		if !ok {
			return out, false, "is not a time as " + r.Times.text
		}
		return appendTime(out, t), false, ""
	}
	return c.AppendCell(out, cell, Nulls{tokens: [][]byte{}})
}

// Null is what a cell becomes that has no value.
func (c *Column) Null(out []byte) ([]byte, bool, string) {
	if c.Required {
		return out, true, "is empty, but the column is required"
	}
	return out, true, ""
}

func (c *Column) look(out, cell []byte, l *Lookup) ([]byte, bool, string) {
	if value, ok := l.Values[string(cell)]; ok {
		return append(out, value...), false, ""
	}
	if l.UnknownIsNull {
		return c.Null(out)
	}
	return out, false, "is not found by the lookup"
}

// AppendNumberOf reads a number as JSON writes it.
func (c *Column) AppendNumberOf(out, number []byte, r *Reading) (_ []byte, null bool, fault string) {
	switch {
	case r.Lookup != nil:
		return c.look(out, number, r.Lookup)
	case c.Kind == Integer:
		if f, ok := parseNumber(number); ok && f == float64(int64(f)) && f <= MaxInteger && f >= -MaxInteger {
			return AppendNumber(out, f), false, ""
		} else if ok && f == float64(int64(f)) {
			return out, false, beyond
		}
	case c.Kind == Number:
		if f, ok := parseNumber(number); ok {
			return AppendNumber(out, f), false, ""
		}
	}
	return out, false, "is a number, not " + c.Kind.String()
}

// AppendBoolean reads true or false as JSON writes it.
func (c *Column) AppendBoolean(out, word []byte, r *Reading) (_ []byte, null bool, fault string) {
	if r.Lookup != nil {
		return c.look(out, word, r.Lookup)
	}
	if c.Kind != Boolean {
		return out, false, "is true or false, not " + c.Kind.String()
	}
	return append(out, word...), false, ""
}

func (r *Reading) signs(kind Kind) string {
	text := ""
	if r.Decimal != 0 && kind == Number {
		text += fmt.Sprintf(" with %q before the fraction", string(r.Decimal))
	}
	if r.Thousands != 0 {
		text += fmt.Sprintf(" with %q between groups of three digits", string(r.Thousands))
	}
	return text
}

// number writes a number with a point and without groups. A sign of thousands that does not part groups of three is a fault.
func (r *Reading) number(cell []byte) ([]byte, bool) {
	decimal := r.Decimal
	if decimal == 0 {
		decimal = '.'
	}
	r.buf = r.buf[:0]
	group, fraction, grouped := 0, false, false
	for _, b := range cell {
		switch {
		case b == decimal && !fraction:
			if grouped && group != 3 {
				return nil, false
			}
			fraction = true
			r.buf = append(r.buf, '.')
			continue
		case b == r.Thousands && r.Thousands != 0:
			if fraction || group == 0 || group > 3 || grouped && group != 3 {
				return nil, false
			}
			grouped, group = true, 0
			continue
		case b == '.' || b == ',':
			return nil, false
		case b >= '0' && b <= '9' && !fraction:
			group++
		}
		r.buf = append(r.buf, b)
	}
	return r.buf, fraction || !grouped || group == 3
}

// TimeFormat reads dates and times as people write them.
type TimeFormat struct {
	text, layout string
	zone         *time.Location
}

// The parts of a format, longest first, as package time writes them.
var timeParts = []struct{ part, layout string }{
	{"YYYY", "2006"}, {"MMMM", "January"}, {"SSSSSS", "000000"}, {"MMM", "Jan"}, {"SSS", "000"}, {"YY", "06"}, {"MM", "01"}, {"DD", "02"}, {"HH", "15"}, {"hh", "03"}, {"mm", "04"}, {"ss", "05"},
	{"M", "1"}, {"D", "2"}, {"H", "15"}, {"h", "3"}, {"A", "PM"}, {"Z", "Z07:00"}, {"T", "T"},
}

// NewTimeFormat compiles a format such as "DD.MM.YYYY HH:mm"; times without a zone are of the given one. Fault is "" or
// what is wrong.
func NewTimeFormat(text string, zone *time.Location) (f *TimeFormat, fault string) {
	f = &TimeFormat{text: text, zone: zone}
	seen := map[byte]bool{}
	for rest := text; rest != ""; {
		found := false
		for _, p := range timeParts {
			if !strings.HasPrefix(rest, p.part) {
				continue
			}
			if p.part[0] == 'S' && !strings.HasSuffix(f.layout, "05.") && !strings.HasSuffix(f.layout, "05,") {
				return nil, "has a fraction of seconds that does not follow ss and a point"
			}
			if p.part != "T" && seen[p.part[0]] {
				return nil, fmt.Sprintf("has %s twice", p.part)
			}
			seen[p.part[0]] = true
			f.layout += p.layout
			rest, found = rest[len(p.part):], true
			break
		}
		if found {
			continue
		}
		r, n := utf8.DecodeRuneInString(rest)
		if unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_' {
			return nil, fmt.Sprintf("has %q, which stands for nothing; a format is made of YYYY YY MMMM MMM MM M DD D HH H hh h mm ss SSS A Z and signs between them", string(r))
		}
		f.layout += rest[:n]
		rest = rest[n:]
	}
	if !seen['Y'] || !seen['M'] || !seen['D'] {
		return nil, "needs a year, a month and a day: DD.MM.YYYY"
	}
	if seen['h'] != seen['A'] {
		return nil, "needs hh and A together (03 PM), or HH alone (15)"
	}
	return f, ""
}

func (f *TimeFormat) parse(cell []byte) (time.Time, bool) {
	t, err := time.ParseInLocation(f.layout, view(cell), f.zone)
	if err != nil {
		return t, false
	}
	t = t.Truncate(time.Microsecond)
	year := t.UTC().Year()
	return t, year >= 1 && year <= 9999
}
