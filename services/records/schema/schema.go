// Package schema is what a dataset says about its records: columns with types, and a key. It is pure: no I/O.
//
//	schema.go     JSON Schema (the subset of the door) -> Schema, and what may change later
//	cell.go       a cell of a file -> a value, null tokens included
//	reading.go    how a column's cells are written: dates, decimal signs, letters, lookups
//	document.go   values -> the canonical JSON document that the stores keep, and the record's id
//	value.go      a record given as JSON -> values, errors by field path
//
// Documents are canonical: equal values give equal bytes, so "unchanged" is a comparison of documents.
package schema

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/microservicehub/mshub/internal/filter"
	"github.com/microservicehub/mshub/internal/rpc"
)

// Kind is the type of a column.
type Kind int

// The kinds of columns.
const (
	String Kind = iota
	Integer
	Number
	Boolean
	Date
	DateTime
	Email
	UUID
	URI
)

var kinds = map[string]Kind{
	"string": String, "integer": Integer, "number": Number, "boolean": Boolean,
	"string/date": Date, "string/date-time": DateTime, "string/email": Email, "string/uuid": UUID, "string/uri": URI,
}

// names are for messages.
var names = map[Kind]string{
	String: "text", Integer: "a whole number", Number: "a number", Boolean: "true or false", Date: "a date (2013-01-31)",
	DateTime: "a time (2013-01-31T10:00:00Z)", Email: "an e-mail address", UUID: "a UUID", URI: "a URI",
}

func (k Kind) String() string { return names[k] }

// text reports whether only an empty cell is null by default.
func (k Kind) text() bool { return k == String || k == Email || k == UUID || k == URI }

// FilterType says how the column is compared.
func (k Kind) FilterType() filter.Type {
	switch k {
	case Integer:
		return filter.Integer
	case Number:
		return filter.Number
	case Boolean:
		return filter.Boolean
	case Date:
		return filter.Date
	case DateTime:
		return filter.Time
	}
	return filter.Text
}

// Column of a dataset.
type Column struct {
	Name string
	Kind Kind
	// Required columns have a value in every record; a key's columns always do.
	Required bool
	// order is the annotation x-order: where the column stood in the file it was proposed from.
	order float64
}

// Schema of a dataset. Columns are in their order for people.
type Schema struct {
	Columns []Column
	// KeyColumns holds indexes into Columns, in the order of the key. None: every row is a new record.
	KeyColumns []int

	byName map[string]int
	// stored holds indexes into Columns in the order of a document's keys; see document.go.
	stored []int
}

// Limits of a schema.
const (
	MaxColumns    = 500
	maxNameLength = 200
)

// Parse reads {"type":"object","properties":{…},"required":[…]} and the key. All faults come together, each with the path
// of its field under the dataset.
func Parse(in *structpb.Struct, key []string) (*Schema, error) {
	p := &parser{}
	s := p.schema(in, key)
	if len(p.faults) > 0 {
		return nil, rpc.InvalidFields(p.faults...)
	}
	return s, nil
}

// Index of a column by its name, or -1.
func (s *Schema) Index(name string) int {
	if i, ok := s.byName[name]; ok {
		return i
	}
	return -1
}

// Filter returns the columns that a filter may name. Document is the SQL of the JSONB document, path the prefix of a
// column in a MongoDB document.
func (s *Schema) Filter(document, path string, escape func(string) string) map[string]filter.Column {
	columns := make(map[string]filter.Column, len(s.Columns))
	for _, c := range s.Columns {
		column := filter.JSON(document, c.Name, c.Kind.FilterType())
		column.BSON = path + escape(c.Name)
		columns[c.Name] = column
	}
	return columns
}

// Extends reports whether every record of old satisfies s too: nothing removed or retyped, nothing newly required, the
// same key.
func (s *Schema) Extends(old *Schema) error {
	var faults []rpc.Violation
	for _, c := range old.Columns {
		field := "dataset.schema.properties." + c.Name
		switch i := s.Index(c.Name); {
		case i < 0:
			faults = append(faults, rpc.Violation{Field: field, Description: "records have this column; it can't be removed"})
		case s.Columns[i].Kind != c.Kind:
			faults = append(faults, rpc.Violation{Field: field, Description: fmt.Sprintf("is %s in the records; its type can't change", c.Kind)})
		case s.Columns[i].Required && !c.Required:
			faults = append(faults, rpc.Violation{Field: field, Description: "records without a value exist; it can't become required"})
		}
	}
	for _, c := range s.Columns {
		if old.Index(c.Name) < 0 && c.Required {
			faults = append(faults, rpc.Violation{Field: "dataset.schema.required", Description: fmt.Sprintf("%q is new, and the records have no value for it; a new column must be optional", c.Name)})
		}
	}
	if len(faults) > 0 {
		return rpc.InvalidFields(faults...)
	}
	return nil
}

