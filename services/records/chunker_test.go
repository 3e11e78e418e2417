package records

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/structpb"
	"pgregory.net/rapid"

	"github.com/microservicehub/mshub/services/records/rowfile"
	"github.com/microservicehub/mshub/services/records/schema"
	"github.com/microservicehub/mshub/services/records/store"
	recordsv1 "github.com/microservicehub/mshub/services/records/v1"
)

// pieces hands out a text in pieces of drawn sizes.
type pieces struct {
	text  []byte
	sizes []int
	n     int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.text) == 0 {
		return 0, io.EOF
	}
	p.n++
	n := copy(b[:min(len(b), p.sizes[p.n%len(p.sizes)])], p.text)
	p.text = p.text[n:]
	return n, nil
}

// chunked plans a text and converts it chunk by chunk: what every row became, in the order of the file.
func chunked(t *rapid.T, s *schema.Schema, text []byte, sizes []int, format *recordsv1.Format, rows int32) (all []string, err error) {
	source, err := rowfile.Open(&pieces{text: text, sizes: sizes}, rowfile.Options{Limit: 1 << 30})
	if err != nil {
		return nil, err
	}
	defer source.Close()
	var scratch bytes.Buffer
	j := &job{in: &recordsv1.PlanImportRequest{Format: format, ChunkRows: rows}, shelf: store.Shelf{Schema: s}, mode: recordsv1.ImportMode_UPSERT}
	p, l, _, err := read(source, &scratch, j, nil)
	if err != nil {
		return nil, err
	}
	var lines int64
	for i, c := range p.chunks {
		if rows > 0 && c.rows > int64(rows) {
			t.Fatalf("chunk %d has %d rows, at most %d may be", i, c.rows, rows)
		}
		chunk, err := convert(scratch.Bytes()[c.start:c.start+c.length], l, store.Import{ID: uuid.Max, Mode: "UPSERT"}, store.ImportChunk{
			Chunk: int32(i) + 1, Length: c.length, FirstLine: c.firstLine, FirstRow: c.firstRow, Rows: c.rows,
		})
		if err != nil {
			t.Fatalf("chunk %d: %v", i, err)
		}
		if lines += int64(len(chunk.Rows) + len(chunk.Rejects)); lines > p.rows {
			t.Fatalf("%d rows in chunks, %d were planned", lines, p.rows)
		}
		byNumber := map[int64]string{}
		for _, r := range chunk.Rows {
			byNumber[r.Number] = fmt.Sprintf("%d: %s %s %s", r.Line, r.ID, chunk.Data[r.From:r.To], chunk.Cells(r))
		}
		for _, r := range chunk.Rejects {
			byNumber[r.Number] = fmt.Sprintf("%d: %v %s", r.Line, r.Faults, r.Cells)
		}
		for n := c.firstRow; n < c.firstRow+c.rows; n++ {
			all = append(all, byNumber[n])
		}
	}
	if lines != p.rows {
		t.Fatalf("%d rows in chunks, %d were planned", lines, p.rows)
	}
	return all, nil
}

// Any split of any text, into reads and into chunks, yields the same rows.
func TestAnySplitYieldsTheSameRows(t *testing.T) {
	t.Parallel()
	def, err := structpb.NewStruct(map[string]any{"type": "object", "properties": map[string]any{"a": map[string]any{"type": "string"}, "b": map[string]any{"type": "integer"}}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := schema.Parse(def, []string{"a"})
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]struct {
		before, after string
		parts         []string
		format        *recordsv1.Format
	}{
		"csv":    {"a,b\n", "", []string{"x", "1", ",", "\n", "\r\n", "\"", "\"\"", "ä", " ", "x,1\n", "\"x\ny\",2\n", "\r"}, &recordsv1.Format{Kind: recordsv1.Format_CSV, Delimiter: ",", Quote: `"`}},
		"quotes": {"a;b\n", "", []string{"x", "1", ";", "\n", "'", "''", "\"", "x;1\n", "'x\ny';2\n"}, &recordsv1.Format{Kind: recordsv1.Format_CSV, Delimiter: ";", Quote: "'"}},
		"ndjson": {"", "\n{\"a\":\"z\"}", []string{`{"a":"x","b":1}`, "\n", " ", `{"b":2`, `}`, `"a"`, `{"a":"\n\u00e4"}`, "\r\n", "[", "ä", "\n\n"}, &recordsv1.Format{Kind: recordsv1.Format_NDJSON}},
		"json":   {"[", `{"a":"z"}]`, []string{`{"a":"x","b":1},`, "\n", " ", `{"b":2},`, `"]",`, `[{},[]],`, `{"a":"}\"{"},`, `{"a":"\u00e4","b":"x"},`, "5,", `{]},`}, &recordsv1.Format{Kind: recordsv1.Format_JSON}},
	}
	for name, k := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				text := []byte(k.before + strings.Join(rapid.SliceOfN(rapid.SampledFrom(k.parts), 1, 60).Draw(t, "parts"), "") + k.after)
				want, whole := chunked(t, s, text, []int{1 << 20}, k.format, 0)
				sizes := rapid.SliceOfN(rapid.IntRange(1, 9), 1, 5).Draw(t, "sizes")
				rows := rapid.Int32Range(1, 7).Draw(t, "rows")
				got, split := chunked(t, s, text, sizes, k.format, rows)
				if fmt.Sprint(whole) != fmt.Sprint(split) {
					t.Fatalf("whole: %v, split: %v", whole, split)
				}
				if fmt.Sprint(want) != fmt.Sprint(got) {
					t.Fatalf("%q in chunks of %d\n got %q\nwant %q", text, rows, got, want)
				}
			})
		})
	}
}
