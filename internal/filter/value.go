package filter

import (
	"math"
	"strconv"
	"time"
)

// Type is what a column holds; it decides how a literal is read and compared.
type Type int

// The types of columns.
const (
	// Text compares by bytes.
	Text Type = iota
	Integer
	Number
	Boolean
	// Time is a point in time. A literal is RFC 3339, or a date for its midnight in UTC.
	Time
	// Date is a day, kept as text: 2013-01-31.
	Date
	// TextArray knows `:` (is among), = null and != null.
	TextArray
)

// Column is something that a filter may name.
type Column struct {
	Type Type
	// SQL is the expression in PostgreSQL: "run.state". It must not contain anything a caller wrote; see JSON.
	SQL string
	// BSON is the path in a MongoDB document.
	BSON string
	// Convert turns the literal into the value to compare with, in place of the type's rule: for enumerations
	// ("RUNNING" -> "running") and resource names ("users/ID" -> a UUID). Its error becomes part of the message.
	Convert func(text string) (any, error)
}

// literal gives the Go value to compare the column with: string, int64, float64, bool or time.Time (UTC).
func (c Column) literal(cmp Compare) (any, error) {
	v := cmp.Value
	if c.Convert != nil {
		value, err := c.Convert(v.Text)
		if err != nil {
			return nil, failAt(v.At, "%q is no value of %s: %s", v.Text, cmp.Field, err)
		}
		return value, nil
	}
	switch c.Type {
	case Integer:
		if n, err := strconv.ParseInt(v.Text, 10, 64); err == nil {
			return n, nil
		}
		return nil, failAt(v.At, "%s is compared with a whole number, not %q", cmp.Field, v.Text)
	case Number:
		if n, err := strconv.ParseInt(v.Text, 10, 64); err == nil {
			return n, nil
		}
		if f, err := strconv.ParseFloat(v.Text, 64); err == nil && !math.IsInf(f, 0) && !math.IsNaN(f) {
			return f, nil
		}
		return nil, failAt(v.At, "%s is compared with a number, not %q", cmp.Field, v.Text)
	case Boolean:
		if v.Text == "true" || v.Text == "false" {
			return v.Text == "true", nil
		}
		return nil, failAt(v.At, "%s is compared with true or false, not %q", cmp.Field, v.Text)
	case Time:
		for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
			if t, err := time.Parse(layout, v.Text); err == nil {
				return t.UTC(), nil
			}
		}
		return nil, failAt(v.At, "%s is compared with a time such as 2013-01-31T10:00:00Z, not %q", cmp.Field, v.Text)
	case Date:
		if _, err := time.Parse(time.DateOnly, v.Text); err == nil {
			return v.Text, nil
		}
		return nil, failAt(v.At, "%s is compared with a date such as 2013-01-31, not %q", cmp.Field, v.Text)
	}
	return v.Text, nil
}

// allows reports whether the operator fits the column's type.
func (c Column) allows(cmp Compare) error {
	switch {
	case cmp.Op == ":" && !has(cmp) && c.Type != Text && c.Type != TextArray:
		return failAt(cmp.At, "`:` looks into text; compare %s with =", cmp.Field)
	case cmp.Op == ":" && c.Convert != nil && c.Type == Text:
		return failAt(cmp.At, "compare %s with =", cmp.Field)
	case c.Type == TextArray && cmp.Op != ":" && !cmp.Value.Null():
		return failAt(cmp.At, "%s holds several values; use %s:value", cmp.Field, cmp.Field)
	case c.Type == Boolean && (cmp.Op[0] == '<' || cmp.Op[0] == '>'):
		return failAt(cmp.At, "%s is true or false; compare it with =", cmp.Field)
	case cmp.Value.Null() && cmp.Op != "=" && cmp.Op != "!=":
		return failAt(cmp.At, "null is compared with = or != only")
	}
	return nil
}

// has is `column:*`.
func has(cmp Compare) bool { return cmp.Op == ":" && !cmp.Value.Quoted && cmp.Value.Text == "*" }