// parser collects faults.
type parser struct{ faults []rpc.Violation }

func (p *parser) failf(field, format string, args ...any) {
	p.faults = append(p.faults, rpc.Violation{Field: field, Description: fmt.Sprintf(format, args...)})
}

func (p *parser) schema(in *structpb.Struct, key []string) *Schema {
	const root = "dataset.schema"
	fields := in.GetFields()
	for _, name := range sortedKeys(fields) {
		switch name {
		case "type", "properties", "required", "title", "description", "$schema", "additionalProperties":
		default:
			p.failf(root+"."+name, "is not supported; a schema has type, properties and required")
		}
	}
	if fields["type"].GetStringValue() != "object" {
		p.failf(root+".type", `must be "object"`)
	}
	properties := fields["properties"].GetStructValue().GetFields()
	if len(properties) == 0 || len(properties) > MaxColumns {
		p.failf(root+".properties", "name 1 to %d columns, such as {\"carrier\":{\"type\":\"string\"}}", MaxColumns)
	}
	s := &Schema{byName: map[string]int{}}
	for _, name := range sortedKeys(properties) {
		s.Columns = append(s.Columns, p.column(root+".properties."+name, name, properties[name]))
	}
	slices.SortStableFunc(s.Columns, func(a, b Column) int {
		switch {
		case a.order < b.order:
			return -1
		case a.order > b.order:
			return 1
		}
		return 0
	})
	for i, c := range s.Columns {
		s.byName[c.Name] = i
	}
	p.required(s, root+".required", fields["required"])
	for i, name := range key {
		column := s.Index(name)
		if column < 0 {
			p.failf(fmt.Sprintf("dataset.key[%d]", i), "there is no column %q in the schema", name)
			continue
		}
		s.KeyColumns = append(s.KeyColumns, column)
		s.Columns[column].Required = true
	}
	s.stored = storedOrder(s.Columns)
	return s
}

func (p *parser) column(field, name string, in *structpb.Value) Column {
	c := Column{Name: name}
	if name == "" || len(name) > maxNameLength || strings.TrimSpace(name) != name || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
		p.failf(field, "a column's name has 1 to %d bytes, no control characters and no space around it", maxNameLength)
	}
	fields := in.GetStructValue().GetFields()
	for _, keyword := range sortedKeys(fields) {
		switch keyword {
		case "type", "format", "title", "description":
		case "x-order":
			c.order = fields[keyword].GetNumberValue()
		default:
			p.failf(field+"."+keyword, "is not supported; a column has type, format, title and description")
		}
	}
	typeName := fields["type"].GetStringValue()
	if list := fields["type"].GetListValue().GetValues(); len(list) == 2 && list[1].GetStringValue() == "null" {
		typeName = list[0].GetStringValue()
	}
	format, full := fields["format"].GetStringValue(), typeName
	if format != "" {
		full += "/" + format
	}
	kind, ok := kinds[full]
	switch {
	case ok && !strings.Contains(typeName, "/"):
		c.Kind = kind
	case format != "":
		p.failf(field+".format", "use date, date-time, email, uuid or uri, and only with the type string")
	default:
		p.failf(field+".type", "use string, integer, number or boolean; columns are flat")
	}
	return c
}

func (p *parser) required(s *Schema, field string, in *structpb.Value) {
	if in == nil {
		return
	}
	if _, ok := in.GetKind().(*structpb.Value_ListValue); !ok {
		p.failf(field, "must be a list of columns")
	}
	for i, v := range in.GetListValue().GetValues() {
		if column := s.Index(v.GetStringValue()); column >= 0 {
			s.Columns[column].Required = true
			continue
		}
		p.failf(fmt.Sprintf("%s[%d]", field, i), "there is no column %q", v.GetStringValue())
	}
}

func sortedKeys(m map[string]*structpb.Value) []string {
	all := make([]string, 0, len(m))
	for k := range m {
		all = append(all, k)
	}
	slices.Sort(all)
	return all
}
