package records

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/records/rowfile"
	"github.com/microservicehub/mshub/services/records/schema"
	recordsv1 "github.com/microservicehub/mshub/services/records/v1"
)

// layout is how a file's rows become documents: which column fills which, and how its cells are read.
type layout struct {
	schema *schema.Schema
	file   rowfile.Format
	// replay: rows of an earlier import's rejects, each led by its number and line.
	replay bool
	// header has the file's columns in its order; of JSON, the members that are read.
	header []string
	cells  []cell // in the order of a document's keys
	keys   []int  // indexes into cells, in the order of the key
	values [][]byte
	buf    []byte
}

// cell says how a column of the file becomes a member of the document.
type cell struct {
	field   int
	column  *schema.Column
	name    []byte // `"name":`
	key     bool
	reading schema.Reading
}

// newLayout compares the file's columns with the dataset's. A column the dataset lacks is an error, not silently dropped
// data; so is a required column, or one of the key, that the file lacks. Keys alone are read for a deletion.
func newLayout(s *schema.Schema, f *recordsv1.Format, header []string, keysOnly bool, lookups []schema.Lookup) (*layout, error) {
	l := &layout{schema: s, header: header, file: rowfile.Format{Comma: ',', IgnoreUnknown: f.GetOnlyColumns()}}
	for kind, name := range kinds {
		if name == f.GetKind() {
			l.file.Kind = kind
		}
	}
	rules := map[string]int{}
	for i, rule := range f.GetColumns() {
		rules[rule.GetSource()] = i
		if rule.GetSkip() {
			l.file.Ignored = append(l.file.Ignored, rule.GetSource())
		}
	}
	if f.GetKind() == recordsv1.Format_CSV {
		l.file.Comma, l.file.Quote = f.GetDelimiter()[0], quoteOf(f)
	} else {
		l.header = jsonHeader(s, f)
		l.file.Columns = l.header
	}
	c := &formatCheck{}
	fieldOf := c.columns(s, f, rules, l.header)
	c.required(s, f, fieldOf, keysOnly)
	for _, column := range s.Stored() {
		field, ok := fieldOf[column]
		key := slices.Contains(s.KeyColumns, column)
		if !ok || keysOnly && !key {
			continue // an optional column that the file lacks
		}
		cell := cell{field: field, column: &s.Columns[column], name: s.AppendName(nil, column), key: key}
		i, ruled := rules[l.header[field]]
		if ruled {
			cell.reading = reading(f, f.GetColumns()[i], cell.column.Kind)
		} else {
			cell.reading = reading(f, nil, cell.column.Kind)
		}
		if ruled && f.GetColumns()[i].GetLookup() != nil && i < len(lookups) {
			cell.reading.Lookup = &lookups[i]
		}
		l.cells = append(l.cells, cell)
	}
	for _, k := range s.KeyColumns {
		for i := range l.cells {
			if l.cells[i].column == &s.Columns[k] {
				l.keys = append(l.keys, i)
			}
		}
	}
	l.values = make([][]byte, len(l.keys))
	return l, c.err()
}

// columns says which field of the file fills which column of the dataset.
func (c *formatCheck) columns(s *schema.Schema, f *recordsv1.Format, rules map[string]int, header []string) map[int]int {
	fieldOf, seen := map[int]int{}, map[string]int{}
	for i, name := range header {
		if first, ok := seen[name]; ok {
			c.failf("file", "the header names the column %q twice (%d and %d)", name, first+1, i+1)
			continue
		}
		seen[name] = i
		rule, ruled := rules[name]
		target := name
		if ruled {
			if f.GetColumns()[rule].GetSkip() {
				continue
			}
			if renamed := f.GetColumns()[rule].GetColumn(); renamed != "" {
				target = renamed
			}
		} else if f.GetOnlyColumns() {
			continue
		}
		column := s.Index(target)
		switch {
		case name == "":
			c.failf("file", "column %d has no name in the header", i+1)
		case column < 0 && target != name:
			c.failf(fmt.Sprintf("format.columns[%d].column", rule), "the dataset has no column %q", target)
		case column < 0:
			c.failf("file", "the dataset has no column %q; add it to the dataset, remove it from the file, or rename or skip it in the format's columns", name)
		default:
			if first, ok := fieldOf[column]; ok {
				c.failf("file", "the columns %q and %q would both fill %q", header[first], name, target)
			}
			fieldOf[column] = i
		}
	}
	for i, rule := range f.GetColumns() {
		if _, ok := seen[rule.GetSource()]; !ok && !rule.GetSkip() {
			c.failf(fmt.Sprintf("format.columns[%d].source", i), "the file has no column %q", rule.GetSource())
		}
	}
	return fieldOf
}

