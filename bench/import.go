package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	flights     = "examples/flights.csv.gz"
	flightsRows = 336_776
	importRuns  = 5
	// sampleBytes of the file are enough to propose its columns.
	sampleBytes = 256 << 10
)

// measureImport imports the file through the whole platform, upload excluded: StartRun, plan, chunks, sum. The peer is
// COPY of the same rows, exported from the platform's table, into a table like it: columns, key and indexes. Both begin
// with an empty table, on the same PostgreSQL with durability on, and take turns.
func measureImport(ctx context.Context) ([]Figure, error) {
	i, err := newImporter(ctx)
	if err != nil {
		return nil, err
	}
	defer i.close()
	conn, err := pgx.Connect(ctx, i.database.URL())
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := i.once(); err != nil { // warms the caches, and gives the peer its rows
		return nil, err
	}
	var rows bytes.Buffer
	if _, err := conn.PgConn().CopyTo(ctx, &rows, "COPY records.document TO STDOUT"); err != nil {
		return nil, err
	}
	var ours, theirs []float64
	for range importRuns {
		if err := perform(ctx, conn, "TRUNCATE records.document", "CHECKPOINT"); err != nil {
			return nil, err
		}
		rate, err := i.once()
		if err != nil {
			return nil, err
		}
		ours = append(ours, rate)
		if err := perform(ctx, conn, "TRUNCATE records.document", "DROP TABLE IF EXISTS peer",
			"CREATE TABLE peer (LIKE records.document INCLUDING ALL)", "CHECKPOINT"); err != nil {
			return nil, err
		}
		if rate, err = copyRows(ctx, conn, rows.Bytes()); err != nil {
			return nil, err
		}
		theirs = append(theirs, rate)
	}
	return []Figure{
		figure("import of flights.csv.gz (336,776 rows) into PostgreSQL", "rows/s", "ratio >= 0.4 (0.7 next)", ours, "COPY of the same rows", theirs),
	}, nil
}

func copyRows(ctx context.Context, conn *pgx.Conn, rows []byte) (float64, error) {
	began := time.Now()
	tag, err := conn.PgConn().CopyFrom(ctx, bytes.NewReader(rows), "COPY peer FROM STDIN")
	took := time.Since(began)
	if err == nil && tag.RowsAffected() != flightsRows {
		err = fmt.Errorf("COPY wrote %d rows", tag.RowsAffected())
	}
	return flightsRows / took.Seconds(), err
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

// importer is a house with the file uploaded.
type importer struct {
	*rig
	file     string
	schema   json.RawMessage
	datasets int
}

func newImporter(ctx context.Context, env ...string) (*importer, error) {
	r, err := newRig(ctx, true, env...)
	if err != nil {
		return nil, err
	}
	i := &importer{rig: r}
	if err := i.prepare(); err != nil {
		i.close()
		return nil, err
	}
	return i, nil
}

func (i *importer) prepare() error {
	if err := i.up(); err != nil {
		return err
	}
	if err := i.client("runs:write records:write files:write"); err != nil {
		return err
	}
	content, err := os.ReadFile(flights)
	if err != nil {
		return err
	}
	var file struct{ Name string }
	if err := i.call(http.MethodPost, "/v1/files?name="+filepath.Base(flights), bytes.NewReader(content), &file); err != nil {
		return err
	}
	i.file = file.Name
	var proposal struct{ Schema json.RawMessage }
	sample := content[:min(sampleBytes, len(content))]
	if err := i.call(http.MethodPost, "/v1/datasets:propose", map[string]any{"sample": sample}, &proposal); err != nil {
		return err
	}
	i.schema = proposal.Schema
	return nil
}

// once imports the file into a new dataset: rows/s from the acceptance of the run to its end.
func (i *importer) once() (float64, error) {
	i.datasets++
	id := fmt.Sprintf("flights%d", i.datasets)
	dataset := map[string]any{"title": "Flights", "schema": i.schema, "key": []string{"time_hour", "carrier", "flight"}}
	if err := i.call(http.MethodPost, "/v1/datasets?datasetId="+id, dataset, &struct{}{}); err != nil {
		return 0, err
	}
	done, err := i.finish("recordimport", map[string]any{"file": i.file, "dataset": "datasets/" + id, "mode": "UPSERT"})
	if err != nil {
		return 0, err
	}
	var counts struct {
		Inserted int64 `json:",string"`
	}
	if err := json.Unmarshal(done.Result, &counts); err != nil {
		return 0, err
	}
	if counts.Inserted != flightsRows {
		return 0, fmt.Errorf("%s inserted %d rows", done.Name, counts.Inserted)
	}
	return flightsRows / done.EndTime.Sub(done.StartTime).Seconds(), nil
}
