package records_test

import (
	"os"
	"testing"
	"time"

	recordsv1 "github.com/microservicehub/mshub/services/records/v1"
)

const flightsSchema = `{"title":"Flights","key":["time_hour","carrier","flight"],"schema":{"type":"object","properties":{
	"year":{"type":"integer"},"month":{"type":"integer"},"day":{"type":"integer"},"dep_time":{"type":"integer"},
	"sched_dep_time":{"type":"integer"},"dep_delay":{"type":"integer"},"arr_time":{"type":"integer"},"sched_arr_time":{"type":"integer"},
	"arr_delay":{"type":"integer"},"carrier":{"type":"string"},"flight":{"type":"integer"},"tailnum":{"type":"string"},
	"origin":{"type":"string"},"dest":{"type":"string"},"air_time":{"type":"integer"},"distance":{"type":"integer"},
	"hour":{"type":"integer"},"minute":{"type":"integer"},"time_hour":{"type":"string","format":"date-time"}}}}`

func TestFlights(t *testing.T) {
	path := os.Getenv("FLIGHTS")
	if path == "" {
		t.Skip("FLIGHTS names no file")
	}
	r := setup(t, stores["postgres"])
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r.dataset("flights", flightsSchema)
	in := &recordsv1.PlanImportRequest{Dataset: "datasets/flights", SourceUrl: r.source(raw, "flights.csv.gz")}
	for range 2 {
		start := time.Now()
		out, err := r.importFile(run(r.ctx), in)
		if err != nil {
			t.Fatal(err)
		}
		t.Log(time.Since(start), out.chunks, out.counts())
	}
	t.Log(r.count("datasets/flights", `carrier="UA" AND dep_delay>=60`))
}
