package records

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/records/rowfile"
	"github.com/microservicehub/mshub/services/records/schema"
	recordsv1 "github.com/microservicehub/mshub/services/records/v1"
)

// noQuote is the format's word for cells that are never quoted.
const noQuote = "none"

// settle returns the format with what the file's first bytes say put where nothing was given.
func settle(given *recordsv1.Format, head []byte, encoding string) *recordsv1.Format {
	f := &recordsv1.Format{}
	proto.Merge(f, given)
	guess := rowfile.Guess(head)
	f.Encoding = encoding
	if f.GetKind() == recordsv1.Format_KIND_UNSPECIFIED {
		f.Kind = kinds[guess.Kind]
		if given.GetDelimiter() != "" || given.GetQuote() != "" || given.GetNoHeader() {
			f.Kind = recordsv1.Format_CSV // only CSV has these
		}
	}
	if f.GetKind() != recordsv1.Format_CSV {
		return f
	}
	if f.GetQuote() == "" {
		f.Quote = string(rowfile.GuessQuote(head))
	}
	if f.GetDelimiter() == "" {
		f.Delimiter = string(rowfile.GuessDelimiter(head, quoteOf(f)))
	}
	return f
}

var kinds = map[rowfile.Kind]recordsv1.Format_Kind{
	rowfile.CSVFile: recordsv1.Format_CSV, rowfile.NDJSONFile: recordsv1.Format_NDJSON, rowfile.JSONFile: recordsv1.Format_JSON,
}

func quoteOf(f *recordsv1.Format) byte {
	if f.GetQuote() == noQuote || f.GetQuote() == "" {
		return 0
	}
	return f.GetQuote()[0]
}

// checkFormat finds what is wrong with a format by itself.
func checkFormat(f *recordsv1.Format) error {
	c := &formatCheck{}
	const breaks = "\"\n\r"
	if d := f.GetDelimiter(); d != "" && strings.Contains(breaks, d) {
		c.failf("format.delimiter", "can't be %q, which quotes cells or ends lines; use a comma, semicolon, tab or bar", d)
	}
	if q := f.GetQuote(); q != "" && q != noQuote && (len(q) != 1 || q[0] < ' ' || q == f.GetDelimiter()) {
		c.failf("format.quote", `is one character such as " or ', other than the delimiter; or "none"`)
	}
	if kind := f.GetKind(); kind != recordsv1.Format_CSV && kind != recordsv1.Format_KIND_UNSPECIFIED {
		for _, only := range []struct {
			field string
			given bool
		}{{"delimiter", f.GetDelimiter() != ""}, {"quote", f.GetQuote() != ""}, {"noHeader", f.GetNoHeader()}} {
			if only.given {
				c.failf("format."+only.field, "is for CSV alone; leave it out for %s", kind)
			}
		}
	}
	c.numbers("format", f.GetDecimal(), f.GetThousands())
	c.time("format.dateFormat", f.GetDateFormat())
	c.time("format.timeFormat", f.GetTimeFormat())
	if _, err := time.LoadLocation(f.GetTimeZone()); err != nil {
		c.failf("format.timeZone", "%q is no time zone; name one such as Europe/Berlin", f.GetTimeZone())
	}
	sources := map[string]bool{}
	for i, column := range f.GetColumns() {
		field := fmt.Sprintf("format.columns[%d]", i)
		if sources[column.GetSource()] {
			c.failf(field+".source", "%q is named twice", column.GetSource())
		}
		sources[column.GetSource()] = true
		c.numbers(field, column.GetDecimal(), column.GetThousands())
		c.time(field+".dateFormat", column.GetDateFormat())
	}
	return c.err()
}

// formatCheck collects faults.
type formatCheck struct{ faults []rpc.Violation }

func (c *formatCheck) failf(field, format string, args ...any) {
	c.faults = append(c.faults, rpc.Violation{Field: field, Description: fmt.Sprintf(format, args...)})
}

func (c *formatCheck) err() error {
	if len(c.faults) == 0 {
		return nil
	}
	return rpc.InvalidFields(c.faults...)
}

func (c *formatCheck) numbers(field, decimal, thousands string) {
	if thousands != "" && (thousands == cmp.Or(decimal, ".") || strings.ContainsAny(thousands, "0123456789+-eE")) {
		c.failf(field+".thousands", "%q can't part groups of digits; the sign before the fraction is %q", thousands, cmp.Or(decimal, "."))
	}
}

func (c *formatCheck) time(field, format string) {
	if format == "" {
		return
	}
	if _, fault := schema.NewTimeFormat(format, time.UTC); fault != "" {
		c.failf(field, "%s", fault)
	}
}

// reading of a column by the format and the column's own rule, which may be nil.
func reading(f *recordsv1.Format, rule *recordsv1.Format_Column, kind schema.Kind) schema.Reading {
	r := schema.Reading{Trim: f.GetTrim() || rule.GetTrim()}
	tokens := f.GetNullTokens()
	if len(rule.GetNullTokens()) > 0 {
		tokens = rule.GetNullTokens()
	}
	if r.Nulls = schema.NewNulls(tokens); f.GetKind() != recordsv1.Format_CSV {
		r.Nulls = schema.Tokens(tokens)
	}
	switch rule.GetCase() {
	case recordsv1.Format_UPPER:
		r.Case = schema.Upper
	case recordsv1.Format_LOWER:
		r.Case = schema.Lower
	}
	if d := cmp.Or(rule.GetDecimal(), f.GetDecimal()); d != "" && d != "." {
		r.Decimal = d[0]
	}
	if t := cmp.Or(rule.GetThousands(), f.GetThousands()); t != "" {
		r.Thousands = t[0]
	}
	text := rule.GetDateFormat()
	switch kind {
	case schema.Date:
		text = cmp.Or(text, f.GetDateFormat())
	case schema.DateTime:
		text = cmp.Or(text, f.GetTimeFormat())
	default:
		text = ""
	}
	if text != "" {
		zone, err := time.LoadLocation(f.GetTimeZone())
		if err != nil {
			zone = time.UTC // checkFormat has refused it
		}
		r.Times, _ = schema.NewTimeFormat(text, zone)
	}
	return r
}
