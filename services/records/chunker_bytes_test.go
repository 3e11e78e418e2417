package records

import (
	"fmt"
	"testing"

	"google.golang.org/protobuf/types/known/structpb"
	"pgregory.net/rapid"

	"github.com/microservicehub/mshub/services/records/schema"
	recordsv1 "github.com/microservicehub/mshub/services/records/v1"
)

// Also of bytes that are no text, with the format found out: any split, into reads and into chunks, yields the same rows, or
// no file that can be read.
func TestAnySplitOfAnyBytesYieldsTheSameRows(t *testing.T) {
	t.Parallel()
	def, err := structpb.NewStruct(map[string]any{"type": "object", "properties": map[string]any{"a": map[string]any{"type": "string"}, "b": map[string]any{"type": "string"}}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := schema.Parse(def, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, k := range map[string]struct {
		before string
		format *recordsv1.Format
		bytes  *rapid.Generator[byte]
	}{
		"csv":       {"a,b\n", &recordsv1.Format{Kind: recordsv1.Format_CSV, Delimiter: ",", Quote: `"`}, rapid.SampledFrom([]byte("x,,\n\n\r\"\"\x00\xff\xc3\xa4 "))},
		"ndjson":    {"", &recordsv1.Format{Kind: recordsv1.Format_NDJSON}, rapid.SampledFrom([]byte("{{}}\"\"aab:,1\n\n\r \\\x00\xff"))},
		"json":      {"[{}", &recordsv1.Format{Kind: recordsv1.Format_JSON}, rapid.SampledFrom([]byte("{{}},,,\"\"aab:1\n[]\\\x00\xff"))},
		"any bytes": {"", nil, rapid.Byte()},
		"found out": {"", nil, rapid.SampledFrom([]byte("a,b;\n\n\t{}[]\":1 \x1f\x8b\xef\xbb\xbf\xff\xfe\x00"))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				text := append([]byte(k.before), rapid.SliceOfN(k.bytes, 0, 300).Draw(t, "bytes")...)
				want, whole := chunked(t, s, text, []int{1 << 20}, k.format, 0)
				sizes := rapid.SliceOfN(rapid.IntRange(1, 9), 1, 5).Draw(t, "sizes")
				rows := rapid.Int32Range(1, 7).Draw(t, "rows")
				got, split := chunked(t, s, text, sizes, k.format, rows)
				if (whole == nil) != (split == nil) { // of several faults of a file, what is read first decides which is told
					t.Fatalf("whole: %v, split: %v", whole, split)
				}
				if fmt.Sprint(want) != fmt.Sprint(got) {
					t.Fatalf("%q in chunks of %d\n got %q\nwant %q", text, rows, got, want)
				}
			})
		})
	}
}
