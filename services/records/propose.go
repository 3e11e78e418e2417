package records

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/records/rowfile"
	"github.com/microservicehub/mshub/services/records/schema"
	recordsv1 "github.com/microservicehub/mshub/services/records/v1"
)

const (
	// maxSampleText bounds what a packed sample may inflate to.
	maxSampleText = 64 << 20
	maxSampleRead = 8 << 20 // of it is looked at
	maxSampleRows = 20_000
	maxExamples   = 5
	maxExample    = 100 // bytes
)

// ProposeSchema reads a sample: its format, and a narrow type for every column that all its values have, in doubt text. No
// column is proposed as required, because a sample does not know the rest of the file.
func (s *Service) ProposeSchema(_ context.Context, in *recordsv1.ProposeSchemaRequest) (*recordsv1.ProposeSchemaResponse, error) {
	if err := checkFormat(in.GetFormat()); err != nil {
		return nil, err
	}
	source, err := rowfile.Open(bytes.NewReader(in.GetSample()), rowfile.Options{
		Name: in.GetFileName(), Limit: maxSampleText, Partial: true, Encoding: in.GetFormat().GetEncoding(),
	})
	if err != nil {
		return nil, sampleError(err)
	}
	defer source.Close()
	text, err := io.ReadAll(io.LimitReader(source, maxSampleRead))
	if err != nil {
		return nil, sampleError(err)
	}
	sample := &sample{text: text, format: settle(in.GetFormat(), text[:min(len(text), headBytes)], source.Encoding())}
	if err := sample.columns(); err != nil {
		return nil, sampleError(err)
	}
	if err := sample.learn(); err != nil {
		return nil, sampleError(err)
	}
	out := &recordsv1.ProposeSchemaResponse{Format: sample.format, Rows: sample.rows}
	properties := map[string]any{}
	for _, g := range sample.guesses {
		if g.nested {
			sample.format.Columns = append(sample.format.Columns, &recordsv1.Format_Column{Source: g.name, Skip: true})
			continue
		}
		column := g.column()
		out.Columns = append(out.Columns, column)
		property := map[string]any{"type": column.GetType(), "x-order": len(out.GetColumns())}
		if column.GetType() == "date" || column.GetType() == "date-time" {
			property["type"], property["format"] = "string", column.GetType()
		}
		properties[g.name] = property
	}
	out.Schema, err = structpb.NewStruct(map[string]any{"type": "object", "properties": properties})
	return out, err
}

// sample is the beginning of a file.
type sample struct {
	text    []byte
	format  *recordsv1.Format
	file    rowfile.Format
	begun   rowfile.Scanner // CSV behind its header, or with its first row under it
	guesses []guess
	rows    int64
}

// columns finds the names: in the header, or in all objects.
func (s *sample) columns() error {
	var names []string
	if s.format.GetKind() == recordsv1.Format_CSV {
		file, err := headerless(s.format)
		if err != nil {
			return err
		}
		s.file, s.begun = *file, file.Whole(bytes.NewReader(s.text))
		if names, err = csvHeader(s.begun, s.format, nil); err != nil {
			return err
		}
		if names == nil {
			for i := range s.begun.At().Fields {
				names = append(names, fmt.Sprintf("column_%d", i+1))
				s.format.Columns = append(s.format.Columns, &recordsv1.Format_Column{Source: names[i]})
			}
		}
	} else {
		seen := map[string]bool{}
		s.file = rowfile.Format{Kind: rowfile.JSONFile, IgnoreUnknown: true, Unknown: func(name []byte) {
			if !seen[string(name)] && len(names) < schema.MaxColumns {
				seen[string(name)] = true
				names = append(names, string(name))
			}
		}}
		if s.format.GetKind() == recordsv1.Format_NDJSON {
			s.file.Kind = rowfile.NDJSONFile
		}
		rows := s.file.Whole(bytes.NewReader(s.text))
		for n := 0; n < maxSampleRows && rows.Scan(); n++ {
			continue
		}
		if names == nil {
			return cmp.Or(rows.Err(), error(&rowfile.Bad{Reason: "the file has no records"}))
		}
		s.file.Columns, s.file.Unknown = names, nil
	}
	seen := map[string]int{}
	for i, name := range names {
		if first, ok := seen[name]; ok {
			return &rowfile.Bad{Reason: fmt.Sprintf("the header names the column %q twice (%d and %d)", name, first+1, i+1)}
		}
		seen[name] = i
		s.guesses = append(s.guesses, newGuess(name))
	}
	return nil
}

