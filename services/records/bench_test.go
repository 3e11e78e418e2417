package records_test

import (
	"bytes"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	recordsv1 "github.com/microservicehub/mshub/services/records/v1"
)

// BenchmarkImport imports flights.csv.gz into an empty dataset, two chunks at a time as the workflow does, and copies the
// same rows into a table like it by a single COPY. ratio = COPY's time / ours.
func BenchmarkImport(b *testing.B) {
	raw, err := os.ReadFile("../../examples/flights.csv.gz")
	if err != nil {
		b.Fatal(err)
	}
	r := setup(b, stores["postgres"])
	conn, err := pgx.Connect(b.Context(), r.url)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = conn.Close(b.Context()) }()
	exec := func(statements ...string) {
		for _, statement := range statements {
			if _, err := conn.Exec(b.Context(), statement); err != nil {
				b.Fatal(err)
			}
		}
	}
	r.dataset("flights", flightsSchema)
	var ours, theirs, planning time.Duration
	var rows bytes.Buffer
	for b.Loop() {
		exec("TRUNCATE records.document", "CHECKPOINT")
		ctx, start := run(r.ctx), time.Now()
		plan, err := r.PlanImport(ctx, &recordsv1.PlanImportRequest{Dataset: "datasets/flights", SourceUrl: r.source(raw, "flights.csv.gz")})
		if err != nil {
			b.Fatal(err)
		}
		planning += time.Since(start)
		var chunks errgroup.Group
		chunks.SetLimit(2)
		for chunk := range plan.GetChunks() {
			chunks.Go(func() error {
				_, err := r.ImportChunk(ctx, &recordsv1.ImportChunkRequest{Chunk: chunk + 1})
				return err
			})
		}
		if err := chunks.Wait(); err != nil {
			b.Fatal(err)
		}
		if _, err := r.FinishImport(ctx, &recordsv1.FinishImportRequest{}); err != nil {
			b.Fatal(err)
		}
		ours += time.Since(start)

		if rows.Len() == 0 {
			if _, err := conn.PgConn().CopyTo(b.Context(), &rows, "COPY records.document TO STDOUT"); err != nil {
				b.Fatal(err)
			}
		}
		exec("TRUNCATE records.document", "DROP TABLE IF EXISTS peer", "CREATE TABLE peer (LIKE records.document INCLUDING ALL)", "CHECKPOINT")
		start = time.Now()
		if _, err := conn.PgConn().CopyFrom(b.Context(), bytes.NewReader(rows.Bytes()), "COPY peer FROM STDIN"); err != nil {
			b.Fatal(err)
		}
		theirs += time.Since(start)
	}
	b.ReportMetric(float64(336_776*b.N)/ours.Seconds(), "rows/s")
	b.ReportMetric(float64(336_776*b.N)/theirs.Seconds(), "copy-rows/s")
	b.ReportMetric(theirs.Seconds()/ours.Seconds(), "ratio")
	b.ReportMetric(planning.Seconds()/ours.Seconds(), "planning")
}

const flightsSchema = `{"title":"Flights","key":["time_hour","carrier","flight"],"schema":{"type":"object","properties":{
	"year":{"type":"integer"},"month":{"type":"integer"},"day":{"type":"integer"},"dep_time":{"type":"integer"},
	"sched_dep_time":{"type":"integer"},"dep_delay":{"type":"integer"},"arr_time":{"type":"integer"},"sched_arr_time":{"type":"integer"},
	"arr_delay":{"type":"integer"},"carrier":{"type":"string"},"flight":{"type":"integer"},"tailnum":{"type":"string"},
	"origin":{"type":"string"},"dest":{"type":"string"},"air_time":{"type":"integer"},"distance":{"type":"integer"},
	"hour":{"type":"integer"},"minute":{"type":"integer"},"time_hour":{"type":"string","format":"date-time"}}}}`