func (c *formatCheck) required(s *schema.Schema, f *recordsv1.Format, fieldOf map[int]int, keysOnly bool) {
	for i, column := range s.Columns {
		key := slices.Contains(s.KeyColumns, i)
		if _, ok := fieldOf[i]; ok || !column.Required || keysOnly && !key {
			continue
		}
		what, where := "required", "missing in the header"
		if key {
			what = "part of the key"
		}
		if f.GetKind() != recordsv1.Format_CSV {
			where = "left out"
		}
		c.failf("file", "the column %q is %s; it is %s", column.Name, where, what)
	}
}

// jsonHeader are the members that are read, in the dataset's order.
func jsonHeader(s *schema.Schema, f *recordsv1.Format) []string {
	var header []string
	ruled := map[string]bool{}
	for _, rule := range f.GetColumns() {
		ruled[rule.GetSource()] = true
		if !rule.GetSkip() {
			header = append(header, rule.GetSource())
		}
	}
	if f.GetOnlyColumns() {
		return header
	}
	renamed := map[string]bool{}
	for _, rule := range f.GetColumns() {
		if rule.GetColumn() != "" && !rule.GetSkip() {
			renamed[rule.GetColumn()] = true
		}
	}
	for _, column := range s.Columns {
		if !ruled[column.Name] && !renamed[column.Name] {
			header = append(header, column.Name)
		}
	}
	slices.SortStableFunc(header, func(a, b string) int { return s.Index(a) - s.Index(b) })
	return header
}

// headerOf copies a header out of the read buffer.
func headerOf(fields [][]byte) []string {
	header := make([]string, len(fields))
	for i, f := range fields {
		header[i] = strings.TrimSpace(string(f))
	}
	return header
}

// part reads a part of the file that was cut at a record's border.
func (l *layout) part(text io.Reader, firstLine int64) rowfile.Scanner {
	if l.replay {
		return &replayed{CSV: rowfile.NewCSV(text, l.file.Comma, l.file.Quote, firstLine)}
	}
	return l.file.Part(text, firstLine)
}

// replayed reads rejects of an earlier import: their first two cells are number and line.
type replayed struct {
	*rowfile.CSV
	row rowfile.Row
}

func (r *replayed) Scan() bool {
	if !r.CSV.Scan() {
		return false
	}
	r.row = *r.CSV.At()
	if len(r.row.Fields) < 2 {
		r.row.Fault = "is no rejected row"
		return true
	}
	r.row.Number, _ = strconv.ParseInt(string(r.row.Fields[0]), 10, 64)
	r.row.Line, _ = strconv.ParseInt(string(r.row.Fields[1]), 10, 64)
	r.row.Fields = r.row.Fields[2:]
	return true
}

func (r *replayed) At() *rowfile.Row { return &r.row }

// append reads a cell's field of a row.
func (c *cell) append(out []byte, row *rowfile.Row) (_ []byte, null bool, fault string) {
	field := row.Fields[c.field]
	if field == nil {
		return c.column.Null(out)
	}
	if row.Types != nil {
		switch row.Types[c.field] {
		case rowfile.Number:
			return c.column.AppendNumberOf(out, field, &c.reading)
		case rowfile.Boolean:
			return c.column.AppendBoolean(out, field, &c.reading)
		case rowfile.Nested:
			return out, false, "is a list or an object; columns are flat"
		}
	}
	return c.column.AppendRead(out, field, &c.reading)
}

// id of a row by its key; ok is false if it has none that can be read, or the dataset has no key.
func (l *layout) id(row *rowfile.Row) (id uuid.UUID, ok bool) {
	if len(l.keys) == 0 || row.Fault != "" || len(row.Fields) != len(l.header) {
		return id, false
	}
	l.buf = l.buf[:0]
	for i, k := range l.keys {
		from := len(l.buf)
		out, null, fault := l.cells[k].append(l.buf, row)
		if null || fault != "" {
			return id, false
		}
		l.buf = out
		l.values[i] = out[from:len(out):len(out)]
	}
	return schema.KeyID(l.values...), true
}

// keyNames and keyText show a row's key as the file has it.
func (l *layout) keyNames() string {
	names := make([]string, len(l.keys))
	for i, k := range l.keys {
		names[i] = l.cells[k].column.Name
	}
	return strings.Join(names, ", ")
}

func (l *layout) keyText(row *rowfile.Row) []byte {
	texts := make([]string, len(l.keys))
	for i, k := range l.keys {
		texts[i] = string(row.Fields[l.cells[k].field])
	}
	return []byte(strings.Join(texts, ", "))
}

// texts of a row as a JSON object: column of the file -> cell. What is null is left out.
func (l *layout) texts(row *rowfile.Row) []byte {
	out := []byte{'{'}
	for i, field := range row.Fields {
		if i == len(l.header) {
			break
		}
		if field == nil || row.Fault != "" && row.Types == nil {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(schema.AppendString(out, []byte(l.header[i])), ':')
		out = schema.AppendString(out, []byte(strings.ReplaceAll(string(field), "\x00", "")))
	}
	return append(out, '}')
}

// fileFault is a fault of the file's own.
func fileFault(format string, args ...any) error {
	return rpc.Invalid("file", format, args...)
}
