package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"
)

// source is a file to be imported.
type source struct {
	path string
	rows int64
	// key of the dataset that it goes into.
	key []string
}

var flights = source{"examples/flights.csv.gz", 336_776, []string{"time_hour", "carrier", "flight"}}

// sampleBytes of a file are enough to propose its columns.
const sampleBytes = 256 << 10

const goalOfCopy = "ratio >= 0.7"

// measureImport imports the file through the whole platform, upload excluded: StartRun, plan, chunks, sum. The peer is
// COPY of the same rows, exported from the platform's table, into a table like it: columns, key and indexes. Both begin
// with an empty table, on the same PostgreSQL with durability on, and take turns.
func measureImport(ctx context.Context, s sizes) ([]Figure, error) {
	i, err := newImporter(ctx, flights)
	if err != nil {
		return nil, err
	}
	defer i.close()
	peer, err := i.copyPeer(ctx)
	if err != nil {
		return nil, err
	}
	defer peer.close(ctx)
	var ours, theirs []float64
	for range s.samples {
		our, their, err := peer.turn(ctx)
		if err != nil {
			return nil, err
		}
		ours, theirs = append(ours, our), append(theirs, their)
	}
	return []Figure{
		figure("import of flights.csv.gz (336,776 rows) into PostgreSQL", "rows/s", goalOfCopy, ours, "COPY of the same rows", theirs),
	}, nil
}

// copyPeer is COPY beside an importer.
type copyPeer struct {
	*importer
	conn *pgx.Conn
	// rows as COPY wants them, in a file: they may be gigabytes.
	rows string
}

// copyPeer imports once, which warms the caches and gives the peer its rows.
func (i *importer) copyPeer(ctx context.Context) (*copyPeer, error) {
	conn, err := pgx.Connect(ctx, i.database.URL())
	if err != nil {
		return nil, err
	}
	p := &copyPeer{importer: i, conn: conn, rows: filepath.Join(i.dir, "rows")}
	if err := p.export(ctx); err != nil {
		p.close(ctx)
		return nil, err
	}
	return p, nil
}

func (p *copyPeer) close(ctx context.Context) { _ = p.conn.Close(ctx) }

func (p *copyPeer) export(ctx context.Context) error {
	if err := perform(ctx, p.conn, "TRUNCATE records.document"); err != nil {
		return err
	}
	if _, err := p.once(); err != nil {
		return err
	}
	file, err := os.Create(p.rows)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(file, 1<<20)
	if _, err := p.conn.PgConn().CopyTo(ctx, out, "COPY records.document TO STDOUT"); err != nil {
		return err
	}
	if err := out.Flush(); err != nil {
		return err
	}
	return file.Close()
}

// turn measures both, ours first: rows/s.
func (p *copyPeer) turn(ctx context.Context) (ours, theirs float64, err error) {
	if err := perform(ctx, p.conn, "DROP TABLE IF EXISTS peer", "TRUNCATE records.document", "CHECKPOINT"); err != nil {
		return 0, 0, err
	}
	if ours, err = p.once(); err != nil {
		return 0, 0, err
	}
	if err := perform(ctx, p.conn, "CREATE TABLE peer (LIKE records.document INCLUDING ALL)", "TRUNCATE records.document", "CHECKPOINT"); err != nil {
		return 0, 0, err
	}
	file, err := os.Open(p.rows)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = file.Close() }()
	began := time.Now()
	tag, err := p.conn.PgConn().CopyFrom(ctx, bufio.NewReaderSize(file, 1<<20), "COPY peer FROM STDIN")
	took := time.Since(began)
	if err == nil && tag.RowsAffected() != p.source.rows {
		err = fmt.Errorf("COPY wrote %d rows", tag.RowsAffected())
	}
	return ours, float64(p.source.rows) / took.Seconds(), err
}

// perform runs statements one by one, each a transaction: a table made and filled in the same one would skip the log.
func perform(ctx context.Context, conn *pgx.Conn, statements ...string) error {
	for _, statement := range statements {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}

// importer is a house with a file uploaded.
type importer struct {
	*rig
	source   source
	file     string
	schema   json.RawMessage
	datasets int
}

func newImporter(ctx context.Context, of source, env ...string) (*importer, error) {
	r, err := newRig(ctx, true, env...)
	if err != nil {
		return nil, err
	}
	i := &importer{rig: r}
	if err := i.prepare(of); err != nil {
		i.close()
		return nil, err
	}
	return i, nil
}

func (i *importer) prepare(of source) error {
	if err := i.up(); err != nil {
		return err
	}
	if err := i.client("runs:write records:write files:write"); err != nil {
		return err
	}
	return i.take(of)
}

// take uploads a file and asks for its columns; it is what is imported from now on.
func (i *importer) take(of source) error {
	content, err := os.Open(of.path)
	if err != nil {
		return err
	}
	defer func() { _ = content.Close() }()
	sample := make([]byte, sampleBytes)
	n, err := io.ReadFull(content, sample)
	if err != nil && n == 0 {
		return err
	}
	var proposal struct{ Schema json.RawMessage }
	if err := i.call(http.MethodPost, "/v1/datasets:propose", map[string]any{"sample": sample[:n], "fileName": filepath.Base(of.path)}, &proposal); err != nil {
		return err
	}
	if _, err := content.Seek(0, io.SeekStart); err != nil {
		return err
	}
	var file struct{ Name string }
	if err := i.call(http.MethodPost, "/v1/files?name="+filepath.Base(of.path), content, &file); err != nil {
		return err
	}
	i.source, i.file, i.schema = of, file.Name, proposal.Schema
	return nil
}

// input makes a new dataset, and the input of an import of the file into it.
func (i *importer) input() (map[string]any, error) {
	i.datasets++
	id := fmt.Sprintf("bench%d", i.datasets)
	dataset := map[string]any{"title": "Bench", "schema": i.schema, "key": i.source.key}
	err := i.call(http.MethodPost, "/v1/datasets?datasetId="+id, dataset, &struct{}{})
	return map[string]any{"file": i.file, "dataset": "datasets/" + id, "mode": "UPSERT"}, err
}

// once imports the file into a new dataset: rows/s from the acceptance of the run to its end.
func (i *importer) once() (float64, error) {
	input, err := i.input()
	if err != nil {
		return 0, err
	}
	done, err := i.finish("recordimport", input)
	if err != nil {
		return 0, err
	}
	if err := i.complete(done); err != nil {
		return 0, err
	}
	return float64(i.source.rows) / done.EndTime.Sub(done.StartTime).Seconds(), nil
}

// complete checks that every row was added.
func (i *importer) complete(done run) error {
	var counts struct {
		Inserted int64 `json:",string"`
	}
	if err := json.Unmarshal(done.Result, &counts); err != nil {
		return err
	}
	if counts.Inserted != i.source.rows {
		return fmt.Errorf("%s inserted %d of %d rows", done.Name, counts.Inserted, i.source.rows)
	}
	return nil
}
