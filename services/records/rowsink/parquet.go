package rowsink

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"

	"github.com/microservicehub/mshub/services/records/schema"
)

const (
	// A row group is what is held in memory until it is written, whichever limit comes first.
	groupRows  = 100_000
	groupBytes = 64 << 20
	// maxLine bounds a line of JSON: more than any document has.
	maxLine = 64 << 20
)

// ParquetFile writes a Parquet file from parts, one after the other: Part for each, then Close.
type ParquetFile struct {
	format  Format
	members members
	out     *parquet.GenericWriter[any]
	values  [][]byte
	row     parquet.Row
	rows    int
	held    int
}

// NewParquetFile writes to out, which stays open. Columns are optional but for those that every record has.
func NewParquetFile(out io.Writer, f Format) *ParquetFile {
	fields := orderedGroup{Group: parquet.Group{}}
	for _, c := range f.Columns {
		node := nodeOf(c.Kind)
		if !c.Required {
			node = parquet.Optional(node)
		}
		fields.Group[c.Name] = node
		fields.order = append(fields.order, c.Name)
	}
	codecs := map[Packing]compress.Codec{Plain: &parquet.Uncompressed, Gzip: &parquet.Gzip, Zstd: &parquet.Zstd}
	return &ParquetFile{
		format: f, members: newMembers(f.Columns), values: make([][]byte, len(f.Columns)),
		out: parquet.NewGenericWriter[any](out, parquet.NewSchema("record", fields), parquet.Compression(codecs[f.Packing]), parquet.CreatedBy("mshub", "", "")),
	}
}

// Part adds a part that a Sink of the same format wrote.
func (p *ParquetFile) Part(packed io.Reader) error {
	lines, err := unpackZstd(packed)
	if err != nil {
		return err
	}
	defer func() { _ = lines.Close() }()
	scanner := bufio.NewScanner(lines)
	scanner.Buffer(make([]byte, 0, 256<<10), maxLine)
	for scanner.Scan() {
		if err := p.add(bytes.TrimRight(scanner.Bytes(), "\n")); err != nil {
			return err
		}
	}
	return scanner.Err()
}

// Close writes the last rows and the footer.
func (p *ParquetFile) Close() error { return p.out.Close() }

func (p *ParquetFile) add(line []byte) error {
	if err := p.members.read(line, p.values); err != nil {
		return err
	}
	p.row = p.row[:0]
	for i, raw := range p.values {
		c, value, level := &p.format.Columns[i], parquet.Value{}, 0
		if raw != nil {
			var err error
			if value, err = valueOf(c.Kind, raw); err != nil {
				return fmt.Errorf("column %s: %w", c.Name, err)
			}
			if !c.Required {
				level = 1
			}
		} else if c.Required {
			return fmt.Errorf("column %s: a record lacks its value", c.Name)
		}
		p.row = append(p.row, value.Level(0, level, i))
	}
	if _, err := p.out.WriteRows([]parquet.Row{p.row}); err != nil {
		return err
	}
	p.rows++
	if p.held += len(line); p.rows < groupRows && p.held < groupBytes {
		return nil
	}
	p.rows, p.held = 0, 0
	return p.out.Flush()
}

// nodeOf is a column's type in Parquet.
func nodeOf(kind schema.Kind) parquet.Node {
	switch kind {
	case schema.Integer:
		return parquet.Int(64)
	case schema.Number:
		return parquet.Leaf(parquet.DoubleType)
	case schema.Boolean:
		return parquet.Leaf(parquet.BooleanType)
	case schema.Date:
		return parquet.Date()
	case schema.DateTime:
		return parquet.Timestamp(parquet.Microsecond)
	case schema.UUID:
		return parquet.UUID()
	}
	return parquet.String()
}

func valueOf(kind schema.Kind, raw []byte) (parquet.Value, error) {
	word, err := text(raw)
	if err != nil {
		return parquet.Value{}, err
	}
	switch kind {
	case schema.Integer:
		n, err := strconv.ParseInt(word, 10, 64)
		return parquet.Int64Value(n), err
	case schema.Number:
		f, err := strconv.ParseFloat(word, 64)
		return parquet.DoubleValue(f), err
	case schema.Boolean:
		return parquet.BooleanValue(word == "true"), nil
	case schema.Date:
		t, err := time.Parse(time.DateOnly, word)
		return parquet.Int32Value(int32(t.Unix() / (24 * 60 * 60))), err
	case schema.DateTime:
		t, err := time.Parse(time.RFC3339Nano, word)
		return parquet.Int64Value(t.UnixMicro()), err
	case schema.UUID:
		id, err := uuid.Parse(word)
		return parquet.FixedLenByteArrayValue(id[:]), err
	}
	return parquet.ByteArrayValue([]byte(word)), nil
}

// orderedGroup keeps the columns in the order that was asked for; a plain Group sorts them by name.
type orderedGroup struct {
	parquet.Group
	order []string
}

// Fields implements parquet.Node.
func (g orderedGroup) Fields() []parquet.Field {
	fields := g.Group.Fields()
	slices.SortFunc(fields, func(a, b parquet.Field) int {
		return slices.Index(g.order, a.Name()) - slices.Index(g.order, b.Name())
	})
	return fields
}