// learn looks at the values. The last row may be cut: each row counts when the next one is there, or when it is the only
// one.
func (s *sample) learn() error {
	rows, begun := s.begun, s.format.GetNoHeader()
	if rows == nil {
		rows = s.file.Whole(bytes.NewReader(s.text))
	}
	nulls := schema.NewNulls(s.format.GetNullTokens())
	if s.format.GetKind() != recordsv1.Format_CSV {
		nulls = schema.Tokens(s.format.GetNullTokens())
	}
	var held *rowfile.Row
	count := func() {
		if held != nil {
			for i := range s.guesses {
				s.guesses[i].learn(held, i, nulls)
			}
			s.rows++
		}
		held = nil
	}
	for row := rows.At(); s.rows < maxSampleRows && (begun || rows.Scan()); begun = false {
		count()
		if row.Fault == "" && len(row.Fields) == len(s.guesses) {
			held = clone(row)
		}
	}
	if s.rows == 0 || bytes.HasSuffix(s.text, []byte("\n")) || s.format.GetKind() == recordsv1.Format_JSON {
		count()
	}
	if rows.Err() != nil && s.rows == 0 {
		return rows.Err()
	}
	return nil
}

// guess is what is still possible for a column.
type guess struct {
	name     string
	open     []schema.Column // candidate types, narrowest first; text is always possible
	values   int64
	nulls    int64 // by the rule of number columns
	empty    int64
	seen     map[string]bool
	unique   bool
	nested   bool // a list or an object, which no column takes
	examples []string
}

func newGuess(name string) guess {
	g := guess{name: name, unique: true, seen: map[string]bool{}}
	for _, kind := range []schema.Kind{schema.Integer, schema.Number, schema.Boolean, schema.Date, schema.DateTime} {
		g.open = append(g.open, schema.Column{Name: name, Kind: kind})
	}
	return g
}

// mayBe says which kinds a value of JSON may be of; cells of CSV may be of any.
func mayBe(types []rowfile.Type, i int, kind schema.Kind) bool {
	if types == nil {
		return true
	}
	switch types[i] {
	case rowfile.Number:
		return kind == schema.Integer || kind == schema.Number
	case rowfile.Boolean:
		return kind == schema.Boolean
	}
	return kind == schema.Date || kind == schema.DateTime
}

func (g *guess) learn(row *rowfile.Row, i int, nulls schema.Nulls) {
	cell := row.Fields[i]
	if cell == nil {
		g.empty++
		g.nulls++
		return
	}
	if row.Types != nil && row.Types[i] == rowfile.Nested {
		g.nested = true
		return
	}
	if len(cell) == 0 && row.Types == nil {
		g.empty++
	}
	number := schema.Column{Kind: schema.Number}
	if _, null, _ := number.AppendCell(nil, cell, nulls); null {
		g.nulls++
		return
	}
	g.values++
	var still []schema.Column
	for _, c := range g.open {
		_, _, fault := c.AppendCell(nil, cell, nulls)
		switch {
		case fault != "" || !mayBe(row.Types, i, c.Kind):
		case c.Kind == schema.Boolean && len(cell) == 1: // 0, 1, t and f are too little to tell
		case c.Kind == schema.Integer && len(cell) > 1 && cell[0] == '0': // 007 would lose its zeros
		case c.Kind == schema.Number && len(cell) > 1 && cell[0] == '0' && cell[1] != '.':
		default:
			still = append(still, c)
		}
	}
	g.open = still
	text := string(cell)
	if g.seen[text] {
		g.unique = false
	} else if g.unique || len(g.examples) < maxExamples {
		g.seen[text] = true
		if len(g.examples) < maxExamples {
			g.examples = append(g.examples, strings.ToValidUTF8(text[:min(len(text), maxExample)], ""))
		}
	}
}

var proposedNames = map[schema.Kind]string{
	schema.Integer: "integer", schema.Number: "number", schema.Boolean: "boolean", schema.Date: "date", schema.DateTime: "date-time",
}

func (g *guess) column() *recordsv1.ProposeSchemaResponse_Column {
	c := &recordsv1.ProposeSchemaResponse_Column{Name: g.name, Type: "string", Nullable: g.empty > 0, Examples: g.examples, Unique: g.unique && g.values > 0}
	if g.values > 0 && len(g.open) > 0 {
		c.Type, c.Nullable = proposedNames[g.open[0].Kind], g.nulls > 0
	}
	c.Unique = c.GetUnique() && !c.GetNullable()
	return c
}

func sampleError(err error) error {
	if e := fileError(err); slices.Contains(rpc.FieldsOf(e), "file") {
		return rpc.Invalid("sample", "%s", strings.TrimPrefix(rpc.Message(e), "file: "))
	}
	return err
}

func clone(row *rowfile.Row) *rowfile.Row {
	copied := *row
	copied.Fields, copied.Types = make([][]byte, len(row.Fields)), slices.Clone(row.Types)
	for i, f := range row.Fields {
		copied.Fields[i] = bytes.Clone(f)
	}
	return &copied
}
