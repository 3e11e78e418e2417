package records

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
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
	maxSampleRows = 20_000
	maxExamples   = 5
	maxExample    = 100 // bytes
)

// ProposeSchema reads a sample: a narrow type for every column that all its values have, in doubt text. No column is
// proposed as required, because a sample does not know the rest of the file.
func (s *Service) ProposeSchema(_ context.Context, in *recordsv1.ProposeSchemaRequest) (*recordsv1.ProposeSchemaResponse, error) {
	source, err := rowfile.Open(bytes.NewReader(in.GetSample()), in.GetFileName(), maxSampleText, true)
	if err != nil {
		return nil, sampleError(err)
	}
	defer source.Close()
	text := bufio.NewReaderSize(source, 64<<10)
	head, err := text.Peek(64 << 10)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, sampleError(err)
	}
	format := &recordsv1.Format{Delimiter: in.GetFormat().GetDelimiter(), NullTokens: in.GetFormat().GetNullTokens()}
	if format.GetDelimiter() == "" {
		format.Delimiter = string(guessDelimiter(head))
	}
	rows := rowfile.NewScanner(text, delimiter(format), 1)
	if !rows.Scan() {
		return nil, sampleError(cmp.Or(rows.Err(), error(&rowfile.Bad{Reason: "the file is empty"})))
	}
	if rows.Fault != "" {
		return nil, sampleError(&rowfile.Bad{Reason: "the header " + rows.Fault})
	}
	guesses := make([]guess, len(rows.Fields))
	for i, name := range headerOf(rows.Fields) {
		guesses[i] = newGuess(name)
	}
	out := &recordsv1.ProposeSchemaResponse{Format: format}
	nulls := schema.NewNulls(format.GetNullTokens())
	// The last row may be cut: each row counts when the next one is there, or when it is the only one.
	var held [][]byte
	for out.GetRows() < maxSampleRows && rows.Scan() {
		if held != nil {
			learn(guesses, held, nulls)
			out.Rows++
		}
		held = nil
		if rows.Fault == "" && len(rows.Fields) == len(guesses) {
			held = clone(rows.Fields)
		}
	}
	if held != nil && (out.GetRows() == 0 || bytes.HasSuffix(in.GetSample(), []byte("\n"))) {
		learn(guesses, held, nulls)
		out.Rows++
	}
	if rows.Err() != nil && out.GetRows() == 0 {
		return nil, sampleError(rows.Err())
	}
	properties := map[string]any{}
	for i, g := range guesses {
		column := g.column()
		out.Columns = append(out.Columns, column)
		property := map[string]any{"type": column.GetType(), "x-order": i + 1}
		if column.GetType() == "date" || column.GetType() == "date-time" {
			property["type"], property["format"] = "string", column.GetType()
		}
		properties[g.name] = property
	}
	out.Schema, err = structpb.NewStruct(map[string]any{"type": "object", "properties": properties})
	return out, err
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
	examples []string
}

func newGuess(name string) guess {
	g := guess{name: name, unique: true, seen: map[string]bool{}}
	for _, kind := range []schema.Kind{schema.Integer, schema.Number, schema.Boolean, schema.Date, schema.DateTime} {
		g.open = append(g.open, schema.Column{Name: name, Kind: kind})
	}
	return g
}

func learn(guesses []guess, row [][]byte, nulls schema.Nulls) {
	for i := range guesses {
		guesses[i].learn(row[i], nulls)
	}
}

func (g *guess) learn(cell []byte, nulls schema.Nulls) {
	if len(cell) == 0 {
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
		case fault != "":
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

// guessDelimiter takes the one that the first line has most of, outside quotes.
func guessDelimiter(head []byte) byte {
	counts, quoted := map[byte]int{}, false
	for _, b := range head {
		if b == '\n' && !quoted {
			break
		}
		if b == '"' {
			quoted = !quoted
		} else if !quoted {
			counts[b]++
		}
	}
	best := byte(',')
	for _, candidate := range []byte{';', '\t', '|'} {
		if counts[candidate] > counts[best] {
			best = candidate
		}
	}
	return best
}

func sampleError(err error) error {
	if e := fileError(err); rpc.FieldsOf(e) != nil {
		return rpc.Invalid("sample", "%s", err)
	}
	return err
}

func clone(fields [][]byte) [][]byte {
	row := make([][]byte, len(fields))
	for i, f := range fields {
		row[i] = bytes.Clone(f)
	}
	return row
}
